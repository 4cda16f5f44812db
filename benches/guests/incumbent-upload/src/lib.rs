//! The job of the example `upload_budget` on the crate `proxy-wasm`, written as the examples of the
//! crate show. The filter holds the body until it is complete, and reads it as a whole. Then the
//! body goes on, and its checksum goes into a header of the response. `proxy-wasm` has no budgets.
//!
//! A native build is empty.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "`main!` of proxy-wasm exports its start-up function")]

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
