//! The names that a filter needs: `use sluicegate::prelude::*;`

pub use crate::callout::{
    CallFailure, CallResponse, CallToken, GrpcCall, GrpcEvent, GrpcEventKind, GrpcFailure, GrpcStatus, GrpcStream,
    HttpCall,
};
pub use crate::context::{
    Action, DataAction, FailurePolicy, FilterStatus, HttpFilter, PluginContext, StartStatus, TcpFilter, Upgrades,
    VmContext,
};
pub use crate::error::{Error, Result};
pub use crate::handle::{
    AccessLogEntry, BodyCursor, CompleteRequestBody, CompleteResponseBody, DownstreamData, HttpHandle, PluginHandle,
    RequestBody, RequestHeaders, RequestTrailers, ResponseBody, ResponseHeaders, ResponseTrailers, Rewriter, TcpHandle,
    UpstreamData, VmHandle,
};
pub use crate::headers::HeaderMap;
pub use crate::reply::LocalResponse;
pub use crate::{ByteStr, PeerType, Status, ToValue, critical, debug, error, info, trace, warn};
