//! Asks a gRPC service about each request before the request goes on: `auth.v1.Auth/Check`, with
//! the request's path.
//!
//! The two messages are small enough to be written and read by hand:
//!
//! ```protobuf
//! message Question { string path = 1; }
//! message Answer { bool allowed = 1; }
//! ```

mod message;

use std::time::Duration;

use sluicegate::prelude::*;

/// The cluster of the service.
const CLUSTER: &str = "auth";
const TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Default)]
struct GrpcUnary;

// After an error the filter replies with 500. A request that was not allowed does not pass.
#[sluicegate::http_filter]
impl HttpFilter for GrpcUnary {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let path = request.get(":path")?.unwrap_or_default().to_str().map_err(Error::other)?;
        let question = message::question(path);
        let metadata = [("x-request-path", path)];
        let call =
            GrpcCall::new(CLUSTER, "auth.v1.Auth", "Check").metadata(&metadata).message(&question).timeout(TIMEOUT);
        request.stream().grpc_call(&call)?;
        Ok(Action::Pause)
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_>, event: &GrpcEvent) -> Result<()> {
        match event.kind() {
            GrpcEventKind::Message(_) if message::allowed(&event.message()?) => {
                info!("allowed");
                stream.resume_request()
            }
            GrpcEventKind::Message(_) => {
                info!("forbidden");
                stream.reply(&LocalResponse::new(403).body("forbidden\n"))
            }
            GrpcEventKind::Closed(status) => {
                warn!("no answer: gRPC status {status}, {}", ByteStr::new(&event.status_text()?).display());
                stream.reply(&LocalResponse::new(503).body("no answer\n"))
            }
            _ => Ok(()), // metadata
        }
    }
}

sluicegate::plugin!(http: GrpcUnary);

#[cfg(test)]
mod tests;
