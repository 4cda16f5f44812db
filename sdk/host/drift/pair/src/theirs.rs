//! The interpreter on `proxy-wasm`.
#![allow(unsafe_code, missing_docs, reason = "`main!` exports the start function")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, LogLevel, MapType};

use crate::program::{Called, HEADER, Map, Operations, SERVICE, TICK};
use crate::stream::{self, Arguments};

type Stream = stream::Stream<u32>;

/// The timeout of the service, which never takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Plugin) });
    proxy_wasm::set_http_context(|id, _| -> Box<dyn HttpContext> { Box::new(Filter { id, stream: Rc::default() }) });
}}

thread_local! {
    /// The streams that are open, and whether the next tick is theirs.
    static STREAMS: RefCell<BTreeMap<u32, Rc<RefCell<Stream>>>> = const { RefCell::new(BTreeMap::new()) };
    static TICKS: Cell<bool> = const { Cell::new(false) };
    /// `true` if programs see complete bodies.
    static WHOLE: Cell<bool> = const { Cell::new(false) };
}

struct Plugin;

impl Context for Plugin {}

impl RootContext for Plugin {
    fn on_configure(&mut self, _: usize) -> bool {
        self.set_tick_period(Duration::from_millis(2));
        WHOLE.set(self.get_property(vec!["plugin_root_id"]).is_some_and(|root_id| root_id == b"whole"));
        true
    }

    fn on_tick(&mut self) {
        if !TICKS.take() {
            return;
        }
        let streams =
            STREAMS.with_borrow(|streams| streams.iter().map(|(id, of)| (*id, of.clone())).collect::<Vec<_>>());
        for (id, stream) in streams {
            if hostcalls::set_effective_context(id).is_ok() {
                let mut host = Host::BETWEEN;
                stream.borrow_mut().tick(&mut host, log);
            }
        }
    }
}

struct Filter {
    id: u32,
    stream: Rc<RefCell<Stream>>,
}

fn log(line: &str) {
    let _ = hostcalls::log(LogLevel::Info, line);
}

/// The map that a callback is about, and the body.
struct Host {
    own: MapType,
    body: BufferType,
    /// `true` if there is a body to write into: the SDK panics otherwise.
    writes: bool,
}

impl Host {
    const REQUEST: Self = Self { own: MapType::HttpRequestHeaders, body: BufferType::HttpRequestBody, writes: true };
    const RESPONSE: Self = Self { own: MapType::HttpResponseHeaders, body: BufferType::HttpResponseBody, writes: true };
    const REQUEST_TRAILERS: Self = Self { own: MapType::HttpRequestTrailers, ..Self::REQUEST };
    const RESPONSE_TRAILERS: Self = Self { own: MapType::HttpResponseTrailers, ..Self::RESPONSE };
    const BETWEEN: Self =
        Self { own: MapType::HttpCallResponseHeaders, body: BufferType::HttpCallResponseBody, writes: true };

    fn map(&self, map: Map) -> MapType {
        match map {
            Map::Own => self.own,
            Map::Headers(0) => MapType::HttpRequestHeaders,
            Map::Headers(_) => MapType::HttpResponseHeaders,
            Map::Trailers(0) => MapType::HttpRequestTrailers,
            Map::Trailers(_) => MapType::HttpResponseTrailers,
            Map::AnswerTrailers => MapType::HttpCallResponseTrailers,
        }
    }
}

impl Host {
    fn write(&self, start: usize, size: usize, bytes: &[u8]) {
        if self.writes {
            let _ = hostcalls::set_buffer(self.body, start, size, bytes);
        }
    }
}

impl Operations for Host {
    type Token = u32;

    fn add(&mut self, map: Map, name: &str, value: &str) {
        let _ = hostcalls::add_map_value(self.map(map), name, value);
    }

    fn replace(&mut self, map: Map, name: &str, value: &str) {
        let _ = hostcalls::set_map_value(self.map(map), name, Some(value));
    }

    fn remove(&mut self, map: Map, name: &str) {
        let _ = hostcalls::remove_map_value(self.map(map), name);
    }

    fn get(&mut self, map: Map, name: &str) -> Option<Vec<u8>> {
        hostcalls::get_map_value_bytes(self.map(map), name).ok().flatten()
    }

    fn pairs(&mut self, map: Map) -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = hostcalls::get_map_bytes(self.map(map)).unwrap_or_default();
        pairs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect()
    }

    fn property(&mut self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn set_property(&mut self, name: &str, value: &str) {
        let _ = hostcalls::set_property(vec![name], Some(value.as_bytes()));
    }

    fn body(&mut self, start: usize, size: usize) -> Vec<u8> {
        hostcalls::get_buffer(self.body, start, size).ok().flatten().unwrap_or_default()
    }

    fn append(&mut self, text: &str) {
        self.write(usize::MAX >> 1, 0, text.as_bytes());
    }

    fn prepend(&mut self, text: &str) {
        self.write(0, 0, text.as_bytes());
    }

    fn replace_body(&mut self, text: &str) {
        self.write(0, usize::MAX >> 1, text.as_bytes());
    }

    fn replace_start(&mut self, size: usize, text: &str) {
        self.write(0, size, text.as_bytes());
    }

    fn reply(&mut self, status: u32, body: &str) {
        let body = (!body.is_empty()).then_some(body.as_bytes());
        let _ = hostcalls::send_http_response(status, vec![("x-reply", "1")], body);
    }

    fn call(&mut self, number: u32, _: bool) -> Called<u32> {
        let path = format!("/{number}");
        let headers = vec![(":method", "POST"), (":path", &*path), (":authority", SERVICE)];
        let trailers = vec![("x-tail", "of-call")];
        match hostcalls::dispatch_http_call(SERVICE, headers, Some(b"question"), trailers, PATIENCE) {
            Ok(token) => Called::Sent(token),
            Err(_) => Called::Refused,
        }
    }

    fn resume(&mut self, way: usize, now: bool) {
        if now {
            let _ = if way == 0 { hostcalls::resume_http_request() } else { hostcalls::resume_http_response() };
        }
    }
}

impl Filter {
    fn run(&self, letter: char, way: usize, arguments: Arguments, mut host: Host) -> Action {
        let (stops, ran) = self.stream.borrow_mut().callback(letter, way, arguments, &mut host, log);
        if ran.resumes {
            host.resume(way, true);
        }
        if stops || ran.resumes { Action::Pause } else { Action::Continue }
    }

    /// Lets the headers go on without the length of a body that may change.
    fn announce(ends: bool, host: &Host) {
        if WHOLE.get() && !ends {
            let _ = hostcalls::remove_map_value(host.own, "content-length");
        }
    }

    fn body(&self, letter: char, way: usize, (size, ends): (usize, bool), host: Host) -> Action {
        if !WHOLE.get() {
            return self.run(letter, way, Arguments::message(size, ends), host);
        }
        if ends {
            return self.run(letter, way, Arguments::message(0, true), host);
        }
        let mut stream = self.stream.borrow_mut();
        if stream.repeats(way) {
            return Action::Continue;
        }
        stream.gather(way);
        Action::Pause
    }

    fn trailers(&self, [body, letter]: [char; 2], way: usize, trailers: usize, mut host: Host) -> Action {
        let mut stream = self.stream.borrow_mut();
        if WHOLE.get() && !stream.repeats(way) {
            host.writes = stream.gathers(way);
            stream.whole(body, way, &mut host, log);
        }
        drop(stream);
        self.run(letter, way, Arguments::message(trailers, true), host)
    }
}

impl Context for Filter {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        let mut stream = self.stream.borrow_mut();
        let Some((number, holds)) = stream.answered(&token) else { return };
        let answered = headers != 0;
        let arguments = if answered { Arguments::answer(body, trailers, true) } else { Arguments::default() };
        let mut host = Host::BETWEEN;
        let (freed, _) = stream.answer(number, holds, arguments, &mut host, log);
        if let Some(way) = freed {
            host.resume(way, true);
        }
    }

    fn on_done(&mut self) -> bool {
        STREAMS.with_borrow_mut(|streams| streams.remove(&self.id));
        true
    }
}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, headers: usize, ends: bool) -> Action {
        if self.get_http_request_header(TICK).is_some() {
            TICKS.set(true);
            self.send_http_response(204, Vec::new(), None);
            return Action::Pause;
        }
        self.stream.borrow_mut().load(&self.get_http_request_header(HEADER).unwrap_or_default());
        STREAMS.with_borrow_mut(|streams| streams.insert(self.id, self.stream.clone()));
        Self::announce(ends, &Host::REQUEST);
        self.run('q', 0, Arguments::message(headers, ends), Host::REQUEST)
    }

    fn on_http_request_body(&mut self, size: usize, ends: bool) -> Action {
        self.body('b', 0, (size, ends), Host::REQUEST)
    }

    fn on_http_request_trailers(&mut self, trailers: usize) -> Action {
        self.trailers(['b', 'u'], 0, trailers, Host::REQUEST_TRAILERS)
    }

    fn on_http_response_headers(&mut self, headers: usize, ends: bool) -> Action {
        if self.stream.borrow().is_idle() {
            return Action::Continue;
        }
        Self::announce(ends, &Host::RESPONSE);
        self.run('h', 1, Arguments::message(headers, ends), Host::RESPONSE)
    }

    fn on_http_response_body(&mut self, size: usize, ends: bool) -> Action {
        self.body('c', 1, (size, ends), Host::RESPONSE)
    }

    fn on_http_response_trailers(&mut self, trailers: usize) -> Action {
        self.trailers(['c', 't'], 1, trailers, Host::RESPONSE_TRAILERS)
    }
}
