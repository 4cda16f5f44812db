//! The local reply to a message whose headers are on their way, and the calls and tasks that hold
//! the message.

use super::{Head, Headers};
use crate::callout::{CallFailure, CallResponse, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall};
use crate::context::Action;
use crate::error::Result;
use crate::handle::HttpHandle;
use crate::owner::HttpStream;
use crate::reply::LocalResponse;

impl<D, P> Headers<'_, D, P, Head> {
    /// Calls a cluster over HTTP, and holds the message until the closure has run with the
    /// response, or with the reason for the failure:
    /// `return request.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure decides about the message. [`Action::Continue`] resumes the message when nobody
    /// else holds it. Any other action leaves the message paused: the closure has replied, or
    /// something else will resume the message. If the closure fails, the
    /// [failure policy](crate::HttpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if the call cannot be sent. Then nothing is held, and the
    /// closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](crate::HttpHandle::call_then).
    pub fn hold_for_call<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &mut self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<Action>
    where
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Calls a method over gRPC, and holds the message until the closure has run, as
    /// [`hold_for_call`](Self::hold_for_call) does.
    ///
    /// # Errors
    ///
    /// Fails as [`hold_for_call`](Self::hold_for_call) does.
    ///
    /// # Cost
    ///
    /// The cost of [`hold_for_call`](Self::hold_for_call).
    pub fn hold_for_grpc_call<F>(
        &mut self,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<Action>
    where
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for_grpc(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Runs a task, holds the message until the task ends, and then takes the action that the task
    /// returns; see [`task`](crate::task): `return request.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// Fails if the attribute of the filter does not say `tasks`, if the stream has ended, or if
    /// the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until the task ends. No host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Action> {
        crate::task::hold(self.stream.id, self.direction(), task)?;
        Ok(Action::Held)
    }

    /// Returns whether nothing follows the headers: neither a body nor trailers.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     // A request with a body waits for it; one without has nothing to wait for.
    ///     Ok(if request.end_of_stream() { Action::Continue } else { Action::StopIteration })
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Sends a local reply to the client, and returns the action for the callback to return:
    /// `return request.reply(&LocalResponse::new(403));`
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     if request.get("authorization")?.is_none() {
    ///         return request.reply(&LocalResponse::new(401).headers(&[("www-authenticate",
    ///         "Basic")])); } Ok(Action::Continue) }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was replied to before, if it has ended, or if the
    /// [`LocalResponse`] is not valid. Fails if the headers are over the host's limits, if the SDK
    /// is out of memory, or if the host refuses. The host refuses once a response is on its way.
    ///
    /// # Cost
    ///
    /// One host call. If there are headers, one block, freed at once.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, response: &LocalResponse<'_, N, V>) -> Result<Action> {
        response.send()?;
        Ok(Action::StopIteration)
    }
}
