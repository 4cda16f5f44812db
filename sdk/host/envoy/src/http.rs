//! Single HTTP requests, for tests and the admin interface. They block, and each has its own
//! connection.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ureq::http::Request;

/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A response with any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in order, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the first value of `name`, or `None` if the response has no such header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns all values of `name`, in order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the body as text. Bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Sends one request and reads the whole response. Redirects are not followed. No status is an
/// error.
///
/// # Errors
///
/// Fails if there is no response within 15 seconds, and for a body with a method that has none.
pub fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
    let bodiless = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "TRACE"].contains(&method);
    ensure!(body.is_empty() || !bodiless, "a {method} request has no body");
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .proxy(None)
        .timeout_global(Some(TIMEOUT))
        .build()
        .new_agent();
    let failed = || format!("{method} {url} failed");
    let request = headers
        .iter()
        .fold(Request::builder().method(method).uri(url), |request, (name, value)| request.header(*name, *value));
    let sent = if body.is_empty() {
        agent.run(request.body(()).with_context(failed)?)
    } else {
        agent.run(request.body(body).with_context(failed)?)
    };
    let mut response = sent.with_context(failed)?;
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec().with_context(failed)?;
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    Ok(Response { status: response.status().as_u16(), headers: headers.collect(), body })
}
