//! What a plugin, a stream and a connection can call alike.

/// The methods that dispatch calls, for a handle with an `id`; the answers come to the callbacks of the named trait.
macro_rules! calls {
    ($callbacks:literal) => {
        #[doc = concat!(
            "Calls a cluster over HTTP; the answer comes to [`on_http_call_response`](crate::", $callbacks, "::on_http_call_response)."
        )]
        ///
        /// # Errors
        ///
        /// If the headers are over the host's limits, memory is out, or the host refuses: it does not know the cluster, or misses a header.
        #[doc(alias = "DispatchHttpCall")]
        #[doc(alias = "dispatch_http_call")]
        pub fn call<N: AsRef<[u8]>, W: AsRef<[u8]>, T: AsRef<[u8]>>(
            &self,
            call: &$crate::callout::HttpCall<'_, N, W, T>,
        ) -> $crate::Result<$crate::callout::CallToken> {
            call.dispatch(self.id)
        }

        #[doc = concat!(
            "Calls a method over gRPC; the answer comes to [`on_grpc_event`](crate::", $callbacks, "::on_grpc_event)."
        )]
        ///
        /// # Errors
        ///
        /// If the metadata are over the host's limits, memory is out, or the host refuses: it does not know the cluster.
        #[doc(alias = "dispatch_grpc_call")]
        pub fn grpc_call(&self, call: &$crate::callout::GrpcCall<'_>) -> $crate::Result<$crate::callout::CallToken> {
            call.dispatch(self.id)
        }

        #[doc = concat!(
            "Opens a gRPC stream; what comes on it comes to [`on_grpc_event`](crate::", $callbacks, "::on_grpc_event)."
        )]
        ///
        /// # Errors
        ///
        /// If the metadata are over the host's limits, memory is out, or the host refuses: it does not know the cluster.
        #[doc(alias = "open_grpc_stream")]
        pub fn grpc_stream(
            &self,
            cluster: &str,
            service: &str,
            method: &str,
            metadata: &[(&str, &str)],
        ) -> $crate::Result<$crate::callout::GrpcStream> {
            $crate::callout::grpc_stream(self.id, cluster, service, method, metadata)
        }
    };
}
