//! Asks another service about each request, and decides by its response. The hash of a random id in
//! the response decides here, which is chance.

use std::time::Duration;

use sluicegate::prelude::*;

/// The cluster of the service.
const CLUSTER: &str = "httpbin";
const TIMEOUT: Duration = Duration::from_secs(50);

/// The headers that give the length of a body. The call has no body, and the service would wait for
/// one.
const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

#[derive(Default)]
struct HttpAuthRandom;

// An error in a callback is logged, and the filter replies with 500: `FailurePolicy::Closed` is the
// default. A request that was not granted does not pass.
#[sluicegate::http_filter]
impl HttpFilter for HttpAuthRandom {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let headers = request.snapshot().inspect_err(|error| critical!("failed to get request headers: {error}"))?;
        for (name, value) in headers {
            info!("request header: {}: {}", name.display(), value.display());
        }
        let same: Vec<_> = headers.iter().filter(|(name, _)| !FRAMING.iter().any(|framing| name == framing)).collect();
        let call = HttpCall::new(CLUSTER).headers(&same).timeout(TIMEOUT);
        request.call(&call).inspect_err(|error| critical!("dispatch httpcall failed: {error}"))?;
        info!("http call dispatched to {CLUSTER}");
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
        if response.failed() {
            return Err(Error::new("no answer about this request"));
        }
        let headers = response.headers().inspect_err(|error| critical!("failed to get response headers: {error}"))?;
        for (name, value) in &headers {
            info!("response header from {CLUSTER}: {}: {}", name.display(), value.display());
        }
        let body = response.body().inspect_err(|error| critical!("failed to get response body: {error}"))?;
        if fnv1a(&body).is_multiple_of(2) {
            info!("access granted");
            return stream.resume_request();
        }
        info!("access forbidden");
        let headers = [("powered-by", "sluicegate!!")];
        let forbidden = LocalResponse::new(403).headers(&headers).body("access forbidden");
        stream.reply(&forbidden).inspect_err(|error| error!("failed to send local response: {error}"))
    }
}

/// Returns the 32-bit hash of Fowler, Noll and Vo, variant 1a.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

sluicegate::plugin!(http: HttpAuthRandom);

#[cfg(test)]
mod tests;
