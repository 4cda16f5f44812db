//! Answers from the filter itself, instead of from the upstream.

use crate::abi::call;
use crate::error::{Call, Error, On, Result};
use crate::headers::{Check, encode, printable};
use crate::stream_state;

const HEADER: Call = Call { function: "proxy_send_local_response", about: "header" };

/// An answer that the filter gives the client: status, headers, body.
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
    /// Returns an answer with this HTTP status, without headers and body. The status is one that
    /// ends a request: 200 to 599.
    pub const fn new(status: u16) -> Self {
        Self { status: status as u32, headers: &[], body: &[], details: &[], grpc_status: -1, check: Check::Both }
    }
}

impl<'a, N, V> LocalResponse<'a, N, V> {
    /// Returns the headers, as text, as bytes, or as the views of a snapshot. The proxy adds
    /// `content-length`, `content-type`, `date` and `server` where they are missing.
    ///
    /// How the answer is framed is the proxy's to say: a pseudo-header, a `transfer-encoding`, or a
    /// `content-length` that is not the body's is an error.
    pub const fn headers<N2, V2>(self, headers: &'a [(N2, V2)]) -> LocalResponse<'a, N2, V2> {
        let Self { status, headers: _, body, details, grpc_status, check } = self;
        LocalResponse { status, headers, body, details, grpc_status, check }
    }

    /// Returns the body. The proxy leaves it out in an answer to `HEAD`. An answer of 204 or 304
    /// has none: with one it is an error, because the client would take the body for the next
    /// answer.
    pub fn body(self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { body: body.as_ref(), ..self }
    }

    /// What the proxy shows as the response code's details (`%RESPONSE_CODE_DETAILS%` in Envoy's
    /// access log). A control byte but the tab is an error: a line feed would forge a line of the
    /// log.
    pub fn details(self, details: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { details: details.as_ref(), ..self }
    }

    /// Returns the status for a gRPC client: the proxy answers HTTP 200 with `grpc-status`. Only if
    /// the request is gRPC.
    pub const fn grpc_status(self, status: u8) -> Self {
        Self { grpc_status: status as i32, ..self }
    }

    /// Leaves the headers and the details as they are, whatever bytes they have and whatever the
    /// headers say about the body: for a filter that must send what is not HTTP. A value with a
    /// line feed ends its line, and what follows it is a header, or a message, of its own.
    pub const fn unchecked(self) -> Self {
        Self { check: Check::Neither, ..self }
    }

    /// Sends it, if the stream that host calls act on can be answered: it is open, and was not
    /// answered before.
    pub(crate) fn send(&self) -> Result<()>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        stream_state::current(|state| {
            let state = state.ok_or(Error::new("there is no stream to answer"))?;
            state.may_reply()?;
            if state.is_connection() {
                return Err(Error::new("a connection has no answer of HTTP: close it"));
            }
            self.send_now()?;
            state.replied();
            Ok(())
        })
    }

    /// Sends it, whatever became of the stream.
    pub(crate) fn send_now(&self) -> Result<()>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let status = self.status;
        if !(200..600).contains(&status) {
            return Err(Error::invalid(On::Reply(status), "an answer has a status of 200 to 599"));
        }
        if matches!(status, 204 | 304) && !self.body.is_empty() {
            return Err(Error::invalid(On::Reply(status), "an answer of this status has no body"));
        }
        let within = |error: Error| error.within(&HEADER.function);
        if self.check == Check::Both {
            for (name, value) in self.headers {
                // The length of what a 304 stands for is not that of the answer.
                check_framing(name.as_ref(), value.as_ref(), self.body.len(), status == 304)?;
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
            .map_err(|status| Error::host("proxy_send_local_response", On::Reply(self.status), status))
    }
}

/// Looks at a header that would say how the answer is framed.
#[inline(never)]
fn check_framing(name: &[u8], value: &[u8], body: usize, any_length: bool) -> Result<()> {
    let problem: &'static &'static str = match name.len() {
        _ if name.starts_with(b":") => &"an answer's headers have no pseudo-header",
        14 if name.eq_ignore_ascii_case(b"content-length") => {
            if any_length || number(value) == Some(body) {
                return Ok(());
            }
            &"the length is not that of the body"
        }
        17 if name.eq_ignore_ascii_case(b"transfer-encoding") => &"how an answer is framed is the proxy's to say",
        _ => return Ok(()),
    };
    Err(Error::not_asked(&HEADER, name, problem))
}

/// Reads a number of decimal digits.
fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(usize::from(digit))
    })
}
