//! gRPC calls and streams. Messages are bytes: use the protobuf library of your choice, or none.

use alloc::boxed::Box;
use alloc::string::String;
use core::time::Duration;

use super::open::closed;
use super::then;
use super::waiting::{CallToken, Kind, NOBODY, Reserved, refused, take, timeout, waiting};
use crate::abi::{BufferType, HostBytes, MapType, Refused, Status, call};
use crate::buffer::Buffer;
use crate::error::{Call, Error, Result, Subject};
use crate::headers::{Check, HeaderMap, encode, fetch, printable};
use crate::host_buffer::{WHOLE, read};
use crate::stream_state;

const CALL: Call = Call { function: "proxy_grpc_call", about: "cluster" };
const STREAM: Call = Call { function: "proxy_grpc_stream", about: "cluster" };

/// A unary gRPC call. Its response is one [`GrpcEventKind::Message`], or a
/// [`GrpcEventKind::Closed`] with the status of its failure.
///
/// ```
/// # use sluicegate::prelude::*;
/// # use sluicegate::callout::{GrpcCall, GrpcEvent, GrpcEventKind};
/// #[derive(Default)]
/// struct Check;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Check {
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
///         let call = GrpcCall::new("auth", "auth.v1.Auth", "Check").message(b"\x0a\x01x");
///         request.stream().grpc_call(&call)?;
///         Ok(Action::Pause)
///     }
///
///     fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_>, event: &GrpcEvent) -> Result<()> {
///         match event.kind() {
///             GrpcEventKind::Message(_) if event.message()?.starts_with(b"\x08\x01") =>
///             stream.resume_request(), GrpcEventKind::Message(_) | GrpcEventKind::Closed(_) =>
///             stream.reply(&LocalResponse::new(403)), _ => Ok(()), } } }
/// # sluicegate::plugin!(http: Check);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `grpc_call`"]
pub struct GrpcCall<'a> {
    target: Target<'a>,
    message: &'a [u8],
    timeout: Duration,
}

/// The target of a gRPC call or stream: the service as the host finds it.
///
/// ```
/// use sluicegate::callout::GrpcTarget;
///
/// assert_eq!(GrpcTarget::from("auth"), GrpcTarget::Cluster("auth"));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GrpcTarget<'a> {
    /// A cluster of the proxy's configuration, by its name, which may be any but the empty one.
    ///
    /// The name goes to the host within a serialised `envoy.config.core.v3.GrpcService`. Envoy, and
    /// proxies that are built on Envoy, look for such a message first. A bare name is not safe
    /// there: many ordinary names (`users`) happen to be a message with other contents, on which
    /// Envoy ends.
    Cluster(&'a str),
    /// Bytes that the host gets as they are: a `GrpcService` with more fields than a cluster, or
    /// the form of a host that is not built on Envoy.
    ///
    /// **Envoy ends, with all that it serves, on bytes that are a message without a target**. Empty
    /// bytes are such a message.
    Raw(&'a [u8]),
}

impl<'a> From<&'a str> for GrpcTarget<'a> {
    fn from(cluster: &'a str) -> Self {
        Self::Cluster(cluster)
    }
}

impl<'a> From<&'a String> for GrpcTarget<'a> {
    fn from(cluster: &'a String) -> Self {
        Self::Cluster(cluster)
    }
}

impl GrpcTarget<'_> {
    /// Appends the target of a call or stream in the form of the host.
    fn append_to(self, call: &'static Call, buffer: &mut Buffer) -> Result<()> {
        /// The key of field 1 with a length: of `GrpcService.envoy_grpc`, and of
        /// `EnvoyGrpc.cluster_name`.
        const FIRST: &[u8] = b"\x0a";
        let name = match self {
            // No host takes an empty target, and Envoy 1.40 ends on it.
            Self::Cluster("") | Self::Raw(b"") => return Err(Error::not_asked(call, b"", &"the name is missing")),
            Self::Cluster(name) => name.as_bytes(),
            Self::Raw(bytes) => return buffer.append(bytes),
        };
        buffer.append(FIRST)?;
        append_varint(buffer, FIRST.len() + varint_len(name.len()) + name.len())?;
        buffer.append(FIRST)?;
        append_varint(buffer, name.len())?;
        buffer.append(name)
    }

    /// Returns the name of the target for the log.
    const fn name(&self) -> &[u8] {
        match self {
            Self::Cluster(name) => name.as_bytes(),
            Self::Raw(bytes) => bytes,
        }
    }
}

/// Appends a number seven bits at a time, the lowest first.
fn append_varint(buffer: &mut Buffer, mut number: usize) -> Result<()> {
    while number >= 0x80 {
        buffer.append(&[low_bits(number) | 0x80])?;
        number >>= 7;
    }
    buffer.append(&[low_bits(number)])
}

fn low_bits(number: usize) -> u8 {
    let [lowest, ..] = number.to_le_bytes();
    lowest & 0x7f
}

/// Returns the number of bytes that [`append_varint`] appends.
const fn varint_len(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// The target of a call or stream, and its metadata.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) at: GrpcTarget<'a>,
    pub(crate) service: &'a str,
    pub(crate) method: &'a str,
    pub(crate) metadata: &'a [(&'a str, &'a str)],
    pub(crate) check: Check,
}

impl Target<'_> {
    /// Returns the target and the metadata in the form of the host. Fails if the service, the
    /// method or the metadata have bytes that would end a line: service and method become the path.
    fn encoded(&self, call: &'static Call) -> Result<(Buffer, Box<[u8]>)> {
        let within = |error: Error| error.within(&call.function);
        if self.check == Check::Both {
            for (what, text) in [(&"gRPC service", self.service), (&"gRPC method", self.method)] {
                printable(what, text.as_bytes(), text.as_bytes()).map_err(within)?;
            }
        }
        let mut at = Buffer::new();
        self.at.append_to(call, &mut at)?;
        Ok((at, encode(self.metadata, self.check).map_err(within)?))
    }
}

impl<'a> GrpcCall<'a> {
    /// Returns a call of a method, with an empty message and a timeout of one second. The cluster
    /// is a name of the proxy's configuration. Any name works.
    pub const fn new(cluster: &'a str, service: &'a str, method: &'a str) -> Self {
        let target = Target { at: GrpcTarget::Cluster(cluster), service, method, metadata: &[], check: Check::Both };
        Self { target, message: &[], timeout: Duration::from_secs(1) }
    }

    /// Replaces the cluster by bytes that the host gets as they are: see [`GrpcTarget::Raw`].
    pub const fn raw_target(self, target: &'a [u8]) -> Self {
        Self { target: Target { at: GrpcTarget::Raw(target), ..self.target }, ..self }
    }

    /// Sets the initial metadata.
    pub const fn metadata(self, metadata: &'a [(&'a str, &'a str)]) -> Self {
        Self { target: Target { metadata, ..self.target }, ..self }
    }

    /// Sets the serialised message.
    pub fn message(self, message: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { message: message.as_ref(), ..self }
    }

    /// Sets the longest time to wait. Hosts count milliseconds: a part of a millisecond counts as
    /// one, and a time over 24 days as `i32::MAX`. With zero, Envoy waits without limit.
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Turns off the check of the bytes of the metadata, the service and the method: for a filter
    /// that must send bytes that HTTP does not allow.
    pub const fn unchecked(self) -> Self {
        Self { target: Target { check: Check::Neither, ..self.target }, ..self }
    }

    /// Sends the call for a context.
    pub(crate) fn dispatch(&self, context: u32) -> Result<CallToken> {
        let Target { at, service, method, .. } = self.target;
        let (target, metadata) = self.target.encoded(&CALL)?;
        let reserved = Reserved::new(context, Kind::GrpcCall)?;
        let (target, service, method) = (target.written(), service.as_bytes(), method.as_bytes());
        let token = call::grpc_call(target, service, method, &metadata, self.message, timeout(self.timeout))
            .map_err(|status| refused(&CALL, at.name(), status))?;
        Ok(reserved.note(token))
    }
}

/// Ends this side of a gRPC stream whose context is gone. Otherwise the stream would stay open at
/// the proxy until the other side ends it. The stream is not cancelled, because this runs in a
/// callback of the stream, and Envoy may have further messages at hand.
pub(crate) fn hang_up(token: u32) {
    if let Some(waiting) = waiting(Kind::GrpcStream, token)
        && waiting.kind == Kind::GrpcStream
        && waiting.context.replace(NOBODY) != NOBODY
    {
        let _ = GrpcStream(CallToken(token)).close();
    }
}

/// Opens a gRPC stream for a context.
pub(crate) fn open(context: u32, to: &Target<'_>) -> Result<GrpcStream> {
    let (target, metadata) = to.encoded(&STREAM)?;
    if !stream_state::may_open_stream() {
        return Err(Error::not_asked(
            &STREAM,
            to.at.name(),
            &"another call of this callback has failed: open it later",
        ));
    }
    let reserved = Reserved::new(context, Kind::GrpcStream)?;
    let token = call::grpc_stream(target.written(), to.service.as_bytes(), to.method.as_bytes(), &metadata)
        .map_err(|status| refused(&STREAM, to.at.name(), status))?;
    Ok(GrpcStream(reserved.note(token)))
}

/// An open gRPC stream. The filter keeps it, to send on the stream and to end it.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn chat(request: &RequestHeaders<'_>) -> Result<GrpcStream> {
///     let stream = request.stream().grpc_stream("chat", "chat.v1.Chat", "Talk", &[])?;
///     stream.send(b"\x0a\x02hi", false)?;
///     Ok(stream)
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct GrpcStream(pub(super) CallToken);

impl GrpcStream {
    /// Returns the number of the stream, which its events carry.
    #[must_use]
    pub const fn token(self) -> CallToken {
        self.0
    }

    /// Sends a serialised message. With `end_of_stream` the message is the last one.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses. The stream may be closed.
    ///
    /// # Cost
    ///
    /// One host call, which copies the message.
    #[doc(alias = "send_grpc_stream_message")]
    pub fn send(self, message: impl AsRef<[u8]>, end_of_stream: bool) -> Result<()> {
        call::grpc_send(self.0.0, message.as_ref(), end_of_stream)
            .map_err(|status| Error::host("proxy_grpc_send", Subject::Token(self.0.0), status))
    }

    /// Ends this side of the stream. Events follow until the stream is closed.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses. The stream may be closed.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "close_grpc_stream")]
    pub fn close(self) -> Result<()> {
        call::grpc_close(self.0.0).map_err(|status| Error::host("proxy_grpc_close", Subject::Token(self.0.0), status))
    }

    /// Cancels the stream. No event follows.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses. The stream may be closed.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "cancel_grpc_stream")]
    pub fn cancel(self) -> Result<()> {
        self.0.cancel()
    }
}

impl CallToken {
    /// Cancels a gRPC call or stream. No event follows, and nothing is kept for it. An HTTP call
    /// cannot be cancelled: the host refuses.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses. The call may have its response already.
    ///
    /// # Cost
    ///
    /// One host call.
    #[doc(alias = "cancel_grpc_call")]
    pub fn cancel(self) -> Result<()> {
        let cancelled = call::grpc_cancel(self.0);
        // A call that the host does not know gets no event that would end the wait.
        if matches!(cancelled, Ok(()) | Err(Status::NotFound))
            && let Some(waiting) = take(Kind::GrpcCall, self.0)
        {
            stream_state::give_up();
            then::drop_closure(waiting.context.get(), self.0);
            closed(waiting.context.get(), self.0);
        }
        cancelled.map_err(|status| Error::host("proxy_grpc_cancel", Subject::Token(self.0), status))
    }
}

/// An event of a gRPC call or stream. Its contents can be read in its callback only.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(event: &GrpcEvent) -> Result<()> {
///     if let GrpcEventKind::Message(size) = event.kind() {
///         info!("a message of {size} bytes");
///     }
///     Ok(())
/// }
/// # sluicegate_host::example::event(example);
/// ```
#[derive(Debug)]
pub struct GrpcEvent {
    pub(crate) token: u32,
    pub(crate) what: GrpcEventKind,
}

/// The kind of a gRPC event.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(event: &GrpcEvent) -> Result<()> {
///     match event.kind() {
///         GrpcEventKind::Message(size) => info!("{size} bytes"),
///         GrpcEventKind::Closed(status) => warn!("closed with {status}"),
///         _ => {}
///     }
///     Ok(())
/// }
/// # sluicegate_host::example::event(example);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum GrpcEventKind {
    /// The initial metadata have come, with this number of entries.
    InitialMetadata(u32),
    /// A message of this number of bytes has come. A unary call ends with it.
    Message(usize),
    /// The trailing metadata have come, with this number of entries.
    TrailingMetadata(u32),
    /// The call or stream is over, with this gRPC status: 0 is Ok, 14 is Unavailable …
    Closed(u32),
}

impl GrpcEvent {
    /// Returns the number of the call or stream that the event belongs to.
    #[must_use]
    pub const fn token(&self) -> CallToken {
        CallToken(self.token)
    }

    /// Returns the kind of the event.
    #[must_use]
    pub const fn kind(&self) -> GrpcEventKind {
        self.what
    }

    /// Returns the message. The message is empty if the event is of another kind.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(event: &GrpcEvent) -> Result<()> {
    ///     assert_eq!(&*event.message()?, b"\x08\x01");
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::event(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias("get_grpc_call_response_body", "get_grpc_stream_message"))]
    pub fn message(&self) -> Result<HostBytes> {
        self.message_part(0, WHOLE)
    }

    /// Returns a part of the message: at most `size` bytes from `start` on. Returns no bytes if
    /// there are none at `start`.
    ///
    /// # Errors
    ///
    /// Fails as [`message`](Self::message) does.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read.
    pub fn message_part(&self, start: usize, size: usize) -> Result<HostBytes> {
        match self.what {
            GrpcEventKind::Message(_) => read(BufferType::GrpcMessage, start, size),
            _ => Ok(HostBytes::EMPTY),
        }
    }

    /// Returns the initial or trailing metadata that the event brings.
    ///
    /// # Errors
    ///
    /// Fails if the event brings no metadata, if the host refuses, if the host sends bytes that are
    /// not a map, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias(
        "get_grpc_stream_initial_metadata",
        "get_grpc_stream_initial_metadata_value",
        "get_grpc_stream_trailing_metadata",
        "get_grpc_stream_trailing_metadata_value"
    ))]
    pub fn metadata(&self) -> Result<HeaderMap> {
        match self.what {
            GrpcEventKind::InitialMetadata(_) => fetch(MapType::GrpcInitialMetadata),
            GrpcEventKind::TrailingMetadata(_) => fetch(MapType::GrpcTrailingMetadata),
            _ => Err(Error::new("this gRPC event brings no metadata")),
        }
    }

    /// Returns the text of the status with which the call or stream was closed. It is empty for
    /// every other event, and on a host that has no texts.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and a block for the text. Nothing for an event of another kind.
    #[doc(alias = "get_grpc_status")]
    pub fn status_text(&self) -> Result<HostBytes> {
        match self.what {
            GrpcEventKind::Closed(_) => status_text(),
            _ => Ok(HostBytes::EMPTY),
        }
    }
}

/// Returns the text of the status, in the callback that brought it. The text is empty on a host
/// that has none.
pub(super) fn status_text() -> Result<HostBytes> {
    match call::status() {
        Ok((_, text)) => Ok(text),
        Err(Refused::Status(Status::Unimplemented)) => Ok(HostBytes::EMPTY),
        Err(refused) => Err(Error::host("proxy_get_status", Subject::Nothing, refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Reads a number. Returns the number and the bytes after it.
    fn varint(bytes: &[u8]) -> (usize, &[u8]) {
        let len = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
        let number = bytes[..len].iter().rev().fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
        (number, &bytes[len..])
    }

    /// Reads the only field of a message, number 1, as a protobuf library does.
    fn only_field(message: &[u8]) -> &[u8] {
        let (key, rest) = varint(message);
        let (len, rest) = varint(rest);
        assert_eq!((key, len), (1 << 3 | 2, rest.len()));
        rest
    }

    fn sent(target: GrpcTarget<'_>) -> Result<Vec<u8>> {
        let mut buffer = Buffer::new();
        target.append_to(&CALL, &mut buffer)?;
        Ok(buffer.written().to_vec())
    }

    fn names() -> impl Strategy<Value = String> {
        // Names that are messages themselves, names with lengths at which a varint grows, and any
        // names.
        prop_oneof![
            Just("users".into()),
            "[a-z]{1,8}",
            (prop::sample::select(alloc::vec![126_usize, 127, 128, 16_380, 16_384, 70_000]), 0..4_usize)
                .prop_map(|(len, more)| "n".repeat(len + more)),
            any::<String>(),
        ]
        .prop_filter("a name", |name| !name.is_empty())
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: if cfg!(miri) { 20 } else { 512 },
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn every_cluster_is_sent_as_the_message_that_names_it(name in names()) {
            let message = sent(GrpcTarget::Cluster(&name)).unwrap();
            assert_eq!(only_field(only_field(&message)), name.as_bytes());
        }
    }

    /// Tests short names. Many of them are messages themselves, on which Envoy would end.
    #[test]
    fn every_short_name_is_sent_as_the_message_that_names_it() {
        let letters = || (b'a'..=b'z').map(char::from);
        let longer = |names: Vec<String>| -> Vec<String> {
            names.iter().flat_map(|name| letters().map(move |letter| alloc::format!("{name}{letter}"))).collect()
        };
        let mut names = alloc::vec![String::new()];
        for _ in 0..if cfg!(miri) { 1 } else { 3 } {
            names = longer(names);
            for name in &names {
                assert_eq!(only_field(only_field(&sent(GrpcTarget::Cluster(name)).unwrap())), name.as_bytes());
            }
        }
    }

    #[test]
    fn raw_targets_are_left_alone_and_none_is_empty() {
        assert_eq!(sent(GrpcTarget::Raw(b"users")).unwrap(), b"users");
        assert_eq!(sent(GrpcTarget::Cluster("users")).unwrap(), b"\x0a\x07\x0a\x05users");
        assert!(sent(GrpcTarget::Raw(b"")).is_err() && sent(GrpcTarget::Cluster("")).is_err());
    }
}
