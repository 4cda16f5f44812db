//! The calls that a plugin, a stream and a connection have in common.

/// Defines the methods that dispatch calls, for a handle with an `id`. The responses come to the
/// callbacks of the named trait, or to closures. A closure gets the context, and a handle that is
/// made of the context's number and the context above it.
macro_rules! calls {
    ($callbacks:ident, $kind:ident, $above:ident, $handle:ident, $make:expr) => {
        #[doc = concat!(
            "Calls a cluster over HTTP; the answer comes to [`on_http_call_response`](crate::", stringify!($callbacks), "::on_http_call_response)."
        )]
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
            call: &$crate::callout::HttpCall<'_, N, W, T>,
        ) -> $crate::Result<$crate::callout::CallToken> {
            $crate::callout::takes_http_answers()?;
            call.dispatch(self.id)
        }

        /// Calls a cluster over HTTP, and drops the response when it comes: for a mirror, a log or
        /// a notification.
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
            call: &$crate::callout::HttpCall<'_, N, W, T>,
        ) -> $crate::Result<()> {
            call.dispatch($crate::callout::NOBODY).map(drop)
        }

        #[doc = concat!(
            "Calls a method over gRPC; the answer comes to [`on_grpc_event`](crate::", stringify!($callbacks), "::on_grpc_event)."
        )]
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
        pub fn grpc_call(&self, call: &$crate::callout::GrpcCall<'_>) -> $crate::Result<$crate::callout::CallToken> {
            $crate::callout::takes_grpc_answers()?;
            $crate::callout::opened(self.id, call.dispatch(self.id)?)
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
        pub fn grpc_call_and_forget(&self, call: &$crate::callout::GrpcCall<'_>) -> $crate::Result<()> {
            call.dispatch($crate::callout::NOBODY).map(drop)
        }

        /// Calls a cluster over HTTP, and runs the closure with the response, or with the reason
        /// for the failure. [`Closures`](crate::callout::Closures) has an example. An error that
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
            call: &$crate::callout::HttpCall<'_, N, W, T>,
            then: impl FnOnce(
                &mut F,
                &mut $handle<'_, $above>,
                Result<&$crate::callout::CallResponse, $crate::callout::CallFailure>,
            ) -> $crate::Result<()>
            + 'static,
        ) -> $crate::Result<$crate::callout::Pending>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            calls!(@keep self.id, call, Http, Http(response), CallFailure, then(F, $above, $handle, $make))
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
            call: &$crate::callout::GrpcCall<'_>,
            then: impl FnOnce(
                &mut F,
                &mut $handle<'_, $above>,
                Result<&$crate::callout::GrpcEvent, $crate::callout::GrpcFailure>,
            ) -> $crate::Result<()>
            + 'static,
        ) -> $crate::Result<$crate::callout::Pending>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            calls!(@keep self.id, call, GrpcCall, Grpc(event), GrpcFailure, then(F, $above, $handle, $make))
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
        pub fn spawn(&self, task: impl Future<Output = $crate::Result<()>> + 'static) -> $crate::Result<()> {
            $crate::task::spawn(self.id, task)
        }

        #[doc = concat!(
            "Opens a gRPC stream to a cluster, or to a [`GrpcTarget`](crate::callout::GrpcTarget); what comes on it comes to [`on_grpc_event`](crate::", stringify!($callbacks), "::on_grpc_event)."
        )]
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
            target: impl Into<$crate::callout::GrpcTarget<'a>>,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
        ) -> $crate::Result<$crate::callout::GrpcStream> {
            self.open_grpc(target.into(), service, method, metadata, $crate::headers::Check::Both)
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
            target: impl Into<$crate::callout::GrpcTarget<'a>>,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
        ) -> $crate::Result<$crate::callout::GrpcStream> {
            self.open_grpc(target.into(), service, method, metadata, $crate::headers::Check::Neither)
        }

        /// Opens a gRPC stream whose events come to a callback.
        fn open_grpc(
            &self,
            at: $crate::callout::GrpcTarget<'_>,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
            check: $crate::headers::Check,
        ) -> $crate::Result<$crate::callout::GrpcStream> {
            $crate::callout::takes_grpc_answers()?;
            let target = $crate::callout::Target { at, service, method, metadata, check };
            let stream = $crate::callout::grpc_stream(self.id, &target)?;
            $crate::callout::opened(self.id, stream.token()).map(|_| stream)
        }

        /// Opens a gRPC stream to a cluster or [`GrpcTarget`](crate::callout::GrpcTarget), and runs
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
            target: impl Into<$crate::callout::GrpcTarget<'a>>,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
            mut each: impl FnMut(&mut F, &mut $handle<'_, $above>, &$crate::callout::GrpcEvent) -> $crate::Result<()>
            + 'static,
        ) -> $crate::Result<$crate::callout::GrpcStream>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            let (at, check) = (target.into(), $crate::headers::Check::Both);
            let target = $crate::callout::Target { at, service, method, metadata, check };
            calls!(@each self.id, target, each(F, $above, $handle, $make))
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
            target: impl Into<$crate::callout::GrpcTarget<'a>>,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
            mut each: impl FnMut(&mut F, &mut $handle<'_, $above>, &$crate::callout::GrpcEvent) -> $crate::Result<()>
            + 'static,
        ) -> $crate::Result<$crate::callout::GrpcStream>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            let (at, check) = (target.into(), $crate::headers::Check::Neither);
            let target = $crate::callout::Target { at, service, method, metadata, check };
            calls!(@each self.id, target, each(F, $above, $handle, $make))
        }
    };
    // Sends a call and keeps a closure. The kept closure hides the types of its context, which are
    // asked for by name when the closure runs.
    (@keep $id:expr, $call:ident, $kind:ident, $answered:ident($answer:ident), $failure:ident,
     $then:ident($context:ident, $above:ident, $handle:ident, $make:expr)) => {
        $crate::callout::keep($id, $crate::callout::Kind::$kind, |id| $call.dispatch(id), move |asker, answered| {
            calls!(@with asker, answered, $answered($answer), ($context, $above, $handle, $make), |context, handle| {
                $then(context, handle, $crate::callout::$failure::of($answer).map_or(Ok($answer), Err))
            })
        })
    };
    // Sends a call and keeps a closure that holds a direction of the stream until the closure has
    // run.
    (@hold $id:expr, $direction:expr, $call:ident, $kind:ident, $answered:ident($answer:ident), $failure:ident,
     $then:ident($context:ident, $above:ident, $handle:ident, $make:expr)) => {
        $crate::callout::keep_holding($id, $direction, $crate::callout::Kind::$kind, |id| $call.dispatch(id), move |asker, answered| {
            calls!(@with asker, answered, $answered($answer), ($context, $above, $handle, $make), |context, handle| {
                $then(context, handle, $crate::callout::$failure::of($answer).map_or(Ok($answer), Err))
            })
        })
    };
    // Opens a gRPC stream and keeps a closure that runs with each of its events.
    (@each $id:expr, $target:ident, $each:ident($context:ident, $above:ident, $handle:ident, $make:expr)) => {
        $crate::callout::keep_each($id, |id| $crate::callout::grpc_stream(id, &$target), move |asker, answered| {
            calls!(@with asker, answered, Grpc(event), ($context, $above, $handle, $make), |context, handle| {
                $each(context, handle, event)
            })
        })
    };
    // Downcasts a context to its types, and passes the context and its handle to an expression.
    (@with $asker:ident, $answered_as:ident, $answered:ident($answer:ident), ($context:ident, $above:ident, $handle:ident, $make:expr),
     |$of:ident, $with:ident| $body:block) => {{
        let (Some($of), Some(above), $crate::callout::Answered::$answered($answer)) =
            ($asker.context.downcast_mut::<$context>(), $asker.above.downcast_ref::<$above>(), $answered_as)
        else {
            return Err($crate::callout::wrong_context());
        };
        let make: fn(u32, &$above) -> $handle<'_, $above> = $make;
        let $with = &mut make($asker.id, above);
        $body
    }};
}

/// Defines the methods that hold a direction of the stream until a response is judged, for a handle
/// of a stream or connection.
macro_rules! holds {
    ($kind:ident, $above:ident, $handle:ident, $make:expr) => {
        /// Calls a cluster over HTTP, and holds a direction of the stream until the closure has
        /// run.
        pub(crate) fn hold_for<F, N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
            &self,
            direction: $crate::abi::StreamType,
            call: &$crate::callout::HttpCall<'_, N, W, T>,
            then: impl FnOnce(
                &mut F,
                &mut $handle<'_, $above>,
                Result<&$crate::callout::CallResponse, $crate::callout::CallFailure>,
            ) -> $crate::Result<$crate::Action>
            + 'static,
        ) -> $crate::Result<()>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            calls!(@hold self.id, direction, call, Http, Http(response), CallFailure, then(F, $above, $handle, $make))
        }

        /// Calls a method over gRPC, and holds a direction of the stream until the closure has run.
        pub(crate) fn hold_for_grpc<F>(
            &self,
            direction: $crate::abi::StreamType,
            call: &$crate::callout::GrpcCall<'_>,
            then: impl FnOnce(
                &mut F,
                &mut $handle<'_, $above>,
                Result<&$crate::callout::GrpcEvent, $crate::callout::GrpcFailure>,
            ) -> $crate::Result<$crate::Action>
            + 'static,
        ) -> $crate::Result<()>
        where
            F: $crate::callout::Closures<Kind = $crate::owner::$kind, Above = $above>,
            $above: 'static,
        {
            calls!(@hold self.id, direction, call, GrpcCall, Grpc(event), GrpcFailure, then(F, $above, $handle, $make))
        }
    };
}

/// Defines the method that returns the stream's arena, for a handle of a stream or connection.
macro_rules! arena {
    () => {
        /// Returns the stream's arena. The arena is empty when it is first asked for, is the same
        /// in every callback of the stream, and is reset when the stream is deleted.
        ///
        /// A value that [`alloc`](crate::arena::Bump::alloc) puts into the arena is never dropped;
        /// [`arena`](crate::arena) says which values are dropped. Views end with the handle that
        /// this method returns. A filter may keep a collection over a clone of the handle.
        ///
        /// # Errors
        ///
        /// Fails if the SDK is out of memory.
        ///
        /// # Cost
        ///
        /// The first call of a stream takes an arena from the VM's pool, or makes one of 1 KiB.
        /// Further calls count an owner.
        #[cfg(feature = "request-arena")]
        pub fn arena(&self) -> $crate::Result<$crate::arena::RequestArena> {
            $crate::arena::current()
        }
    };
}
