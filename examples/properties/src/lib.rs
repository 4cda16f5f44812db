//! Demands the header that the route's metadata names, and replies with 401 to a request without
//! it.

use sluicegate::prelude::*;
use sluicegate::property::{self, Property};

/// The path at which the route names the header.
const AUTH: [&str; 5] = ["xds", "route_metadata", "filter_metadata", "envoy.filters.http.wasm", "auth"];

/// The gRPC status of a client that did not authenticate.
const UNAUTHENTICATED: u8 = 16;

#[derive(Default)]
struct Properties;

// An error in a callback is logged, and the filter replies with 500. A request that the filter
// could not decide about does not pass.
#[sluicegate::http_filter]
impl HttpFilter for Properties {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let auth = auth().inspect_err(|error| critical!("failed to read properties: {error}"))?;
        let Some(auth) = auth else {
            info!("no auth header for route");
            return Ok(Action::Continue);
        };
        info!("auth header is \"{}\"", auth.text().display());
        let headers = request.snapshot().inspect_err(|error| critical!("failed to get request headers: {error}"))?;
        if headers.contains(&*auth) {
            return Ok(Action::Continue);
        }
        request.reply(&LocalResponse::new(401).grpc_status(UNAUTHENTICATED))
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        info!("{} finished", stream.id());
        Ok(())
    }
}

/// Returns the name of the header. The path is the one that Envoy has since 1.33, or else the one
/// before.
fn auth() -> Result<Option<Property>> {
    match property::get(&AUTH)? {
        None => property::get(&AUTH[1..]),
        found => Ok(found),
    }
}

sluicegate::plugin!(http: Properties);

#[cfg(test)]
mod tests;
