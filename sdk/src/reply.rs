//! Local replies: responses from the filter itself, instead of from the upstream.

use crate::abi::call;
use crate::error::{Call, Error, Result, Subject};
use crate::headers::{Check, encode, framing_problem, printable};
use crate::stream_state;

const HEADER: Call = Call { function: "proxy_send_local_response", about: "header" };

/// A local reply, which the filter sends to the client: status, headers and body.
///
/// ```
/// # use sluicegate::LocalResponse;
/// LocalResponse::new(403).headers(&[("powered-by", "sluicegate")]).body("access forbidden");
/// LocalResponse::new(200).headers(&[(&b"x-bytes"[..], &b"\xff"[..])]).grpc_status(7).details("denied by policy");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `reply`"]
pub struct LocalResponse<'a, N = &'a str, V = &'a str> {
    status: u32,
    headers: &'a [(N, V)],
    body: &'a [u8],
    details: &'a [u8],
    grpc_status: i32,
    check: Check,
}

impl<'a> LocalResponse<'a> {
    /// Returns a local reply with this HTTP status, without headers and body. The status must be
    /// from 200 to 599, which end a request: with another status, sending the reply fails.
    pub const fn new(status: u16) -> Self {
        Self { status: status as u32, headers: &[], body: &[], details: &[], grpc_status: -1, check: Check::Both }
    }
}

impl<'a, N, V> LocalResponse<'a, N, V> {
    /// Sets the headers, as text, as bytes, or as the views of a snapshot. The proxy adds
    /// `content-length`, `content-type`, `date` and `server` if they are missing.
    ///
    /// The proxy decides how the response is framed. So sending the reply fails if there is a
    /// pseudo-header, a `transfer-encoding`, or a `content-length` that is not that of the body.
    pub const fn headers<N2, V2>(self, headers: &'a [(N2, V2)]) -> LocalResponse<'a, N2, V2> {
        let Self { status, headers: _, body, details, grpc_status, check } = self;
        LocalResponse { status, headers, body, details, grpc_status, check }
    }

    /// Sets the body. The proxy leaves the body out in a response to `HEAD`. A response with status
    /// 204 or 304 has no body. Sending the reply fails if it has one, because the client would take
    /// the body for the next response.
    pub fn body(self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { body: body.as_ref(), ..self }
    }

    /// Sets the details of the response code, which the proxy shows (`%RESPONSE_CODE_DETAILS%` in
    /// Envoy's access log). Sending the reply fails if the details have a control byte other than
    /// the tab: a line feed would forge a line of the log.
    pub fn details(self, details: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { details: details.as_ref(), ..self }
    }

    /// Sets the status for a gRPC client. If the request is gRPC, the proxy sends HTTP 200 with
    /// `grpc-status`. Otherwise this has no effect.
    #[doc(alias = "send_grpc_response")]
    pub const fn grpc_status(self, status: u8) -> Self {
        Self { grpc_status: status as i32, ..self }
    }

    /// Turns off the check of the headers and the details, including that of their framing: for a
    /// filter that must send bytes that HTTP does not allow. A line feed in a value ends the
    /// header's line. The bytes after it become a header, or a message, of their own.
    pub const fn unchecked(self) -> Self {
        Self { check: Check::Neither, ..self }
    }

    /// Sends the reply to the stream that host calls act on.
    ///
    /// # Errors
    ///
    /// Fails without a host call if there is no stream, if the stream has ended, was replied to
    /// before or is a connection, if the callback that runs has resumed its response, or if the
    /// reply is not valid. Fails if the headers are over the host's limits, if the SDK is out of
    /// memory, or if the host refuses.
    pub(crate) fn send(&self) -> Result<()>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        stream_state::current(|state| {
            let state = state.ok_or(Error::new("there is no stream to reply to"))?;
            state.may_reply_now()?;
            if state.is_connection() {
                return Err(Error::new("a connection has no HTTP reply: close the connection instead"));
            }
            self.send_now()?;
            state.replied();
            Ok(())
        })
    }

    /// Sends the reply, whatever the state of the stream.
    ///
    /// # Errors
    ///
    /// Fails without a host call if the reply is not valid. Fails if the headers are over the
    /// host's limits, if the SDK is out of memory, or if the host refuses.
    pub(crate) fn send_now(&self) -> Result<()>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let status = self.status;
        if !(200..600).contains(&status) {
            return Err(Error::invalid(Subject::Reply(status), "a local reply has a status of 200 to 599"));
        }
        if matches!(status, 204 | 304) && !self.body.is_empty() {
            return Err(Error::invalid(Subject::Reply(status), "a local reply with this status has no body"));
        }
        let within = |error: Error| error.within(&HEADER.function);
        if self.check == Check::Both {
            // The length of the resource that a 304 stands for is not that of the response.
            let body = (status != 304).then_some(self.body.len());
            for (name, value) in self.headers {
                check_framing(name.as_ref(), value.as_ref(), body)?;
            }
            printable(&"details", b"", self.details).map_err(within)?;
        }
        let headers;
        let headers: &[u8] = if self.headers.is_empty() {
            &[]
        } else {
            headers = encode(self.headers, self.check).map_err(within)?;
            &headers
        };
        call::send_local_response(self.status, self.details, self.body, headers, self.grpc_status)
            .map_err(|status| Error::host("proxy_send_local_response", Subject::Reply(self.status), status))
    }
}

/// Checks a header that would decide how the response is framed.
///
/// # Errors
///
/// Fails if the header is a pseudo-header or `transfer-encoding`, or if `content-length` is not
/// that of the body.
fn check_framing(name: &[u8], value: &[u8], body: Option<usize>) -> Result<()> {
    let problem = if name.starts_with(b":") {
        Some(&"a local reply has no pseudo-headers")
    } else {
        framing_problem(name, value, body)
    };
    problem.map_or(Ok(()), |problem| Err(Error::not_asked(&HEADER, name, problem)))
}
