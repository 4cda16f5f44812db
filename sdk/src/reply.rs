//! Answers from the filter itself, instead of from the upstream.

use crate::abi::call;
use crate::error::{Error, On, Result};
use crate::headers::encode;

/// An answer that the filter gives the client: status, headers, body.
///
/// ```
/// # use sluicegate::LocalResponse;
/// LocalResponse::new(403).headers(&[("powered-by", "sluicegate")]).body("access forbidden");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is sent before `reply`"]
pub struct LocalResponse<'a> {
    status: u32,
    headers: &'a [(&'a str, &'a str)],
    body: &'a [u8],
    details: &'a [u8],
    grpc_status: i32,
}

impl<'a> LocalResponse<'a> {
    /// An answer with this HTTP status, without headers and body.
    pub const fn new(status: u16) -> Self {
        Self { status: status as u32, headers: &[], body: &[], details: &[], grpc_status: -1 }
    }

    /// The headers. The proxy adds `content-length`, `content-type`, `date` and `server` where they are missing.
    pub const fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// The body.
    pub fn body(self, body: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { body: body.as_ref(), ..self }
    }

    /// What the proxy shows as the response code's details (`%RESPONSE_CODE_DETAILS%` in Envoy's access log).
    pub const fn details(self, details: &'a str) -> Self {
        Self { details: details.as_bytes(), ..self }
    }

    /// The status for a gRPC client: the proxy answers HTTP 200 with `grpc-status`. Only if the request is gRPC.
    pub const fn grpc_status(self, status: u8) -> Self {
        Self { grpc_status: status as i32, ..self }
    }

    pub(crate) fn send(&self) -> Result<()> {
        let headers;
        let headers: &[u8] = if self.headers.is_empty() {
            &[]
        } else {
            headers = encode(self.headers)?;
            &headers
        };
        call::send_local_response(self.status, self.details, self.body, headers, self.grpc_status)
            .map_err(|status| Error::host("proxy_send_local_response", On::Nothing, status))
    }
}
