//! The error of host calls, of data that a host sent, and of a filter's own failures.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt::{self, Display, Write};

use crate::ToValue;
use crate::abi::{BufferType, MapType, OutOfMemory, Refused, Status, StreamType, try_slice};
use crate::escape::{write_escaped, write_hex};

/// The result of host calls and of callbacks.
///
/// ```
/// use sluicegate::{Error, Result};
///
/// fn percent(part: u64, whole: u64) -> Result<u64> {
///     (part * 100).checked_div(whole).ok_or(Error::new("nothing to take a part of"))
/// }
/// assert!(percent(1, 0).is_err());
/// ```
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// An error that a filter may put into an [`Error`] of its own.
type Source = Box<dyn core::error::Error + Send + Sync>;

/// An error that names the host call that failed, its subject and the status.
///
/// ```
/// use sluicegate::{Error, Status};
///
/// fn tolerate(error: Error) -> Result<(), Error> {
///     if error.status() == Some(Status::NotFound) { Ok(()) } else { Err(error) }
/// }
/// # assert!(tolerate(Error::new("broken")).is_err());
/// ```
///
/// # Cost
///
/// An error about the host holds no memory of its own, except one that has a name, which copies at
/// most 64 bytes of the name. [`Error::text`] copies its text, and [`Error::other`] boxes its
/// source.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
}

const INVALID_MEMORY_ACCESS: u32 = Status::InvalidMemoryAccess.code();

// An error crosses every callback, so it is no larger than a call, the subject of the call, and a
// status.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(size_of::<Error>() <= 24);

#[derive(Debug)]
enum Kind {
    Host {
        call: &'static str,
        on: Subject,
        /// The number of the status, which is smaller than the status.
        status: u32,
    },
    ForeignBlock {
        call: &'static str,
        on: Subject,
    },
    /// An edit of a header that the host refused.
    Header {
        /// The name of the call behind two references, which is smaller.
        call: &'static &'static str,
        map: MapType,
        /// The number of the status, which is smaller than the status.
        status: u32,
        name: Name,
    },
    /// A failed host call about something with a name, or a call that is not made because something
    /// is missing or wrong.
    Named {
        call: &'static Call,
        /// The number of the host's status, or 0 if the host was not called.
        status: u32,
        name: Name,
        /// An explanation that the status does not give, or an empty text.
        why: &'static &'static str,
    },
    /// A byte of the filter that must not leave it.
    InvalidByte {
        /// The host call that would have sent the byte, or an empty text for an edit of a header.
        call: &'static &'static str,
        what: &'static &'static str,
        at: u32,
        byte: u8,
        name: Name,
    },
    Malformed {
        what: Subject,
        problem: &'static str,
    },
    TooLarge {
        /// The host call that would have sent the value, or an empty text.
        call: &'static &'static str,
        what: &'static str,
        size: usize,
        limit: usize,
    },
    OutOfMemory {
        size: usize,
    },
    /// A request that the SDK does not pass on to the host.
    NotPossible {
        on: Subject,
        why: &'static str,
    },
    Message(&'static str),
    Text(Box<[u8]>),
    Other(Source),
}

/// A host function, and the kind of the named thing that a call of it is about.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) function: &'static str,
    pub(crate) about: &'static str,
}

/// The beginning of the name of an error's subject. It is empty if the subject has no name, or if
/// the SDK was out of memory.
#[derive(Debug)]
struct Name(Box<[u8]>);

impl Name {
    /// The largest number of bytes of a name that an error keeps.
    const MOST: usize = 64;

    fn of(name: &[u8]) -> Self {
        let mut bytes = name.iter().copied();
        Self(try_slice(name.len().min(Self::MOST), || bytes.next().unwrap_or_default()).unwrap_or_default())
    }

    /// Writes the name after a text. Writes nothing if there is no name.
    fn write_to(&self, before: &str, out: &mut dyn Write) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        out.write_str(before)?;
        write_escaped(out, &self.0)
    }
}

/// The subject of a host call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subject {
    Nothing,
    Map(MapType),
    Buffer(BufferType),
    Stream(StreamType),
    /// A call or gRPC stream.
    Token(u32),
    Context(u32),
    /// A local reply, by its status.
    Reply(u32),
    /// A metric, by its number.
    Metric(u32),
    /// A text behind two references, so that the size of an error does not grow.
    Named(&'static &'static str),
}

impl From<MapType> for Subject {
    fn from(map: MapType) -> Self {
        Self::Map(map)
    }
}

impl From<BufferType> for Subject {
    fn from(buffer: BufferType) -> Self {
        Self::Buffer(buffer)
    }
}

impl From<StreamType> for Subject {
    fn from(stream: StreamType) -> Self {
        Self::Stream(stream)
    }
}

impl Subject {
    fn write_to(self, out: &mut dyn Write) -> fmt::Result {
        let (text, number) = match self {
            Self::Nothing => ("host call", None),
            Self::Map(map) => (map.text(), None),
            Self::Buffer(buffer) => (buffer.text(), None),
            Self::Stream(StreamType::HttpRequest) => ("request", None),
            Self::Stream(StreamType::HttpResponse) => ("response", None),
            Self::Stream(StreamType::Downstream) => ("downstream", None),
            Self::Stream(StreamType::Upstream) => ("upstream", None),
            Self::Token(token) => ("call ", Some(token)),
            Self::Context(context) => ("context ", Some(context)),
            Self::Reply(status) => ("status ", Some(status)),
            Self::Metric(metric) => ("metric ", Some(metric)),
            Self::Named(name) => (*name, None),
        };
        out.write_str(text)?;
        number.map_or(Ok(()), |number| write_number(out, u64::from(number)))
    }
}

impl Error {
    /// Returns an error of the filter itself, with a fixed text.
    #[must_use]
    pub const fn new(message: &'static str) -> Self {
        Self { kind: Kind::Message(message) }
    }

    /// Returns an error of the filter itself, with a text that is made when the error happens:
    /// `Error::text(format!("no user {id}"))`.
    ///
    /// # Cost
    ///
    /// A copy of the text. If the SDK is out of memory, the error says that instead. The error
    /// links no formatting code beyond that which made the text.
    #[must_use]
    pub fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref().as_bytes();
        let mut bytes = text.iter().copied();
        match try_slice(text.len(), || bytes.next().unwrap_or_default()) {
            Ok(text) => Self { kind: Kind::Text(text) },
            Err(error) => error.into(),
        }
    }

    /// Returns an error of the filter itself, from any error: `.map_err(Error::other)?`. An
    /// [`Error`] is returned unchanged.
    ///
    /// A text is not an error: [`Error::new`] takes a fixed text, and [`Error::text`] a text that
    /// is made at run time.
    ///
    /// # Cost
    ///
    /// A box for the source, except for an [`Error`]. The `Display` of the source is linked, and
    /// with it the formatting code of the standard library.
    #[must_use]
    pub fn other<E: core::error::Error + Send + Sync + 'static>(source: E) -> Self {
        let mut source = Some(source);
        if let Some(own) = (&mut source as &mut dyn Any).downcast_mut::<Option<Self>>() {
            return own.take().unwrap_or(Self::new("no error"));
        }
        match source {
            Some(source) => Self { kind: Kind::Other(Box::new(source)) },
            None => Self::new("no error"),
        }
    }

    /// Returns the error of a host call that failed.
    pub(crate) fn host(call: &'static str, on: impl Into<Subject>, refused: impl Into<Refused>) -> Self {
        Self::refused(call, on.into(), refused.into())
    }

    #[cold]
    #[inline(never)]
    fn refused(call: &'static str, on: Subject, refused: Refused) -> Self {
        let kind = match refused {
            Refused::Status(status) => Kind::Host { call, on, status: status.code() },
            Refused::Foreign => Kind::ForeignBlock { call, on },
        };
        Self { kind }
    }

    /// Returns the error of an edit of a header that the host refused.
    #[cold]
    #[inline(never)]
    pub(crate) fn header(call: &'static &'static str, map: MapType, name: &[u8], status: u32) -> Self {
        Self { kind: Kind::Header { call, map, status, name: Name::of(name) } }
    }

    /// Returns the error of a host call about something with a name. `why` explains what the status
    /// leaves open.
    #[cold]
    #[inline(never)]
    pub(crate) fn named(
        call: &'static Call,
        name: &[u8],
        refused: impl Into<Refused>,
        why: &'static &'static str,
    ) -> Self {
        Self::of_named(call, name, refused.into(), why)
    }

    #[cold]
    #[inline(never)]
    fn of_named(call: &'static Call, name: &[u8], refused: Refused, why: &'static &'static str) -> Self {
        let kind = match refused {
            Refused::Status(status) => Kind::Named { call, status: status.code(), name: Name::of(name), why },
            Refused::Foreign => Kind::ForeignBlock { call: call.function, on: Subject::Named(&call.about) },
        };
        Self { kind }
    }

    /// Returns the error of a call about something with a name, which is not passed on to the host.
    #[cold]
    #[inline(never)]
    pub(crate) fn not_asked(call: &'static Call, name: &[u8], why: &'static &'static str) -> Self {
        Self { kind: Kind::Named { call, status: 0, name: Name::of(name), why } }
    }

    /// Returns the error of a byte of the filter that must not leave it, in something with this
    /// name.
    #[cold]
    #[inline(never)]
    pub(crate) fn invalid_byte(what: &'static &'static str, name: &[u8], at: usize, byte: u8) -> Self {
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        Self { kind: Kind::InvalidByte { call: &"", what, at, byte, name: Name::of(name) } }
    }

    /// Adds the name of the host call that would have sent the refused value.
    #[cold]
    #[inline(never)]
    pub(crate) fn within(mut self, function: &'static &'static str) -> Self {
        match &mut self.kind {
            Kind::InvalidByte { call, .. } | Kind::TooLarge { call, .. } => *call = function,
            Kind::Message(why) => self.kind = Kind::NotPossible { on: Subject::Named(function), why },
            _ => {}
        }
        self
    }

    pub(crate) fn malformed(what: impl Into<Subject>, problem: &'static str) -> Self {
        Self { kind: Kind::Malformed { what: what.into(), problem } }
    }

    /// Returns the error of a request of the filter that is wrong, and is not passed on to the
    /// host.
    pub(crate) fn invalid(what: impl Into<Subject>, problem: &'static str) -> Self {
        Self { kind: Kind::NotPossible { on: what.into(), why: problem } }
    }

    /// Returns the error of an act that a stream does not allow, and that is not passed on to the
    /// host.
    pub(crate) fn stream(on: impl Into<Subject>, why: &'static str) -> Self {
        Self { kind: Kind::NotPossible { on: on.into(), why } }
    }

    pub(crate) const fn too_large(what: &'static str, size: usize, limit: usize) -> Self {
        Self { kind: Kind::TooLarge { call: &"", what, size, limit } }
    }

    pub(crate) const fn out_of_memory(size: usize) -> Self {
        Self { kind: Kind::OutOfMemory { size } }
    }

    /// Returns the status that the host returned, or `None` if the failure is not the host's.
    #[must_use]
    pub const fn status(&self) -> Option<Status> {
        match self.kind {
            Kind::Host { status, .. } | Kind::Header { status, .. } => Some(Status::from_code(status)),
            Kind::Named { status, .. } if status != 0 => Some(Status::from_code(status)),
            _ => None,
        }
    }

    /// Returns the name of the host function that failed, as the ABI writes it, or `None` if no
    /// host call failed.
    #[must_use]
    pub const fn call(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Host { call, .. } | Kind::ForeignBlock { call, .. } => Some(call),
            Kind::Header { call, .. } => Some(call),
            Kind::Named { call, status, .. } if status != 0 => Some(call.function),
            _ => None,
        }
    }

    /// Returns the name of the subject of the failure, such as a header, a cluster, a metric, a
    /// property or a key: at most its first 64 bytes. Returns `None` if the subject has no name.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Header { name, .. } | Kind::Named { name, .. } | Kind::InvalidByte { name, .. } => Some(&*name.0),
            _ => None,
        }
    }

    /// Returns whether the host or the SDK ran out of memory: an allocation of the SDK failed, or
    /// the guest refused a block to the host.
    #[must_use]
    pub const fn is_out_of_memory(&self) -> bool {
        matches!(
            self.kind,
            Kind::OutOfMemory { .. }
                | Kind::Host { status: INVALID_MEMORY_ACCESS, .. }
                | Kind::Header { status: INVALID_MEMORY_ACCESS, .. }
                | Kind::Named { status: INVALID_MEMORY_ACCESS, .. }
        )
    }

    /// Returns whether the filter passed a byte that must not leave it, such as a line feed in the
    /// value of a header. In this case nothing was sent.
    #[must_use]
    pub const fn is_invalid_byte(&self) -> bool {
        matches!(self.kind, Kind::InvalidByte { .. })
    }

    /// Returns whether the host sent bytes that break the rules of the ABI.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        matches!(self.kind, Kind::Malformed { .. } | Kind::ForeignBlock { .. })
    }
}

impl Error {
    /// Writes the text in pieces. `Formatter`'s own methods for text and numbers can panic as far
    /// as the linker knows. They would bring the standard library's panic code and the WASI imports
    /// into every filter whose callbacks can fail. The writer is behind a table of functions, so
    /// that the module has this code once.
    ///
    /// A host's status reads as in the Go SDK, for people who come from there.
    pub(crate) fn write_to(&self, out: &mut dyn Write) -> fmt::Result {
        match &self.kind {
            Kind::Host { call, on, status } => {
                write_call(out, call, *on)?;
                out.write_str("): ")?;
                write_status(out, Status::from_code(*status))
            }
            Kind::Header { call, map, status, name } => {
                write_call(out, call, Subject::Map(*map))?;
                name.write_to(", ", out)?;
                out.write_str("): ")?;
                write_status(out, Status::from_code(*status))?;
                if *status != Status::BadArgument.code() {
                    return Ok(());
                }
                out.write_str(": the stream has no ")?;
                out.write_str(map.text())?;
                out.write_str(" yet, or any more")
            }
            Kind::Named { call, status, name, why } => {
                out.write_str(call.function)?;
                out.write_str(" (")?;
                out.write_str(call.about)?;
                name.write_to(" ", out)?;
                out.write_str(")")?;
                if *status != 0 {
                    out.write_str(": ")?;
                    write_status(out, Status::from_code(*status))?;
                }
                out.write_str(if why.is_empty() { "" } else { ": " })?;
                out.write_str(why)
            }
            Kind::InvalidByte { call, what, at, byte, name } => {
                write_before(out, call)?;
                out.write_str(what)?;
                name.write_to(" (", out)?;
                out.write_str(if name.0.is_empty() { ": byte 0x" } else { "): byte 0x" })?;
                write_hex(out, *byte)?;
                out.write_str(" at position ")?;
                write_number(out, u64::from(*at))?;
                out.write_str(" is not allowed")
            }
            Kind::ForeignBlock { call, on } => {
                write_call(out, call, *on)?;
                out.write_str("): the host named a block that it did not ask for")
            }
            Kind::Malformed { what, problem } => {
                out.write_str("malformed ")?;
                what.write_to(out)?;
                out.write_str(": ")?;
                out.write_str(problem)
            }
            Kind::TooLarge { call, what, size, limit } => {
                write_before(out, call)?;
                out.write_str(what)?;
                out.write_str(": ")?;
                write_number(out, *size as u64)?;
                out.write_str(" is over the host's limit of ")?;
                write_number(out, *limit as u64)
            }
            Kind::OutOfMemory { size } => {
                out.write_str("out of memory: no block of ")?;
                write_number(out, *size as u64)?;
                out.write_str(" bytes")
            }
            Kind::NotPossible { on, why } => {
                on.write_to(out)?;
                out.write_str(": ")?;
                out.write_str(why)
            }
            Kind::Message(message) => out.write_str(message),
            Kind::Text(text) => out.write_str(str::from_utf8(text).unwrap_or_default()),
            Kind::Other(source) => write!(out, "{source}"),
        }
    }
}

/// Writes the name of a call and a colon. Writes nothing if there is no call.
fn write_before(out: &mut dyn Write, call: &str) -> fmt::Result {
    out.write_str(call)?;
    out.write_str(if call.is_empty() { "" } else { ": " })
}

fn write_call(out: &mut dyn Write, call: &str, on: Subject) -> fmt::Result {
    out.write_str(call)?;
    out.write_str(" (")?;
    on.write_to(out)
}

fn write_status(out: &mut dyn Write, status: Status) -> fmt::Result {
    if let Status::Unknown(code) = status {
        out.write_str("unknown status code: ")?;
        return write_number(out, u64::from(code));
    }
    out.write_str("error status returned by host: ")?;
    out.write_str(status.text())
}

fn write_number(out: &mut dyn Write, number: u64) -> fmt::Result {
    number.with_value(|digits| out.write_str(str::from_utf8(digits).unwrap_or_default()))
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_to(f)
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.kind {
            Kind::Other(source) => source.source(),
            _ => None,
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(OutOfMemory { size }: OutOfMemory) -> Self {
        Self::out_of_memory(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_host_error_says_which_call_on_what_with_which_status() {
        let error = Error::host("proxy_get_header_map_pairs", MapType::HttpRequestHeaders, Status::NotFound);
        assert_eq!(
            error.to_string(),
            "proxy_get_header_map_pairs (request headers): error status returned by host: not found"
        );
        assert_eq!(error.status(), Some(Status::NotFound));
        assert_eq!(error.call(), Some("proxy_get_header_map_pairs"));
        let on = |on: Subject| Error::host("x", on, Status::NotFound).to_string();
        assert_eq!(on(StreamType::Upstream.into()), "x (upstream): error status returned by host: not found");
        assert_eq!(on(Subject::Token(7)), "x (call 7): error status returned by host: not found");
        assert_eq!(on(Subject::Context(8)), "x (context 8): error status returned by host: not found");
        assert_eq!(on(Subject::Reply(403)), "x (status 403): error status returned by host: not found");
        let unknown = Error::host("proxy_done", Subject::Nothing, Status::from(77));
        assert_eq!(unknown.to_string(), "proxy_done (host call): unknown status code: 77");
    }

    #[test]
    fn a_refused_block_is_out_of_memory() {
        assert!(Error::host("x", Subject::Nothing, Status::InvalidMemoryAccess).is_out_of_memory());
        assert!(Error::out_of_memory(8).is_out_of_memory());
        assert!(!Error::new("x").is_out_of_memory());
    }

    #[test]
    fn a_filters_own_error_keeps_its_text() {
        assert_eq!(Error::new("no token").to_string(), "no token");
        let parse = "x".parse::<u32>().unwrap_err();
        assert_eq!(Error::other(parse.clone()).to_string(), parse.to_string());
        assert_eq!(Error::text("a text").to_string(), "a text");
        assert_eq!(Error::text(alloc::format!("{} texts", 2)).to_string(), "2 texts");
    }

    #[test]
    fn an_error_of_this_crate_is_not_boxed_again() {
        let error = Error::other(Error::host("proxy_done", Subject::Nothing, Status::NotFound));
        assert_eq!((error.call(), error.status()), (Some("proxy_done"), Some(Status::NotFound)));
        assert!(core::error::Error::source(&error).is_none());
    }
}
