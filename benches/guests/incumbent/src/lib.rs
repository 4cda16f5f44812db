//! The benchmark job on the crate `proxy-wasm`, written as the documentation and the examples of
//! the crate show.
//!
//! The job: in the callback for request headers, read all of them, sum the lengths of names and
//! values, and set `x-total-bytes` to the sum in decimal. In the callback for response headers, add
//! `x-filter: 1`.
//!
//! With one of the features `alloc-*` the filter runs on an allocator of this repository, and logs
//! the figures of the allocator. A native build is empty.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, missing_docs, reason = "`main!` of proxy-wasm exports its start-up function")]

#[cfg(feature = "allocator")]
sluicegate_alloc::install!();

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Filter) });
}}

struct Filter;

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        let total: usize = self.get_http_request_headers().iter().map(|(name, value)| name.len() + value.len()).sum();
        self.set_http_request_header("x-total-bytes", Some(&total.to_string()));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _headers: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-filter", "1");
        Action::Continue
    }
    #[cfg(feature = "allocator")]
    fn on_log(&mut self) {
        let line = format!("{}: {}", sluicegate_alloc::SELECTED_LINE.unwrap_or_default(), sluicegate_alloc::snapshot());
        let _ = proxy_wasm::hostcalls::log(LogLevel::Info, &line);
    }
}
