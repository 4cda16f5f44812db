//! Calls of filters to other services, and the responses that a test gives to them.

use sluicegate::abi::{BufferType, MapType, Status};

use crate::drive::running::{PLUGIN, RunningHost, count};
use crate::model::call::{OpenGrpc, PendingCall};
use crate::model::map::{Kind, Map};
use crate::model::reply::Answer;
use crate::model::valid;

/// The body of Envoy's response where no upstream accepts the connection.
const UNREACHABLE: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";

/// The gRPC status `UNAVAILABLE`, which stands for a service that is not there.
const UNAVAILABLE: u32 = 14;

impl RunningHost {
    /// Returns the HTTP calls that wait for a response, oldest first.
    #[must_use]
    pub fn pending_calls(&self) -> Vec<PendingCall> {
        self.state().pending.clone()
    }

    /// Responds to an HTTP call that the filter dispatched.
    ///
    /// # Panics
    ///
    /// Panics if no call with this token waits.
    pub fn answer_call(&self, token: u32, headers: &[(&str, &str)], body: impl AsRef<[u8]>, trailers: &[(&str, &str)]) {
        let plugin = self.take_call(token);
        let (headers, trailers) = (Map::new(headers).of(Kind::Response), Map::new(trailers).of(Kind::Trailers));
        let body = body.as_ref().to_vec();
        let arguments = [plugin, token, count(headers.len()), count(body.len()), count(trailers.len())];
        let mut answer = Answer::default();
        answer.maps.insert(MapType::HttpCallResponseHeaders as u32, headers);
        answer.maps.insert(MapType::HttpCallResponseTrailers as u32, trailers);
        answer.buffers.insert(BufferType::HttpCallResponseBody as u32, body);
        self.deliver(answer, plugin, "proxy_on_http_call_response", &arguments);
    }

    /// Responds to an HTTP call with 504, as Envoy does after the call's timeout.
    ///
    /// # Panics
    ///
    /// Panics if no call with this token waits.
    pub fn time_out_call(&self, token: u32) {
        let body = "upstream request timeout";
        let length = body.len().to_string();
        let headers = [(":status", "504"), ("content-length", &length), ("content-type", "text/plain")];
        self.answer_call(token, &headers, body, &[]);
    }

    /// Fails an HTTP call as Envoy does when the connection broke.
    ///
    /// `proxy_get_status` then returns 11, broken connection, with the text `reset`.
    ///
    /// # Panics
    ///
    /// Panics if no call with this token waits.
    pub fn fail_call(&self, token: u32) {
        let plugin = self.take_call(token);
        let answer =
            Answer { status: Status::BrokenConnection.code(), status_text: "reset".to_owned(), ..Answer::default() };
        self.deliver(answer, plugin, "proxy_on_http_call_response", &[plugin, token, 0, 0, 0]);
    }

    /// Responds to an HTTP call with 503, as Envoy does when it reaches no upstream.
    ///
    /// # Panics
    ///
    /// Panics if no call with this token waits.
    pub fn refuse_call(&self, token: u32) {
        let body = UNREACHABLE;
        let length = body.len().to_string();
        let headers = [(":status", "503"), ("content-length", &length), ("content-type", "text/plain")];
        self.answer_call(token, &headers, body, &[]);
    }

    /// Responds to an HTTP call with 503 if its headers are of those that Envoy does not send.
    pub(crate) fn refuse_call_headers(&self, token: u32) {
        let call = self.state().pending.iter().find(|call| call.token == token).cloned();
        if let Some(call) = call
            && let Some(body) = valid::check_call(&call.headers)
        {
            let length = body.len().to_string();
            let headers = [(":status", "503"), ("content-length", &length), ("content-type", "text/plain")];
            self.answer_call(token, &headers, body, &[]);
        }
    }

    /// Closes a gRPC call that failed within its host call. Envoy calls `on_grpc_close`
    /// nevertheless.
    pub(crate) fn close_grpc_at_once(&self, plugin: u32, token: u32) {
        let answer = Answer { status: UNAVAILABLE, status_text: "no healthy upstream".to_owned(), ..Answer::default() };
        self.state().tells_of_failure = true;
        self.state().answer = answer;
        self.enter(plugin, "proxy_on_grpc_close", &[plugin, token, UNAVAILABLE]);
        self.state().answer = Answer::default();
        self.state().tells_of_failure = false;
        self.run_deferred();
    }

    /// Removes a pending call, and returns the plugin that gets its response.
    fn take_call(&self, token: u32) -> u32 {
        let at = self.state().pending.iter().position(|call| call.token == token);
        let at = at.unwrap_or_else(|| {
            panic!("no call with the token {token} is pending; pending calls: {:?}", self.pending_calls())
        });
        self.state().pending.remove(at).plugin
    }

    /// Returns the open gRPC calls and streams, oldest first.
    #[must_use]
    pub fn open_grpc(&self) -> Vec<OpenGrpc> {
        self.state().grpc.clone()
    }

    /// Delivers the initial metadata of a gRPC call or stream.
    pub fn grpc_initial_metadata(&self, token: u32, metadata: &[(&str, &str)]) {
        let callback = "proxy_on_grpc_receive_initial_metadata";
        self.deliver_metadata(MapType::GrpcInitialMetadata, token, metadata, callback);
    }

    /// Delivers the trailing metadata of a gRPC call or stream.
    pub fn grpc_trailing_metadata(&self, token: u32, metadata: &[(&str, &str)]) {
        let callback = "proxy_on_grpc_receive_trailing_metadata";
        self.deliver_metadata(MapType::GrpcTrailingMetadata, token, metadata, callback);
    }

    fn deliver_metadata(&self, map: MapType, token: u32, pairs: &[(&str, &str)], callback: &'static str) {
        let kind = if map == MapType::GrpcInitialMetadata { Kind::Response } else { Kind::Trailers };
        let metadata = Map::new(pairs).of(kind);
        let (plugin, elements) = (self.plugin_of_grpc(token), count(metadata.len()));
        let mut answer = Answer::default();
        answer.maps.insert(map as u32, metadata);
        self.deliver(answer, plugin, callback, &[plugin, token, elements]);
    }

    /// Returns the plugin of a gRPC call or stream, or the first plugin if the token is not known.
    fn plugin_of_grpc(&self, token: u32) -> u32 {
        self.state().grpc.iter().find(|grpc| grpc.token == token).map_or(PLUGIN, |grpc| grpc.plugin)
    }

    /// Delivers a message of a gRPC call or stream. A call ends with its message, after the
    /// callback.
    pub fn grpc_message(&self, token: u32, message: impl AsRef<[u8]>) {
        let plugin = self.plugin_of_grpc(token);
        let message = message.as_ref().to_vec();
        let size = count(message.len());
        let mut answer = Answer::default();
        answer.buffers.insert(BufferType::GrpcMessage as u32, message);
        self.deliver(answer, plugin, "proxy_on_grpc_receive", &[plugin, token, size]);
        self.state().grpc.retain(|grpc| grpc.token != token || grpc.timeout.is_none());
    }

    /// Closes a gRPC call or stream with a status and its text.
    ///
    /// The call or stream is still there during the callback, as in Envoy.
    pub fn grpc_close(&self, token: u32, status: u32, text: &str) {
        let plugin = self.plugin_of_grpc(token);
        let answer = Answer { status, status_text: text.to_owned(), ..Answer::default() };
        self.deliver(answer, plugin, "proxy_on_grpc_close", &[plugin, token, status]);
        self.state().grpc.retain(|grpc| grpc.token != token);
    }

    /// Fails a gRPC call or stream as Envoy does when the response has no message.
    ///
    /// A stream gets its initial and its trailing metadata first. The trailing metadata carry the
    /// status and its text, too.
    pub fn fail_grpc(&self, token: u32, status: u32, text: &str) {
        if self.state().grpc.iter().any(|grpc| grpc.token == token && grpc.timeout.is_none()) {
            self.grpc_initial_metadata(token, &[]);
            let number = status.to_string();
            let trailing = [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", &*number),
                ("grpc-message", text),
            ];
            self.grpc_trailing_metadata(token, &trailing);
        }
        self.grpc_close(token, status, text);
    }

    /// Fails a gRPC call or stream as Envoy does when it reaches no upstream.
    pub fn refuse_grpc(&self, token: u32) {
        self.fail_grpc(token, 14, UNREACHABLE);
    }

    /// Fails a gRPC call as Envoy does after the call's timeout.
    pub fn time_out_grpc(&self, token: u32) {
        self.fail_grpc(token, 14, "upstream request timeout");
    }

    /// Runs a callback of a plugin, during which the guest can read the result of a call.
    pub(crate) fn deliver(&self, answer: Answer, plugin: u32, callback: &'static str, arguments: &[u32]) {
        self.state().answer = answer;
        self.enter(plugin, callback, arguments);
        self.state().answer = Answer::default();
        self.run_deferred();
    }
}
