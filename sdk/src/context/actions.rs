//! The statuses that a callback returns: the start of a VM or plugin, the fate of a stream, and the
//! effect of an error on the stream.

/// The outcome of the start of a VM or plugin.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn started(limit: Option<u64>) -> StartStatus {
///     if limit.is_some() { StartStatus::Ok } else { StartStatus::Failed }
/// }
/// assert_eq!(started(None), StartStatus::Failed);
/// ```
#[doc(alias("OnVMStartStatus", "OnPluginStartStatus"))]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "return it from the callback, which decides by it whether the VM or plugin starts"]
pub enum StartStatus {
    /// The VM or plugin can work.
    #[doc(alias("OnVMStartStatusOK", "OnPluginStartStatusOK"))]
    Ok,
    /// The VM or plugin cannot work. The proxy refuses the configuration.
    #[doc(alias("OnVMStartStatusFailed", "OnPluginStartStatusFailed"))]
    Failed,
}

/// The status of a headers callback, which tells the proxy what to do with the stream.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
///     // A body follows, and its callback decides about the request.
///     Ok(if request.end_of_stream() { Action::Continue } else { Action::Pause })
/// }
/// # sluicegate_host::example::request(example);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the stream goes on"]
pub enum Action {
    /// Go on to the next filter.
    #[doc(alias = "ActionContinue")]
    Continue = 0,
    /// Pause the headers. Envoy pauses the body too, as for
    /// [`StopAllIterationAndWatermark`](Self::StopAllIterationAndWatermark), unless its plugin
    /// configuration sets `allow_on_headers_stop_iteration`. While a call, a task or a closure is
    /// pending, a filter that judges the complete body of this message gives Envoy
    /// [`StopAllIterationAndBuffer`](Self::StopAllIterationAndBuffer), with which Envoy refuses a
    /// body over its limit.
    ///
    /// It is an error to pause a message at its end if nothing is left that could resume it: no
    /// call, task, closure or tick, and no callback of the plugin.
    StopIteration = 1,
    /// Go on, and end the stream here. Envoy takes this status for [`Continue`](Self::Continue).
    ContinueAndEndStream = 2,
    /// Pause everything. If a body is over the buffer's limit, Envoy replies with 413, or with 500
    /// for a response.
    StopAllIterationAndBuffer = 3,
    /// Pause everything. If a body is over the buffer's limit, the sender waits.
    StopAllIterationAndWatermark = 4,
    /// Pause the headers while somebody holds them, and go on when nobody does. `hold_while` and
    /// [`hold_for_call`](crate::Headers::hold_for_call) return this status. The proxy gets
    /// [`StopIteration`](Self::StopIteration) or [`Continue`](Self::Continue). If the filter judges
    /// the complete body, Envoy gets
    /// [`StopAllIterationAndBuffer`](Self::StopAllIterationAndBuffer).
    Held = 0x100,
}

impl Action {
    /// [`StopIteration`](Self::StopIteration), by the name that the specification and other SDKs
    /// use.
    #[doc(alias = "ActionPause")]
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIteration;
}

/// The status of a body callback, which tells the proxy what to do with the body.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(body: &mut RequestBody<'_>) -> Result<DataAction> {
///     Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::StopIterationAndBuffer })
/// }
/// # sluicegate_host::example::body(example);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the body goes on"]
pub enum DataAction {
    /// Let the part go on, and the kept parts before it.
    Continue = 0,
    /// Keep the part. If the body is over the buffer's limit, a request is answered with 413, and a
    /// response is reset, or answered with 500 if its headers are paused.
    StopIterationAndBuffer = 1,
    /// Keep the part. If the body is over the buffer's limit, the sender waits.
    StopIterationAndWatermark = 2,
    /// Drop all bytes that the callback was shown: this part and the kept parts before it.
    StopIterationNoBuffer = 3,
    /// Pause the body while somebody holds it, and let it go on when nobody does. `hold_while` and
    /// [`hold_for_call`](crate::Body::hold_for_call) return this status. The proxy gets
    /// [`StopIterationAndBuffer`](Self::StopIterationAndBuffer) or [`Continue`](Self::Continue).
    Held = 0x100,
}

impl DataAction {
    /// [`StopIterationAndBuffer`](Self::StopIterationAndBuffer), by the name that the specification
    /// and other SDKs use.
    #[doc(alias = "ActionPause")]
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIterationAndBuffer;
}

/// The status of a callback for trailers, for a complete body, or for a connection and its data,
/// which tells the proxy what to do next.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
///     // Wait for a whole line.
///     let is_line = data.end_of_stream() || data.read(0, data.size())?.ends_with(b"\n");
///     Ok(if is_line { FilterStatus::Continue } else { FilterStatus::Pause })
/// }
/// # sluicegate_host::example::data(example);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
#[non_exhaustive]
#[must_use = "return it from the callback, which decides by it whether the stream goes on"]
pub enum FilterStatus {
    /// Go on to the next filter.
    Continue = 0,
    /// Pause here. The data of a connection is kept.
    StopIteration = 1,
    /// Pause while somebody holds the direction, and go on when nobody does. `hold_while` and
    /// [`hold_for_call`](crate::TcpHandle::hold_for_call) return this status. The proxy gets
    /// [`StopIteration`](Self::StopIteration) or [`Continue`](Self::Continue).
    Held = 0x100,
}

impl FilterStatus {
    /// [`StopIteration`](Self::StopIteration), by the name that the specification and other SDKs
    /// use.
    #[doc(alias = "ActionPause")]
    #[allow(non_upper_case_globals, reason = "it stands beside the variants")]
    pub const Pause: Self = Self::StopIteration;
}

/// The effect on a stream of a callback that returns an error, or of a context that is missing or
/// busy. A context is missing if, for example, the SDK was out of memory when it was to make the
/// context. In every case the SDK logs the error, and counts it for each callback in the proxy's
/// metric `sluicegate_errors`, which all plugins of the proxy share.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Count;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Count {
///     // It only counts: a stream goes on when that fails.
///     const ON_ERROR: FailurePolicy = FailurePolicy::Open;
/// }
/// # sluicegate::plugin!(http: Count);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailurePolicy {
    /// The client gets a 500. A connection is closed. Nothing passes unfiltered.
    Closed,
    /// The client gets a 503, on which clients and load balancers try again elsewhere. A connection
    /// is closed.
    Unavailable,
    /// The stream goes on as if the filter were not there. If the error comes from the response to
    /// a call, the parts that the stream holds go on too.
    Open,
}

impl FailurePolicy {
    /// Returns the status of the local reply to the client, or `None` if the stream goes on.
    pub(crate) const fn status(self) -> Option<u16> {
        match self {
            Self::Closed => Some(500),
            Self::Unavailable => Some(503),
            Self::Open => None,
        }
    }
}

/// The treatment of a request that asks for another protocol, by `upgrade` (WebSocket) or by
/// `CONNECT`. The bytes after the headers of such a request are not a body, and do not end.
///
/// The policy concerns filters that judge
/// [complete bodies](crate::HttpFilter::on_complete_request_body), because such a stream has
/// nothing that they could judge. Other filters see the data part by part, as a body.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Scan;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Scan {
///     const UPGRADES: Upgrades = Upgrades::Pass; // WebSockets pass unscanned
///
///     fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
///         info!("{} bytes", body.size()?);
///         Ok(FilterStatus::Continue)
///     }
/// }
/// # sluicegate::plugin!(http: Scan);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Upgrades {
    /// The client gets a 403, before any callback of the filter for the request.
    #[default]
    Refuse,
    /// The data passes in both directions without a callback, once the upstream has agreed with
    /// status 101, or with 2xx to `CONNECT`. Until then the bytes after the request's headers are
    /// kept as a body, and judged if it ends. An upstream that does not agree sends an ordinary
    /// response.
    ///
    /// The filter's own `on_request_headers` can still refuse some of these requests.
    Pass,
}
