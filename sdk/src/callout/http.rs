//! HTTP calls.

use core::time::Duration;

#[cfg(feature = "async")]
use super::{Answered, CallFailure};
use super::{CallToken, Kind, Reserved, refused, timeout};
use crate::abi::{BufferType, HostBytes, MapType, Refused, Status, call};
use crate::error::{Call, Error, Result};
use crate::handle::{WHOLE, fetch, read};
use crate::headers::{Check, HeaderMap, encode};

const CALL: Call = Call { function: "proxy_http_call", about: "cluster" };

/// A call to a cluster: what to send, and how long to wait.
///
/// ```
/// # use std::time::Duration;
/// # use sluicegate::prelude::*;
/// # use sluicegate::callout::{CallResponse, HttpCall};
/// #[derive(Default)]
/// struct Authorise;
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Authorise {
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
///         let headers = [(":method", "GET"), (":path", "/check"), (":authority", "auth")];
///         request.call(&HttpCall::new("auth").headers(&headers).timeout(Duration::from_millis(200)))?;
///         Ok(Action::Pause)
///     }
///
///     fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
///         let headers = response.headers()?;
///         if headers.get(":status").is_some_and(|status| status == "200") {
///             stream.resume_request()
///         } else {
///             stream.reply(&LocalResponse::new(403))
///         }
///     }
/// }
/// # sluicegate::plugin!(http: Authorise);
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `call`"]
pub struct HttpCall<'a, N = &'a str, V = &'a str, T = &'a str> {
    cluster: &'a str,
    headers: &'a [(N, V)],
    body: &'a [u8],
    trailers: &'a [(T, T)],
    timeout: Duration,
    check: Check,
}

impl<'a> HttpCall<'a> {
    /// Returns a call to a cluster of the proxy's configuration, with nothing in it and a timeout
    /// of one second.
    pub const fn new(cluster: &'a str) -> Self {
        let timeout = Duration::from_secs(1);
        Self { cluster, headers: &[], body: &[], trailers: &[], timeout, check: Check::Both }
    }
}

impl<'a, N, V, T> HttpCall<'a, N, V, T> {
    /// Returns the headers, as text, as bytes, or as the views of a snapshot. No host sends a call
    /// without `:method`, `:path` and `:authority` (or `host`), so such a call fails without a host
    /// call, and the error names the header that is missing.
    ///
    /// Whoever passes a request's headers on leaves `content-length` out, unless the call has a
    /// body of that size: the cluster would wait for it.
    pub const fn headers<N2, V2>(self, headers: &'a [(N2, V2)]) -> HttpCall<'a, N2, V2, T> {
        let Self { cluster, headers: _, body, trailers, timeout, check } = self;
        HttpCall { cluster, headers, body, trailers, timeout, check }
    }

    /// Returns the body.
    pub fn body(self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { body: body.as_ref(), ..self }
    }

    /// Returns the trailers, as text, as bytes, or as the views of a snapshot.
    pub const fn trailers<T2>(self, trailers: &'a [(T2, T2)]) -> HttpCall<'a, N, V, T2> {
        let Self { cluster, headers, body, trailers: _, timeout, check } = self;
        HttpCall { cluster, headers, body, trailers, timeout, check }
    }

    /// How long to wait for the whole response. Hosts count in milliseconds: a part of one counts
    /// as one, and what is over 24 days as `i32::MAX`. With zero Envoy waits without end.
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Leaves headers and trailers as they are, whatever bytes they have and whatever is missing:
    /// for a filter that must send what is not HTTP. A value with a line feed ends its line, and
    /// what follows it is a header, or a request, of its own.
    pub const fn unchecked(self) -> Self {
        Self { check: Check::Neither, ..self }
    }

    /// Sends it in a [task](crate::task), and waits for the answer.
    ///
    /// # Errors
    ///
    /// Fails if the call is not sent, or not answered; the answer's status is no error.
    ///
    /// # Cost
    ///
    /// Beside the call three small blocks until the answer; then one host call and block for its
    /// headers, and one for each of body and trailers if it has them.
    #[cfg(feature = "async")]
    pub fn send(self) -> impl Future<Output = Result<Answer, CallFailure>>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        T: AsRef<[u8]>,
    {
        let mut sent = crate::task::Call::NEW;
        core::future::poll_fn(move |context| {
            let polled = sent.poll(
                context,
                Kind::Http,
                |asker| self.dispatch(asker),
                |answered| match answered {
                    Answered::Http(response) => Some(Answer::read(response)),
                    Answered::Grpc(_) => None,
                },
            );
            polled.map(|answered| answered.unwrap_or_else(|error| Err(self.refused(error))))
        })
    }

    /// Returns the header without which no host sends a call, if one is missing.
    fn missing(&self) -> Option<&'static &'static str>
    where
        N: AsRef<[u8]>,
    {
        let found = self.headers.iter().fold(0_u8, |found, (name, _)| found | required(name.as_ref()));
        MISSING.get(usize::from(found)).copied().flatten()
    }

    /// Envoy has one status for all that it does not like about a call; if everything else is
    /// there, it is the cluster.
    #[cfg(feature = "async")]
    fn refused(&self, error: Error) -> CallFailure
    where
        N: AsRef<[u8]>,
    {
        let complete = self.missing().is_none();
        match error.status() {
            Some(Status::BadArgument | Status::NotFound) if complete => CallFailure::NoSuchCluster,
            Some(Status::InternalFailure) if complete => CallFailure::NoHealthyHost,
            _ => CallFailure::Refused(error),
        }
    }

    /// Sends it for a context.
    pub(crate) fn dispatch(&self, context: u32) -> Result<CallToken>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        T: AsRef<[u8]>,
    {
        if self.check == Check::Both
            && let Some(problem) = self.missing()
        {
            return Err(Error::not_asked(&CALL, self.cluster.as_bytes(), problem));
        }
        let within = |error: Error| error.within(&CALL.function);
        let headers = encode(self.headers, self.check).map_err(within)?;
        let trailers = encode(self.trailers, self.check).map_err(within)?;
        let reserved = Reserved::new(context, Kind::Http)?;
        let token = call::http_call(self.cluster.as_bytes(), &headers, self.body, &trailers, timeout(self.timeout))
            .map_err(|status| refused(&CALL, self.cluster.as_bytes(), status))?;
        Ok(reserved.note(token))
    }
}

/// What is missing of a call, by the bits that [`required`] gave for its headers.
const MISSING: [Option<&&str>; 8] = {
    const METHOD: Option<&&str> = Some(&"the header :method is missing");
    const PATH: Option<&&str> = Some(&"the header :path is missing");
    const AUTHORITY: Option<&&str> = Some(&"the header :authority is missing");
    [METHOD, PATH, METHOD, AUTHORITY, METHOD, PATH, METHOD, None]
};

/// Returns the bit of a header that a call needs, or none for another one: 1 for `:method`, 2 for
/// `:path`, 4 for `:authority` or `host`.
#[inline(never)]
fn required(name: &[u8]) -> u8 {
    match name.len() {
        5 if name.eq_ignore_ascii_case(b":path") => 2,
        7 if name.eq_ignore_ascii_case(b":method") => 1,
        4 if name.eq_ignore_ascii_case(b"host") => 4,
        10 if name.eq_ignore_ascii_case(b":authority") => 4,
        _ => 0,
    }
}

/// The answer to a call, or the news that there is none. It can be read in its callback only.
#[derive(Debug)]
pub struct CallResponse {
    pub(crate) token: u32,
    pub(crate) headers: u32,
    pub(crate) body_size: usize,
    pub(crate) trailers: u32,
}

impl CallResponse {
    /// Which call it answers.
    #[must_use]
    pub const fn token(&self) -> CallToken {
        CallToken(self.token)
    }

    /// Returns whether there is no answer: the call timed out, or its connection broke.
    /// [`failure`](Self::failure) says more.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.headers == 0
    }

    /// Returns why a call failed, as the host's status and text, or `None` if the call is answered.
    ///
    /// A host that cannot say why, because it has no `proxy_get_status` or has no memory for the
    /// text, gives the status with which it refused to say it, and no text:
    /// [`Status::Unimplemented`], for example. The call failed all the same.
    ///
    /// # Cost
    ///
    /// One host call, and a block for its text; nothing if there is an answer.
    #[must_use]
    pub fn failure(&self) -> Option<(Status, HostBytes)> {
        self.failed().then(|| match call::status() {
            Ok((code, text)) => (Status::from(code), text),
            Err(Refused::Status(status)) => (status, HostBytes::EMPTY),
            Err(_) => (Status::InternalFailure, HostBytes::EMPTY),
        })
    }

    /// Returns the response's headers, empty if the call failed.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, sends what is no header map, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's for each call.
    #[doc(alias = "GetHttpCallResponseHeaders")]
    pub fn headers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpCallResponseHeaders)
    }

    /// How large the body is, in bytes.
    #[must_use]
    pub const fn body_size(&self) -> usize {
        self.body_size
    }

    /// Returns the response's body, empty if there is none.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's for each call.
    #[doc(alias = "GetHttpCallResponseBody")]
    pub fn body(&self) -> Result<HostBytes> {
        self.body_part(0, WHOLE)
    }

    /// Returns a part of the response's body: at most `size` bytes from `start` on, none if there
    /// are no bytes there.
    ///
    /// # Errors
    ///
    /// Fails as [`body`](Self::body) does.
    ///
    /// # Cost
    ///
    /// One host call and one block of the size that is read.
    pub fn body_part(&self, start: usize, size: usize) -> Result<HostBytes> {
        read(BufferType::HttpCallResponseBody, start, size)
    }

    /// How many trailers there are.
    #[must_use]
    pub const fn trailers_len(&self) -> u32 {
        self.trailers
    }

    /// Returns the response's trailers, empty if there are none.
    ///
    /// # Errors
    ///
    /// Fails as [`headers`](Self::headers) does.
    ///
    /// # Cost
    ///
    /// The cost of [`headers`](Self::headers).
    #[doc(alias = "GetHttpCallResponseTrailers")]
    pub fn trailers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpCallResponseTrailers)
    }
}

/// The answer to a call that a task awaited, read whole: it is good for as long as it is kept.
#[cfg(feature = "async")]
#[derive(Debug)]
pub struct Answer {
    headers: HeaderMap,
    body: HostBytes,
    trailers: Option<HeaderMap>,
}

#[cfg(feature = "async")]
impl Answer {
    fn read(response: &CallResponse) -> Result<Self, CallFailure> {
        if let Some(failure) = CallFailure::of(response) {
            return Err(failure);
        }
        let read = || {
            let headers = response.headers()?;
            let body = if response.body_size() == 0 { HostBytes::EMPTY } else { response.body()? };
            let trailers = if response.trailers_len() == 0 { None } else { Some(response.trailers()?) };
            Ok(Self { headers, body, trailers })
        };
        read().map_err(CallFailure::Refused)
    }

    /// Returns the HTTP status; none if the response has none, or no number.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.headers.get(":status")?.to_str().ok()?.parse().ok()
    }

    /// Returns the headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(&self) -> &HostBytes {
        &self.body
    }

    /// Returns the trailers, if there are any.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }
}
