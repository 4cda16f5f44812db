//! The names that a filter needs: `use sluicegate::prelude::*;`

pub use crate::callout::{
    CallFailure, CallResponse, CallToken, GrpcCall, GrpcEvent, GrpcFailure, GrpcStatus, GrpcStream, GrpcWhat, HttpCall,
};
pub use crate::context::{
    Action, DataAction, FailurePolicy, Flow, HttpFilter, PluginContext, StartStatus, TcpFilter, Upgrades, VmContext,
};
pub use crate::error::{Error, Result};
pub use crate::handle::{
    BodyCursor, CompleteRequestBody, CompleteResponseBody, DownstreamData, HttpHandle, LogEntry, PluginHandle,
    RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders, ResponseTrailers, Rewriter, TcpHandle,
    UpstreamData, VmHandle,
};
pub use crate::headers::HeaderMap;
pub use crate::reply::LocalResponse;
pub use crate::{ByteStr, PeerType, Status, ToValue, critical, debug, error, info, trace, warn};
