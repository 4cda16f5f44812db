//! What filters ask of other services, and what a test lets these answer.

use sluicegate::abi::{BufferType, MapType, Status};

use crate::calls::{OpenGrpc, PendingCall};
use crate::map::{Kind, Map};
use crate::running::{PLUGIN, Running, count};
use crate::state::Answer;
use crate::valid;

/// What Envoy says where there is nobody.
const UNREACHABLE: &str =
    "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";

/// The gRPC status of a service that is not there.
const UNAVAILABLE: u32 = 14;

impl Running {
    /// The HTTP calls that wait for an answer, oldest first.
    #[must_use]
    pub fn pending_calls(&self) -> Vec<PendingCall> {
        self.state().pending.clone()
    }

    /// Answers a call that the filter dispatched.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
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

    /// Answers a call as Envoy does when its time is over: with 504.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
    pub fn time_out_call(&self, token: u32) {
        let body = "upstream request timeout";
        let length = body.len().to_string();
        let headers = [(":status", "504"), ("content-length", &length), ("content-type", "text/plain")];
        self.answer_call(token, &headers, body, &[]);
    }

    /// Lets a call fail: its connection broke. The status is what Envoy has for it: 11, broken
    /// connection, and `reset`.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
    pub fn fail_call(&self, token: u32) {
        let plugin = self.take_call(token);
        let answer =
            Answer { status: Status::BrokenConnection.code(), status_text: "reset".to_owned(), ..Answer::default() };
        self.deliver(answer, plugin, "proxy_on_http_call_response", &[plugin, token, 0, 0, 0]);
    }

    /// Answers a call as Envoy does that finds nobody where it goes: with 503.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
    pub fn refuse_call(&self, token: u32) {
        let body = UNREACHABLE;
        let length = body.len().to_string();
        let headers = [(":status", "503"), ("content-length", &length), ("content-type", "text/plain")];
        self.answer_call(token, &headers, body, &[]);
    }

    /// Answers a call as Envoy does whose headers it does not send: with 503.
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

    /// Closes a gRPC call that was refused, which Envoy does nevertheless.
    pub(crate) fn close_grpc_at_once(&self, plugin: u32, token: u32) {
        let answer = Answer { status: UNAVAILABLE, status_text: "no healthy upstream".to_owned(), ..Answer::default() };
        self.state().tells_of_failure = true;
        self.state().answer = answer;
        self.enter(plugin, "proxy_on_grpc_close", &[plugin, token, UNAVAILABLE]);
        self.state().answer = Answer::default();
        self.state().tells_of_failure = false;
        self.run_deferred();
    }

    /// The plugin that is told of a call's answer.
    fn take_call(&self, token: u32) -> u32 {
        let at = self.state().pending.iter().position(|call| call.token == token);
        let at = at.unwrap_or_else(|| panic!("no call {token} waits; these do: {:?}", self.pending_calls()));
        self.state().pending.remove(at).plugin
    }

    /// The gRPC calls and streams that are open, oldest first.
    #[must_use]
    pub fn open_grpc(&self) -> Vec<OpenGrpc> {
        self.state().grpc.clone()
    }

    /// Brings the initial metadata of a gRPC call or stream.
    pub fn grpc_initial_metadata(&self, token: u32, metadata: &[(&str, &str)]) {
        let callback = "proxy_on_grpc_receive_initial_metadata";
        self.deliver_metadata(MapType::GrpcInitialMetadata, token, metadata, callback);
    }

    /// Brings the trailing metadata of a gRPC call or stream.
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

    /// The first plugin is told of what nobody opened.
    fn plugin_of_grpc(&self, token: u32) -> u32 {
        self.state().grpc.iter().find(|grpc| grpc.token == token).map_or(PLUGIN, |grpc| grpc.plugin)
    }

    /// Brings a message of a gRPC call or stream. A call is over with it, once the filter has been
    /// told.
    pub fn grpc_message(&self, token: u32, message: impl AsRef<[u8]>) {
        let plugin = self.plugin_of_grpc(token);
        let message = message.as_ref().to_vec();
        let size = count(message.len());
        let mut answer = Answer::default();
        answer.buffers.insert(BufferType::GrpcMessage as u32, message);
        self.deliver(answer, plugin, "proxy_on_grpc_receive", &[plugin, token, size]);
        self.state().grpc.retain(|grpc| grpc.token != token || grpc.timeout.is_none());
    }

    /// Closes a gRPC call or stream with a status and its text. While the filter is told, the
    /// stream is still there, as in Envoy.
    pub fn grpc_close(&self, token: u32, status: u32, text: &str) {
        let plugin = self.plugin_of_grpc(token);
        let answer = Answer { status, status_text: text.to_owned(), ..Answer::default() };
        self.deliver(answer, plugin, "proxy_on_grpc_close", &[plugin, token, status]);
        self.state().grpc.retain(|grpc| grpc.token != token);
    }

    /// Fails a gRPC call or stream as Envoy does where the answer has no message: a stream has its
    /// metadata first, which say so too.
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

    /// Closes a gRPC call or stream as Envoy does that finds nobody where it goes.
    pub fn refuse_grpc(&self, token: u32) {
        self.fail_grpc(token, 14, UNREACHABLE);
    }

    /// Closes a gRPC call as Envoy does when its time is over.
    pub fn time_out_grpc(&self, token: u32) {
        self.fail_grpc(token, 14, "upstream request timeout");
    }

    /// Runs a callback of a plugin during which an answer can be read.
    pub(crate) fn deliver(&self, answer: Answer, plugin: u32, callback: &'static str, arguments: &[u32]) {
        self.state().answer = answer;
        self.enter(plugin, callback, arguments);
        self.state().answer = Answer::default();
        self.run_deferred();
    }
}
