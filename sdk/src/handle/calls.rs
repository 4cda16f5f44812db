//! What a plugin, a stream and a connection can call alike.

/// The methods that dispatch calls, for a handle with an `id`; the answers come to the callbacks of
/// the named trait, or to closures. A closure gets the context, and a handle that is made of the
/// context's number and what is above it.
macro_rules! calls {
    ($callbacks:ident<$assoc:ident = $above:ident: $bound:ident>, $handle:ident, $make:expr) => {
        #[doc = concat!(
            "Calls a cluster over HTTP; the answer comes to [`on_http_call_response`](crate::", stringify!($callbacks), "::on_http_call_response)."
        )]
        ///
        /// # Errors
        ///
        /// Fails if the context has no such callback, so that the answer would go nowhere: use
        /// [`call_then`](Self::call_then) or [`call_and_forget`](Self::call_and_forget) then. If
        /// the headers are over the host's limits, the SDK is out of memory, or the host refuses:
        /// it does not know the cluster, or misses a header.
        ///
        /// # Cost
        ///
        /// One host call, a block for the headers, and an entry of a table until the answer.
        #[doc(alias = "DispatchHttpCall")]
        #[doc(alias = "dispatch_http_call")]
        pub fn call<N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
            &self,
            call: &$crate::callout::HttpCall<'_, N, W, T>,
        ) -> $crate::Result<$crate::callout::CallToken> {
            $crate::callout::takes_http_answers()?;
            call.dispatch(self.id)
        }

        /// Calls a cluster over HTTP, and drops the answer when it comes: for a mirror, a log or a
        /// notice.
        ///
        /// # Errors
        ///
        /// Fails if the headers are over the host's limits, the SDK is out of memory, or the host
        /// refuses.
        ///
        /// # Cost
        ///
        /// One host call, a block for the headers, and an entry of a table until the answer if the
        /// module takes answers at all.
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
        /// Fails if the context has no such callback, so that the answer would go nowhere: use
        /// [`grpc_call_then`](Self::grpc_call_then) or
        /// [`grpc_call_and_forget`](Self::grpc_call_and_forget) then. If the metadata are over the
        /// host's limits, the SDK is out of memory, or the host refuses: it does not know the
        /// cluster.
        ///
        /// # Cost
        ///
        /// One host call, a block for the metadata, and an entry of a table until the answer.
        #[doc(alias = "dispatch_grpc_call")]
        pub fn grpc_call(&self, call: &$crate::callout::GrpcCall<'_>) -> $crate::Result<$crate::callout::CallToken> {
            $crate::callout::takes_grpc_answers()?;
            $crate::callout::opened(self.id, call.dispatch(self.id)?)
        }

        /// Calls a method over gRPC, and drops the answer when it comes.
        ///
        /// # Errors
        ///
        /// Fails if the metadata are over the host's limits, the SDK is out of memory, or the host
        /// refuses.
        ///
        /// # Cost
        ///
        /// One host call, a block for the metadata, and an entry of a table until the answer if the
        /// module takes answers at all.
        pub fn grpc_call_and_forget(&self, call: &$crate::callout::GrpcCall<'_>) -> $crate::Result<()> {
            call.dispatch($crate::callout::NOBODY).map(drop)
        }

        /// Calls a cluster over HTTP, and runs the closure with the answer, or with the reason why
        /// there is none. [`Closures`](crate::callout::Closures) has an example. An error that the
        /// closure answers is treated like one of a callback.
        ///
        /// # Errors
        ///
        /// As [`call`](Self::call): then nothing is sent, and the closure does not run.
        ///
        /// # Cost
        ///
        /// Beside the call two small blocks until the answer, and the context's table of those at
        /// its first call. A failed call costs one host call more, which asks for the reason.
        #[doc(alias = "DispatchHttpCall")]
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
        {
            calls!(@keep self.id, call, Http, Http(response), CallFailure, then(F, $above, $handle, $make))
        }

        /// Calls a method over gRPC, and runs the closure with the event that brings the answer, or
        /// with the reason why there is none.
        ///
        /// # Errors
        ///
        /// As [`grpc_call`](Self::grpc_call): then nothing is sent, and the closure does not run.
        ///
        /// # Cost
        ///
        /// The cost of [`call_then`](Self::call_then).
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
        {
            calls!(@keep self.id, call, GrpcCall, Grpc(event), GrpcFailure, then(F, $above, $handle, $make))
        }

        /// Runs a task beside; see [`task`](crate::task). An error that it answers is logged.
        ///
        /// # Errors
        ///
        /// Fails if the SDK is out of memory.
        ///
        /// # Cost
        ///
        /// Blocks for the future and for its task, until it ends; no host call by itself.
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
        /// host does not know the cluster. Fails without a host call if another call of the same
        /// callback, or of the callback that woke this task, has failed at once, as its cluster has
        /// no healthy host: Envoy would stop serving. Open the stream in a later callback then.
        ///
        /// # Cost
        ///
        /// One host call, a block for the metadata, and an entry of a table until it is closed.
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

        /// Opens a gRPC stream as [`grpc_stream`](Self::grpc_stream) does, and leaves the metadata,
        /// the service and the method as they are, whatever bytes they have: for a filter that must
        /// send what is not HTTP.
        ///
        /// # Errors
        ///
        /// As [`grpc_stream`](Self::grpc_stream), but that any byte is allowed; a name of the
        /// metadata is never empty.
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
        /// the closure with each of its events, the last of which is
        /// [`GrpcWhat::Closed`](crate::callout::GrpcWhat::Closed). It is dropped after that, and
        /// before if the stream is cancelled or its context is deleted, which cancels the stream.
        /// An error that it answers is treated like one of a callback, and the events go on.
        ///
        /// # Errors
        ///
        /// As [`grpc_stream`](Self::grpc_stream): then the closure does not run.
        ///
        /// # Cost
        ///
        /// Beside the stream two small blocks until it is closed, and the context's table of those
        /// at its first call.
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
        {
            let (at, check) = (target.into(), $crate::headers::Check::Both);
            let target = $crate::callout::Target { at, service, method, metadata, check };
            calls!(@each self.id, target, each(F, $above, $handle, $make))
        }

        /// Opens a gRPC stream as [`grpc_stream_then`](Self::grpc_stream_then) does, and leaves the
        /// metadata, the service and the method as they are, whatever bytes they have: for a filter
        /// that must send what is not HTTP.
        ///
        /// # Errors
        ///
        /// As [`grpc_stream_unchecked`](Self::grpc_stream_unchecked): then the closure does not
        /// run.
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
        {
            let (at, check) = (target.into(), $crate::headers::Check::Neither);
            let target = $crate::callout::Target { at, service, method, metadata, check };
            calls!(@each self.id, target, each(F, $above, $handle, $make))
        }
    };
    // Sends a call and keeps a closure, behind which the types of its context are forgotten until
    // they are asked for by name.
    (@keep $id:expr, $call:ident, $kind:ident, $answered:ident($answer:ident), $failure:ident,
     $then:ident($context:ident, $above:ident, $handle:ident, $make:expr)) => {
        $crate::callout::keep($id, $crate::callout::Kind::$kind, |id| $call.dispatch(id), move |asker, answered| {
            calls!(@with asker, answered, $answered($answer), ($context, $above, $handle, $make), |context, handle| {
                $then(context, handle, $crate::callout::$failure::of($answer).map_or(Ok($answer), Err))
            })
        })
    };
    // The same for a closure that holds a direction of the stream until it has run.
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
    // Asks for the types of a context by name, and gives it with its handle to an expression.
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

/// The methods that hold a direction of the stream until an answer is judged, for a handle of a
/// stream or connection.
macro_rules! holds {
    ($callbacks:ident<$assoc:ident = $above:ident: $bound:ident>, $handle:ident, $make:expr) => {
        /// Calls a cluster, and holds a direction of the stream until the closure has run.
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
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
            F: $crate::$callbacks<$assoc = $above> + $crate::callout::Closures,
            $above: $crate::$bound,
        {
            calls!(@hold self.id, direction, call, GrpcCall, Grpc(event), GrpcFailure, then(F, $above, $handle, $make))
        }
    };
}

/// The method that gives the stream's arena, for a handle of a stream or connection.
macro_rules! arena {
    () => {
        /// Returns the stream's arena: empty when it is first asked for, the same in every callback
        /// of the stream, reset when the stream is deleted.
        ///
        /// What [`alloc`](crate::arena::Bump::alloc) puts there is never dropped; see
        /// [`arena`](crate::arena) for what is. Views end with the handle that is given here; a
        /// collection over a clone of it may be kept in the filter.
        ///
        /// # Errors
        ///
        /// Fails if the SDK is out of memory.
        ///
        /// # Cost
        ///
        /// The first call of a stream takes an arena from the VM's pool, or makes one: 1 KiB.
        /// Further calls count an owner.
        #[cfg(feature = "request-arena")]
        pub fn arena(&self) -> $crate::Result<$crate::arena::RequestArena> {
            $crate::arena::current()
        }
    };
}
