//! What a filter needs: `use sluicegate::prelude::*;`

pub use crate::context::{Action, FailurePolicy, HttpFilter, PluginContext, StartStatus, VmContext};
pub use crate::error::{Error, Result};
pub use crate::handle::{HttpHandle, PluginHandle, RequestHeaders, ResponseHeaders, VmHandle};
pub use crate::headers::HeaderMap;
pub use crate::reply::LocalResponse;
pub use crate::{ByteStr, Status, ToValue, critical, debug, error, info, trace, warn};
