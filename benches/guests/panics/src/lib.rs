//! A filter that panics when it is asked to: what the proxy's log then says.
#![cfg_attr(not(feature = "std"), no_std)]

use sluicegate::prelude::*;

#[derive(Default)]
struct Panics;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Panics {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        if request.get("x-panic")?.is_some() {
            panic!("asked for by stream {}", request.id());
        }
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Panics);
#[cfg(not(feature = "std"))]
sluicegate::panic_handler!();
