//! Single HTTP requests, for tests and the admin interface: blocking, over a connection of their
//! own.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ureq::http::Request;

/// After this long, a request has failed.
const TIMEOUT: Duration = Duration::from_secs(15);

/// A response, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers of this name, in their order.
    pub fn headers_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(of, _)| of.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Sends one request and reads the whole response. Redirects are not followed, and no status is an
/// error.
///
/// # Errors
///
/// When there is no answer, or none within 15 seconds, and for a body with a method that has none.
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
