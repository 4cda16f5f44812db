//! What the example `upload_budget` does, on the incumbent SDK, the `proxy-wasm` crate, written the
//! way its examples show: the body is held back until it is complete, read as a whole, and goes on
//! with its checksum in a header of the response. The incumbent has no budgets.
//!
//! Natively it is empty.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "the incumbent's `main!` exports its start-up function")]

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Upload { checksum: None }) });
}}

struct Upload {
    checksum: Option<u64>,
}

impl Context for Upload {}

impl HttpContext for Upload {
    fn on_http_request_headers(&mut self, _headers: usize, end_of_stream: bool) -> Action {
        if end_of_stream { Action::Continue } else { Action::Pause }
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream {
            return Action::Pause;
        }
        if let Some(body) = self.get_http_request_body(0, size) {
            // FNV-1a.
            let sum = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3_u64);
            self.checksum = Some(body.iter().fold(0xcbf2_9ce4_8422_2325, sum));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        if let Some(checksum) = self.checksum {
            self.add_http_response_header("x-checksum", &checksum.to_string());
        }
        Action::Continue
    }
}
