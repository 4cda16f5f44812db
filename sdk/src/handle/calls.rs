//! The calls that a plugin, a stream and a connection can make.

use super::Handle;
use crate::abi::StreamType;
use crate::callout::{
    Answered, CallFailure, CallResponse, CallToken, Closures, ContextRef, GrpcCall, GrpcEvent, GrpcFailure, GrpcStream,
    GrpcTarget, HttpCall, Kind, NOBODY, Pending, Target, grpc_stream, keep, keep_each, keep_holding, opened,
    takes_grpc_answers, takes_http_answers, wrong_context,
};
use crate::context::Action;
use crate::error::Result;
use crate::headers::Check;
use crate::owner::{ContextKind, Owner};

/// The calls of every handle.
impl<K: ContextKind, A> Handle<'_, K, A> {
    /// Calls a cluster over HTTP. The response comes to the context's `on_http_call_response`: that
    /// of [`HttpFilter`](crate::HttpFilter::on_http_call_response),
    /// [`TcpFilter`](crate::TcpFilter::on_http_call_response) or
    /// [`PluginContext`](crate::PluginContext::on_http_call_response). A filter that waits for the
    /// response pauses its stream until then.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the context has no such callback, because the response
    /// would be lost. Then use [`call_then`](Self::call_then) or
    /// [`call_and_forget`](Self::call_and_forget). Fails without a host call if the call lacks
    /// `:method`, `:path` or `:authority`, or if a name or a value has bytes that HTTP does not
    /// allow. Fails if the headers are over the host's limits, if the SDK is out of memory, or
    /// if the host refuses, for example because it does not know the cluster.
    ///
    /// # Cost
    ///
    /// One host call, a block for the headers, and an entry of a table until the response
    /// comes.
    #[doc(alias = "DispatchHttpCall")]
    #[doc(alias = "dispatch_http_call")]
    pub fn call<N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, W, T>,
    ) -> Result<CallToken> {
        takes_http_answers()?;
        call.dispatch(self.id)
    }

    /// Calls a cluster over HTTP, and drops the response when it comes: for a mirror, a log or
    /// a notification.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let headers = [(":method", "POST"), (":path", "/log"), (":authority", "collector")];
    ///     if let Err(error) = request.call_and_forget(&HttpCall::new("service").headers(&headers)) {
    ///         warn!("not logged: {error}");
    ///     }
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the call lacks `:method`, `:path` or `:authority`, or if a
    /// name or a value has bytes that HTTP does not allow. Fails if the headers are over the
    /// host's limits, if the SDK is out of memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call and a block for the headers. If the module exports the callback for
    /// responses, an entry of a table until the response comes.
    #[doc(alias("DispatchHttpCall", "dispatch_http_call"))]
    pub fn call_and_forget<N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, W, T>,
    ) -> Result<()> {
        call.dispatch(NOBODY).map(drop)
    }

    /// Calls a method over gRPC. The response comes to the context's `on_grpc_event`: that of
    /// [`HttpFilter`](crate::HttpFilter::on_grpc_event),
    /// [`TcpFilter`](crate::TcpFilter::on_grpc_event) or
    /// [`PluginContext`](crate::PluginContext::on_grpc_event).
    ///
    /// # Errors
    ///
    /// Fails without a host call if the context has no such callback, because the response
    /// would be lost. Then use [`grpc_call_then`](Self::grpc_call_then) or
    /// [`grpc_call_and_forget`](Self::grpc_call_and_forget). Fails without a host call if the
    /// service, the method or the metadata have bytes that HTTP does not allow. Fails if the
    /// metadata are over the host's limits, if the SDK is out of memory, or if the host
    /// refuses, for example because it does not know the cluster.
    ///
    /// # Cost
    ///
    /// One host call, a block for the metadata, and an entry of a table until the response
    /// comes.
    #[doc(alias = "dispatch_grpc_call")]
    pub fn grpc_call(&self, call: &GrpcCall<'_>) -> Result<CallToken> {
        takes_grpc_answers()?;
        opened(self.id, call.dispatch(self.id)?)
    }

    /// Calls a method over gRPC, and drops the response when it comes.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the service, the method or the metadata have bytes that
    /// HTTP does not allow. Fails if the metadata are over the host's limits, if the SDK is out
    /// of memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call and a block for the metadata. If the module exports the callbacks for
    /// responses, an entry of a table until the response comes.
    #[doc(alias = "dispatch_grpc_call")]
    pub fn grpc_call_and_forget(&self, call: &GrpcCall<'_>) -> Result<()> {
        call.dispatch(NOBODY).map(drop)
    }

    /// Calls a cluster over HTTP, and runs the closure with the response, or with the reason
    /// for the failure. [`Closures`] has an example. An error that
    /// the closure returns is treated like an error of a callback.
    ///
    /// # Errors
    ///
    /// Fails as [`call_and_forget`](Self::call_and_forget) does. Then nothing is sent, and the
    /// closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of the call, and two small blocks until the response comes. The first such call
    /// of a context also makes the context's table of closures. A failed call costs one more
    /// host call, which asks for the reason.
    #[doc(alias("DispatchHttpCall", "dispatch_http_call"))]
    pub fn call_then<F, N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, W, T>,
        then: impl FnOnce(&mut F, &mut Handle<'_, K, A>, Result<&CallResponse, CallFailure>) -> Result<()> + 'static,
    ) -> Result<Pending>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        keep(self.id, Kind::Http, |id| call.dispatch(id), of_http::<F, _>(then))
    }

    /// Calls a method over gRPC, and runs the closure with the event that brings the response,
    /// or with the reason for the failure.
    ///
    /// # Errors
    ///
    /// Fails as [`grpc_call_and_forget`](Self::grpc_call_and_forget) does. Then nothing is sent
    /// and the closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](Self::call_then).
    #[doc(alias = "dispatch_grpc_call")]
    pub fn grpc_call_then<F>(
        &self,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut Handle<'_, K, A>, Result<&GrpcEvent, GrpcFailure>) -> Result<()> + 'static,
    ) -> Result<Pending>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        keep(self.id, Kind::GrpcCall, |id| call.dispatch(id), of_grpc::<F, _>(then))
    }

    /// Starts a task that runs beside the callbacks; see [`task`](crate::task). An error that
    /// the task returns is logged.
    ///
    /// # Errors
    ///
    /// Fails if the attribute of the context does not say `tasks`, or if the SDK is out of
    /// memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until the task ends. No host call by itself.
    #[cfg(feature = "async")]
    pub fn spawn(&self, task: impl Future<Output = Result<()>> + 'static) -> Result<()> {
        crate::task::spawn(self.id, task)
    }

    /// Opens a gRPC stream to a cluster, or to a [`GrpcTarget`]. The events of the stream come to
    /// the context's `on_grpc_event`, as those of [`grpc_call`](Self::grpc_call) do.
    ///
    /// # Errors
    ///
    /// Fails if the metadata are over the host's limits, if the SDK is out of memory, or if the
    /// host refuses, for example because it does not know the cluster. Fails without a host
    /// call if the context has no such callback, or if the service, the method or the metadata
    /// have bytes that HTTP does not allow. Fails without a host call if another call has
    /// failed at once, in the same callback or in the callback that woke this task, because its
    /// cluster has no healthy host: Envoy would stop serving. Then open the stream in a later
    /// callback.
    ///
    /// # Cost
    ///
    /// One host call, a block for the metadata, and an entry of a table until the stream is
    /// closed.
    #[doc(alias = "open_grpc_stream")]
    pub fn grpc_stream<'a>(
        &self,
        target: impl Into<GrpcTarget<'a>>,
        service: &str,
        method: &str,
        metadata: &[(&str, &str)],
    ) -> Result<GrpcStream> {
        self.open_grpc(target.into(), service, method, metadata, Check::Both)
    }

    /// Opens a gRPC stream as [`grpc_stream`](Self::grpc_stream) does, without checking the
    /// bytes of the metadata, the service and the method: for a filter that must send bytes
    /// that HTTP does not allow.
    ///
    /// # Errors
    ///
    /// Fails as [`grpc_stream`](Self::grpc_stream) does, but allows any byte. A name of the
    /// metadata must not be empty.
    ///
    /// # Cost
    ///
    /// The cost of [`grpc_stream`](Self::grpc_stream).
    pub fn grpc_stream_unchecked<'a>(
        &self,
        target: impl Into<GrpcTarget<'a>>,
        service: &str,
        method: &str,
        metadata: &[(&str, &str)],
    ) -> Result<GrpcStream> {
        self.open_grpc(target.into(), service, method, metadata, Check::Neither)
    }

    /// Opens a gRPC stream whose events come to a callback.
    fn open_grpc(
        &self,
        at: GrpcTarget<'_>,
        service: &str,
        method: &str,
        metadata: &[(&str, &str)],
        check: Check,
    ) -> Result<GrpcStream> {
        takes_grpc_answers()?;
        let target = Target { at, service, method, metadata, check };
        let stream = grpc_stream(self.id, &target)?;
        opened(self.id, stream.token()).map(|_| stream)
    }

    /// Opens a gRPC stream to a cluster or [`GrpcTarget`], and runs
    /// the closure with each event of the stream. The last event is
    /// [`GrpcEventKind::Closed`](crate::callout::GrpcEventKind::Closed), after which the
    /// closure is dropped. The closure is dropped earlier if the stream is cancelled, or if the
    /// context is deleted, which cancels the stream. An error that the closure returns is
    /// treated like an error of a callback, and further events follow.
    ///
    /// # Errors
    ///
    /// Fails as [`grpc_stream`](Self::grpc_stream) does, but needs no callback. The closure
    /// then does not run.
    ///
    /// # Cost
    ///
    /// The cost of the stream, and two small blocks until the stream is closed. The first such
    /// call of a context also makes the context's table of closures.
    #[doc(alias = "open_grpc_stream")]
    pub fn grpc_stream_then<'a, F>(
        &self,
        target: impl Into<GrpcTarget<'a>>,
        service: &str,
        method: &str,
        metadata: &[(&str, &str)],
        each: impl FnMut(&mut F, &mut Handle<'_, K, A>, &GrpcEvent) -> Result<()> + 'static,
    ) -> Result<GrpcStream>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        let (at, check) = (target.into(), Check::Both);
        let target = Target { at, service, method, metadata, check };
        keep_each(self.id, |id| grpc_stream(id, &target), of_events::<F>(each))
    }

    /// Opens a gRPC stream as [`grpc_stream_then`](Self::grpc_stream_then) does, without
    /// checking the bytes of the metadata, the service and the method: for a filter that must
    /// send bytes that HTTP does not allow.
    ///
    /// # Errors
    ///
    /// Fails as [`grpc_stream_then`](Self::grpc_stream_then) does, but allows any byte. A name
    /// of the metadata must not be empty.
    ///
    /// # Cost
    ///
    /// The cost of [`grpc_stream_then`](Self::grpc_stream_then).
    pub fn grpc_stream_then_unchecked<'a, F>(
        &self,
        target: impl Into<GrpcTarget<'a>>,
        service: &str,
        method: &str,
        metadata: &[(&str, &str)],
        each: impl FnMut(&mut F, &mut Handle<'_, K, A>, &GrpcEvent) -> Result<()> + 'static,
    ) -> Result<GrpcStream>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        let (at, check) = (target.into(), Check::Neither);
        let target = Target { at, service, method, metadata, check };
        keep_each(self.id, |id| grpc_stream(id, &target), of_events::<F>(each))
    }

    /// Calls a cluster over HTTP, and holds a direction of the stream until the closure has
    /// run.
    pub(crate) fn hold_for<F, N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        direction: StreamType,
        call: &HttpCall<'_, N, W, T>,
        then: impl FnOnce(&mut F, &mut Handle<'_, K, A>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<()>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        keep_holding(self.id, direction, Kind::Http, |id| call.dispatch(id), of_http::<F, _>(then))
    }

    /// Calls a method over gRPC, and holds a direction of the stream until the closure has run.
    pub(crate) fn hold_for_grpc<F>(
        &self,
        direction: StreamType,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut Handle<'_, K, A>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<()>
    where
        F: Closures<Kind = K, Above = A>,
        A: 'static,
    {
        keep_holding(self.id, direction, Kind::GrpcCall, |id| call.dispatch(id), of_grpc::<F, _>(then))
    }
}

/// Runs a closure with the context that it names and the handle of the context.
///
/// # Errors
///
/// Fails if the context is of another type. Fails with the closure's error.
pub(crate) fn with_context<F: Owner, R>(
    context: ContextRef<'_>,
    run: impl FnOnce(&mut F, &mut Handle<'_, F::Kind, F::Above>) -> Result<R>,
) -> Result<R> {
    match (context.context.downcast_mut::<F>(), context.above.downcast_ref::<F::Above>()) {
        (Some(of), Some(above)) => run(of, &mut Handle::new(context.id, above)),
        _ => Err(wrong_context()),
    }
}

/// Returns the closure to keep for the response to an HTTP call, which hides the types of the
/// context.
fn of_http<F: Owner, R>(
    then: impl FnOnce(&mut F, &mut Handle<'_, F::Kind, F::Above>, Result<&CallResponse, CallFailure>) -> Result<R>,
) -> impl FnOnce(ContextRef<'_>, Answered<'_>) -> Result<R> {
    move |context, answered| match answered {
        Answered::Http(response) => with_context(context, |of: &mut F, handle| {
            then(of, handle, CallFailure::of(response).map_or(Ok(response), Err))
        }),
        Answered::Grpc(_) => Err(wrong_context()),
    }
}

/// Returns the closure to keep for the event that ends a gRPC call, which hides the types of the
/// context.
fn of_grpc<F: Owner, R>(
    then: impl FnOnce(&mut F, &mut Handle<'_, F::Kind, F::Above>, Result<&GrpcEvent, GrpcFailure>) -> Result<R>,
) -> impl FnOnce(ContextRef<'_>, Answered<'_>) -> Result<R> {
    move |context, answered| match answered {
        Answered::Grpc(event) => {
            with_context(context, |of: &mut F, handle| then(of, handle, GrpcFailure::of(event).map_or(Ok(event), Err)))
        }
        Answered::Http(_) => Err(wrong_context()),
    }
}

/// Returns the closure to keep for the events of a gRPC stream, which hides the types of the
/// context.
fn of_events<F: Owner>(
    mut each: impl FnMut(&mut F, &mut Handle<'_, F::Kind, F::Above>, &GrpcEvent) -> Result<()>,
) -> impl FnMut(ContextRef<'_>, Answered<'_>) -> Result<()> {
    move |context, answered| match answered {
        Answered::Grpc(event) => with_context(context, |of: &mut F, handle| each(of, handle, event)),
        Answered::Http(_) => Err(wrong_context()),
    }
}
