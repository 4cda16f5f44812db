//! The interpreter on `proxy-wasm`.
#![allow(unsafe_code, missing_docs, reason = "`main!` exports the start function")]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, LogLevel, MapType};

use crate::program::{HEADER, Operations, run};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Interpreter::default()) });
}}

#[derive(Default)]
struct Interpreter {
    program: String,
    trace: String,
}

/// The maps and buffers of a callback.
struct Host(MapType, BufferType);

impl Operations for Host {
    fn add(&mut self, name: &str, value: &str) {
        let _ = hostcalls::add_map_value(self.0, name, value);
    }

    fn replace(&mut self, name: &str, value: &str) {
        let _ = hostcalls::set_map_value(self.0, name, Some(value));
    }

    fn remove(&mut self, name: &str) {
        let _ = hostcalls::remove_map_value(self.0, name);
    }

    fn get(&mut self, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(self.0, name).ok().flatten()
    }

    fn pairs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = hostcalls::get_map_bytes(self.0).unwrap_or_default();
        pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect()
    }

    fn property(&mut self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn set_property(&mut self, name: &str, value: &str) {
        let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    }

    fn body(&mut self) -> Vec<u8> {
        hostcalls::get_buffer(self.1, 0, usize::MAX >> 1).ok().flatten().unwrap_or_default()
    }

    fn append(&mut self, text: &str) {
        let _ = hostcalls::set_buffer(self.1, usize::MAX >> 1, 0, text.as_bytes());
    }

    fn prepend(&mut self, text: &str) {
        let _ = hostcalls::set_buffer(self.1, 0, 0, text.as_bytes());
    }

    fn replace_body(&mut self, text: &str) {
        let _ = hostcalls::set_buffer(self.1, 0, usize::MAX >> 1, text.as_bytes());
    }

    fn reply(&mut self, status: u32, body: &str) {
        let body = (!body.is_empty()).then_some(body.as_bytes());
        let _ = hostcalls::send_http_response(status, Vec::new(), body);
    }
}

impl Interpreter {
    fn run(&mut self, callback: &str, host: &mut Host) -> Action {
        let replied = run(&self.program, callback, &mut self.trace, host);
        if replied { Action::Pause } else { Action::Continue }
    }
}

impl Context for Interpreter {}

impl HttpContext for Interpreter {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.program = self.get_http_request_header(HEADER).unwrap_or_default();
        self.run("q", &mut Host(MapType::HttpRequestHeaders, BufferType::HttpRequestBody))
    }

    fn on_http_request_body(&mut self, _: usize, _: bool) -> Action {
        self.run("b", &mut Host(MapType::HttpRequestHeaders, BufferType::HttpRequestBody))
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let action = self.run("h", &mut Host(MapType::HttpResponseHeaders, BufferType::HttpResponseBody));
        if action == Action::Continue {
            self.add_http_response_header("x-trace", &self.trace);
        }
        action
    }

    fn on_http_response_body(&mut self, _: usize, _: bool) -> Action {
        self.run("c", &mut Host(MapType::HttpResponseHeaders, BufferType::HttpResponseBody))
    }
}
