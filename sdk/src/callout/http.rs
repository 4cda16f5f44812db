//! HTTP calls.

use core::time::Duration;

#[cfg(feature = "async")]
use super::failure::CallFailure;
use super::waiting::{CallToken, Kind, Reserved, refused, timeout};
use crate::abi::{BufferType, HostBytes, MapType, Refused, Status, call};
use crate::error::{Call, Error, Result};
use crate::headers::{Check, HeaderMap, encode, fetch, framing_problem};
use crate::host_buffer::{WHOLE, read};

const CALL: Call = Call { function: "proxy_http_call", about: "cluster" };
const HEADER: Call = Call { function: "proxy_http_call", about: "header" };

/// A call to a cluster: the request to send, and the time to wait.
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
    /// Returns a call to a cluster of the proxy's configuration, without headers and body, and with
    /// a timeout of one second.
    pub const fn new(cluster: &'a str) -> Self {
        let timeout = Duration::from_secs(1);
        Self { cluster, headers: &[], body: &[], trailers: &[], timeout, check: Check::Both }
    }
}

impl<'a, N, V, T> HttpCall<'a, N, V, T> {
    /// Sets the headers, as text, as bytes, or as the views of a snapshot. No host sends a call
    /// without `:method`, `:path` and `:authority` (or `host`). Such a call fails without a host
    /// call, and the error names the missing header.
    ///
    /// A `content-length` that is not that of the body fails in the same way, and so does
    /// `transfer-encoding`: the cluster would take the next call on the connection for the body of
    /// this one. A filter that passes a request's headers on leaves both out.
    pub const fn headers<N2, V2>(self, headers: &'a [(N2, V2)]) -> HttpCall<'a, N2, V2, T> {
        let Self { cluster, headers: _, body, trailers, timeout, check } = self;
        HttpCall { cluster, headers, body, trailers, timeout, check }
    }

    /// Sets the body.
    pub fn body(self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { body: body.as_ref(), ..self }
    }

    /// Sets the trailers, as text, as bytes, or as the views of a snapshot.
    pub const fn trailers<T2>(self, trailers: &'a [(T2, T2)]) -> HttpCall<'a, N, V, T2> {
        let Self { cluster, headers, body, trailers: _, timeout, check } = self;
        HttpCall { cluster, headers, body, trailers, timeout, check }
    }

    /// Sets the longest time to wait for the whole response. Hosts count milliseconds: a part of a
    /// millisecond counts as one, and a time over 24 days as `i32::MAX`. With zero, Envoy waits
    /// without limit.
    pub const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Turns off the check of the headers and trailers: for a filter that must send bytes that HTTP
    /// does not allow, or a call without the usual headers. A line feed in a value ends the
    /// header's line. The bytes after it become a header, or a request, of their own.
    pub const fn unchecked(self) -> Self {
        Self { check: Check::Neither, ..self }
    }

    /// Returns the problem if a header is missing without which no host sends a call, or `None`.
    fn missing(&self) -> Option<&'static &'static str>
    where
        N: AsRef<[u8]>,
    {
        let found = self.headers.iter().fold(0_u8, |found, (name, _)| found | required(name.as_ref()));
        MISSING.get(usize::from(found)).copied().flatten()
    }

    /// Returns the failure for an error of the host. Envoy has one status for every fault of a
    /// call. If no header is missing, the cluster is the fault.
    #[cfg(feature = "async")]
    pub(crate) fn refused(&self, error: Error) -> CallFailure
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

    /// Sends the call for a context.
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
        if self.check == Check::Both {
            for (name, value) in self.headers {
                if let Some(problem) = framing_problem(name.as_ref(), value.as_ref(), Some(self.body.len())) {
                    return Err(Error::not_asked(&HEADER, name.as_ref(), problem));
                }
            }
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

/// The texts about the missing header of a call, by the bits that [`required`] returns for its
/// headers.
const MISSING: [Option<&&str>; 8] = {
    const METHOD: Option<&&str> = Some(&"the header :method is missing");
    const PATH: Option<&&str> = Some(&"the header :path is missing");
    const AUTHORITY: Option<&&str> = Some(&"the header :authority is missing");
    [METHOD, PATH, METHOD, AUTHORITY, METHOD, PATH, METHOD, None]
};

/// Returns the bit of a header that a call needs: 1 for `:method`, 2 for `:path`, 4 for
/// `:authority` or `host`. Returns 0 for other headers.
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

/// The response to a call, or the report that there is none. It can be read in its callback only.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(response: &CallResponse) -> Result<()> {
///     if response.failed() {
///         warn!("no response: {:?}", response.failure());
///         return Ok(());
///     }
///     info!("{} bytes, {} trailers", response.body_size(), response.trailers_len());
///     Ok(())
/// }
/// # sluicegate_host::example::response(example);
/// ```
#[derive(Debug)]
pub struct CallResponse {
    pub(crate) token: u32,
    pub(crate) headers: u32,
    pub(crate) body_size: usize,
    pub(crate) trailers: u32,
}

impl CallResponse {
    /// Returns the number of the call.
    #[must_use]
    pub const fn token(&self) -> CallToken {
        CallToken(self.token)
    }

    /// Returns whether the call got no response, because it timed out or its connection broke.
    /// [`failure`](Self::failure) returns the reason.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.headers == 0
    }

    /// Returns the reason for which a call failed, as the host's status and text, or `None` if the
    /// call has a response.
    ///
    /// A host may be unable to give the reason, because it has no `proxy_get_status` or no memory
    /// for the text. Then the status with which the host refused is returned, for example
    /// [`Status::Unimplemented`], and no text. The call has failed in this case too.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(response: &CallResponse) -> Result<()> {
    ///     if let Some((status, text)) = response.failure() {
    ///         warn!("{}: {}", status.text(), ByteStr::new(&text).display());
    ///     }
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::response(example);
    /// ```
    ///
    /// # Cost
    ///
    /// One host call and a block for the text. Nothing if there is a response.
    #[must_use]
    pub fn failure(&self) -> Option<(Status, HostBytes)> {
        self.failed().then(|| match call::status() {
            Ok((code, text)) => (Status::from(code), text),
            Err(Refused::Status(status)) => (status, HostBytes::EMPTY),
            Err(_) => (Status::InternalFailure, HostBytes::EMPTY),
        })
    }

    /// Returns the response's headers. The map is empty if the call failed.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(response: &CallResponse) -> Result<()> {
    ///     let headers = response.headers()?;
    ///     assert_eq!(headers.get("x-user"), Some(ByteStr::from("ada")));
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::response(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, if the host sends bytes that are not a header map, or if the SDK
    /// is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias(
        "GetHttpCallResponseHeaders",
        "get_http_call_response_headers",
        "get_http_call_response_headers_bytes",
        "get_http_call_response_header",
        "get_http_call_response_header_bytes"
    ))]
    pub fn headers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpCallResponseHeaders)
    }

    /// Returns the size of the body in bytes.
    #[must_use]
    pub const fn body_size(&self) -> usize {
        self.body_size
    }

    /// Returns the response's body, which is empty if there is none.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(response: &CallResponse) -> Result<()> {
    ///     let body = response.body()?;
    ///     assert_eq!(&*body, b"{}");
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::response(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call and one block, which the host allocates, for each call.
    #[doc(alias("GetHttpCallResponseBody", "get_http_call_response_body"))]
    pub fn body(&self) -> Result<HostBytes> {
        self.body_part(0, WHOLE)
    }

    /// Returns a part of the response's body: at most `size` bytes from `start` on. Returns no
    /// bytes if there are none at `start`.
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

    /// Returns the number of trailers.
    #[must_use]
    pub const fn trailers_len(&self) -> u32 {
        self.trailers
    }

    /// Returns the response's trailers. The map is empty if there are none.
    ///
    /// # Errors
    ///
    /// Fails as [`headers`](Self::headers) does.
    ///
    /// # Cost
    ///
    /// The cost of [`headers`](Self::headers).
    #[doc(alias(
        "GetHttpCallResponseTrailers",
        "get_http_call_response_trailers",
        "get_http_call_response_trailers_bytes",
        "get_http_call_response_trailer",
        "get_http_call_response_trailer_bytes"
    ))]
    pub fn trailers(&self) -> Result<HeaderMap> {
        fetch(MapType::HttpCallResponseTrailers)
    }
}

/// The response to a call that a task awaited. It is read whole, and stays valid as long as it is
/// kept.
///
/// ```
/// # use sluicegate::prelude::*;
/// async fn user(call: HttpCall<'_>) -> Result<Option<u16>, CallFailure> {
///     let answer = call.send().await?;
///     info!("{} bytes", answer.body().len());
///     Ok(answer.status())
/// }
/// ```
#[cfg(feature = "async")]
#[derive(Debug)]
pub struct Answer {
    headers: HeaderMap,
    body: HostBytes,
    trailers: Option<HeaderMap>,
}

#[cfg(feature = "async")]
impl Answer {
    pub(crate) fn read(response: &CallResponse) -> Result<Self, CallFailure> {
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

    /// Returns the HTTP status, or `None` if the response has none, or one that is not a number.
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

    /// Returns the trailers, or `None` if there are none.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }
}
