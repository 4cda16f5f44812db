//! The interpreter on this SDK.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{MapEditor, property};

use crate::program::{Called, HEADER, Map, Operations, Ran, SERVICE, TICK};
use crate::stream::{self, Arguments};

type Stream = stream::Stream<CallToken>;

/// How long the service may take: it never takes so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams that are open, and whether the next tick is theirs.
#[derive(Default)]
struct Plugin {
    streams: RefCell<BTreeMap<u32, Rc<RefCell<Stream>>>>,
    ticks: Cell<bool>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        plugin.set_tick_period(Duration::from_millis(2))?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        if !self.ticks.take() {
            return Ok(());
        }
        for (id, stream) in self.streams.borrow().iter() {
            plugin.with_http_stream(*id, |handle| {
                stream.borrow_mut().tick(&mut OfStream { stream: handle, answer: None }, log);
                Ok(())
            })?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter(Rc<RefCell<Stream>>);

fn log(line: &str) {
    info!("{line}");
}

/// Writes a refusal into the proxy's log, and goes on, as the other SDK does.
fn tell(result: Result<()>) {
    if let Err(error) = result {
        debug!("{error}");
    }
}

fn pairs_of(map: &HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    map.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Sends a call, with everything that a call has.
macro_rules! call {
    ($number:ident, $call:ident => $send:expr) => {{
        let path = format!("/{}", $number);
        let headers = [(":method", "POST"), (":path", &*path), (":authority", SERVICE)];
        let $call = HttpCall::new(SERVICE)
            .headers(&headers)
            .body("question")
            .trailers(&[("x-tail", "of-call")])
            .timeout(PATIENCE);
        $send
    }};
}

/// The operations of one handle, and those that all have.
macro_rules! operations {
    ($name:ident, $handle:ident, { $($operations:tt)* }) => {
        struct $name<'a, 'cb>(&'a mut $handle<'cb, Plugin>);

        impl Operations for $name<'_, '_> {
            type Token = CallToken;

            $($operations)*

            fn property(&mut self, path: &[&str]) -> Option<Vec<u8>> {
                property_of(path)
            }

            fn set_property(&mut self, name: &str, value: &str) {
                tell(property::set(&[name], value));
            }

            fn reply(&mut self, status: u32, body: &str) {
                tell(self.0.stream().reply(&reply(status).body(body)));
            }

            fn resume(&mut self, way: usize, _: bool) {
                tell(resume(self.0.stream(), way));
            }
        }
    };
}

/// A call whose answer comes to the callback, and one that holds the callback's direction until its
/// closure has run.
macro_rules! calls {
    ($way:literal) => {
        fn call(&mut self, number: u32, holds: bool) -> Called<CallToken> {
            if !holds {
                return sent(call!(number, call => self.0.stream().call(&call)));
            }
            let judge = move |filter: &mut Filter,
                              stream: &mut HttpHandle<'_, Plugin>,
                              answer: Result<&CallResponse, CallFailure>|
                  -> Result<Action> {
                let ran = filter.answered(number, Some($way), stream, answer.ok());
                Ok(if ran.replied || ran.pauses { Action::Pause } else { Action::Continue })
            };
            match call!(number, call => self.0.hold_for_call(&call, judge)) {
                Ok(_) => Called::Kept,
                Err(error) => {
                    tell(Err(error));
                    Called::Refused
                }
            }
        }
    };
    () => {
        fn call(&mut self, number: u32, _: bool) -> Called<CallToken> {
            sent(call!(number, call => self.0.stream().call(&call)))
        }
    };
}

macro_rules! map {
    ($body:ident) => {
        fn add(&mut self, _: Map, name: &str, value: &str) {
            tell(self.0.add(name, value));
        }

        fn replace(&mut self, _: Map, name: &str, value: &str) {
            tell(self.0.replace(name, value));
        }

        fn remove(&mut self, _: Map, name: &str) {
            tell(self.0.remove(name));
        }

        fn get(&mut self, _: Map, name: &str) -> Option<Vec<u8>> {
            self.0.get(name).ok().flatten().map(|value| value.as_bytes().to_vec())
        }

        fn pairs(&mut self, _: Map) -> Vec<(Vec<u8>, Vec<u8>)> {
            self.0.snapshot().map(pairs_of).unwrap_or_default()
        }

        fn body(&mut self, start: usize, size: usize) -> Vec<u8> {
            let body = self.0.stream().$body().map(|body| body.to_vec()).unwrap_or_default();
            body.into_iter().skip(start).take(size).collect()
        }

        fn append(&mut self, _: &str) {}
        fn prepend(&mut self, _: &str) {}
        fn replace_body(&mut self, _: &str) {}
        fn replace_start(&mut self, _: usize, _: &str) {}
    };
}

macro_rules! body {
    () => {
        fn add(&mut self, _: Map, _: &str, _: &str) {}
        fn replace(&mut self, _: Map, _: &str, _: &str) {}
        fn remove(&mut self, _: Map, _: &str) {}
        fn get(&mut self, _: Map, _: &str) -> Option<Vec<u8>> {
            None
        }
        fn pairs(&mut self, _: Map) -> Vec<(Vec<u8>, Vec<u8>)> {
            Vec::new()
        }

        fn body(&mut self, start: usize, size: usize) -> Vec<u8> {
            self.0.read(start, size).map(|bytes| bytes.to_vec()).unwrap_or_default()
        }

        fn append(&mut self, text: &str) {
            tell(self.0.append(text));
        }

        fn prepend(&mut self, text: &str) {
            tell(self.0.prepend(text));
        }

        fn replace_body(&mut self, text: &str) {
            tell(self.0.replace(text));
        }

        fn replace_start(&mut self, size: usize, text: &str) {
            tell(self.0.replace_start(size, text));
        }
    };
}

operations!(OfRequest, RequestHeaders, {
    map!(request_body);
    calls!(0);
});
operations!(OfResponse, ResponseHeaders, {
    map!(response_body);
    calls!(1);
});
operations!(OfRequestTrailers, RequestTrailers, {
    map!(request_body);
    calls!();
});
operations!(OfResponseTrailers, ResponseTrailers, {
    map!(response_body);
    calls!();
});
operations!(OfRequestBody, RequestBody, {
    body!();
    calls!(0);
});
operations!(OfResponseBody, ResponseBody, {
    body!();
    calls!(1);
});

/// What can be done between a stream's own callbacks: when a call is answered, and when the plugin
/// ticks.
struct OfStream<'a, 'cb, P> {
    stream: &'a HttpHandle<'cb, P>,
    answer: Option<&'a CallResponse>,
}

impl<'cb, P> OfStream<'_, 'cb, P> {
    fn editor(&self, map: Map) -> Option<MapEditor<'cb>> {
        match map {
            Map::Headers(0) => Some(self.stream.edit_request_headers()),
            Map::Headers(_) => Some(self.stream.edit_response_headers()),
            Map::Trailers(0) => Some(self.stream.edit_request_trailers()),
            Map::Trailers(_) => Some(self.stream.edit_response_trailers()),
            // The answer's are not edited.
            Map::Own | Map::AnswerTrailers => None,
        }
    }

    fn read(&self, map: Map) -> Result<HeaderMap> {
        let answer = || self.answer.ok_or(Error::new("there is no answer"));
        match map {
            Map::Headers(0) => self.stream.request_headers(),
            Map::Headers(_) => self.stream.response_headers(),
            Map::Trailers(0) => self.stream.request_trailers(),
            Map::Trailers(_) => self.stream.response_trailers(),
            Map::Own => answer()?.headers(),
            Map::AnswerTrailers => answer()?.trailers(),
        }
    }
}

impl<P> Operations for OfStream<'_, '_, P> {
    type Token = CallToken;

    fn add(&mut self, map: Map, name: &str, value: &str) {
        self.editor(map).into_iter().for_each(|editor| tell(editor.add(name, value)));
    }

    fn replace(&mut self, map: Map, name: &str, value: &str) {
        self.editor(map).into_iter().for_each(|editor| tell(editor.replace(name, value)));
    }

    fn remove(&mut self, map: Map, name: &str) {
        self.editor(map).into_iter().for_each(|editor| tell(editor.remove(name)));
    }

    fn get(&mut self, map: Map, name: &str) -> Option<Vec<u8>> {
        let fetched = match map {
            Map::Headers(0) => self.stream.fetch_request_header(name),
            Map::Headers(_) => self.stream.fetch_response_header(name),
            Map::Trailers(0) => self.stream.fetch_request_trailer(name),
            Map::Trailers(_) => self.stream.fetch_response_trailer(name),
            Map::Own | Map::AnswerTrailers => {
                let map = self.read(map).ok()?;
                return map.get(name).map(|value| value.as_bytes().to_vec());
            }
        };
        fetched.ok().flatten().map(|value| value.to_vec())
    }

    fn pairs(&mut self, map: Map) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.read(map).map(|map| pairs_of(&map)).unwrap_or_default()
    }

    fn property(&mut self, path: &[&str]) -> Option<Vec<u8>> {
        property_of(path)
    }

    fn set_property(&mut self, name: &str, value: &str) {
        tell(property::set(&[name], value));
    }

    /// The body of the answer, where there is one.
    fn body(&mut self, start: usize, size: usize) -> Vec<u8> {
        self.answer.and_then(|answer| answer.body_part(start, size).ok()).map(|body| body.to_vec()).unwrap_or_default()
    }

    fn append(&mut self, _: &str) {}
    fn prepend(&mut self, _: &str) {}
    fn replace_body(&mut self, _: &str) {}
    fn replace_start(&mut self, _: usize, _: &str) {}

    fn reply(&mut self, status: u32, body: &str) {
        tell(self.stream.reply(&reply(status).body(body)));
    }

    fn call(&mut self, number: u32, _: bool) -> Called<CallToken> {
        sent(call!(number, call => self.stream.call(&call)))
    }

    fn resume(&mut self, way: usize, _: bool) {
        tell(resume(self.stream, way));
    }
}

fn sent(token: Result<CallToken>) -> Called<CallToken> {
    match token {
        Ok(token) => Called::Sent(token),
        Err(error) => {
            tell(Err(error));
            Called::Refused
        }
    }
}

fn reply(status: u32) -> LocalResponse<'static> {
    LocalResponse::new(u16::try_from(status).unwrap_or(500)).headers(&[("x-reply", "1")])
}

fn resume<P>(stream: &HttpHandle<'_, P>, way: usize) -> Result<()> {
    if way == 0 { stream.resume_request() } else { stream.resume_response() }
}

fn property_of(path: &[&str]) -> Option<Vec<u8>> {
    property::get(path).ok().flatten().map(|value| value.into_bytes().to_vec())
}

impl Filter {
    fn answered(
        &self,
        number: u32,
        holds: Option<usize>,
        stream: &HttpHandle<'_, Plugin>,
        answer: Option<&CallResponse>,
    ) -> Ran {
        let arguments = answer.map_or(Arguments::default(), |answer| {
            Arguments::answer(answer.body_size(), answer.trailers_len() as usize, true)
        });
        let operations = &mut OfStream { stream, answer };
        // The direction goes on by the answer of the closure.
        self.0.borrow_mut().answer(number, holds, arguments, operations, log).1
    }

    fn body(
        &self,
        letter: char,
        way: usize,
        arguments: Arguments,
        operations: &mut impl Operations<Token = CallToken>,
    ) -> DataAction {
        match self.0.borrow_mut().callback(letter, way, arguments, operations, log) {
            (_, ran) if ran.replied || ran.pauses => DataAction::Pause,
            (_, ran) if ran.holds => DataAction::Held,
            _ => DataAction::Continue,
        }
    }

    fn headers(
        &self,
        letter: char,
        way: usize,
        arguments: Arguments,
        operations: &mut impl Operations<Token = CallToken>,
    ) -> Action {
        match self.0.borrow_mut().callback(letter, way, arguments, operations, log) {
            (_, ran) if ran.replied || ran.pauses => Action::Pause,
            (_, ran) if ran.holds => Action::Held,
            _ => Action::Continue,
        }
    }

    fn trailers(
        &self,
        letter: char,
        way: usize,
        arguments: Arguments,
        operations: &mut impl Operations<Token = CallToken>,
    ) -> Flow {
        let (_, ran) = self.0.borrow_mut().callback(letter, way, arguments, operations, log);
        if ran.replied || ran.pauses { Flow::Pause } else { Flow::Continue }
    }
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if request.get(TICK)?.is_some() {
            request.plugin().ticks.set(true);
            return request.reply(&LocalResponse::new(204));
        }
        let program = request.get(HEADER)?.map(|value| value.display().to_string()).unwrap_or_default();
        self.0.borrow_mut().load(&program);
        request.plugin().streams.borrow_mut().insert(request.id(), self.0.clone());
        let arguments = Arguments::message(request.announced() as usize, request.end_of_stream());
        Ok(self.headers('q', 0, arguments, &mut OfRequest(request)))
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        Ok(self.body('b', 0, Arguments::message(body.size(), body.end_of_stream()), &mut OfRequestBody(body)))
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<Flow> {
        Ok(self.trailers(
            'u',
            0,
            Arguments::message(trailers.announced() as usize, true),
            &mut OfRequestTrailers(trailers),
        ))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        if self.0.borrow().is_idle() {
            return Ok(Action::Continue);
        }
        let arguments = Arguments::message(response.announced() as usize, response.end_of_stream());
        Ok(self.headers('h', 1, arguments, &mut OfResponse(response)))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        Ok(self.body('c', 1, Arguments::message(body.size(), body.end_of_stream()), &mut OfResponseBody(body)))
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<Flow> {
        Ok(self.trailers(
            't',
            1,
            Arguments::message(trailers.announced() as usize, true),
            &mut OfResponseTrailers(trailers),
        ))
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, answer: &CallResponse) -> Result<()> {
        let call = self.0.borrow_mut().answered(&answer.token());
        if let Some((number, holds)) = call {
            self.answered(number, holds, stream, Some(answer).filter(|answer| !answer.failed()));
        }
        Ok(())
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        stream.plugin().streams.borrow_mut().remove(&stream.id());
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);
