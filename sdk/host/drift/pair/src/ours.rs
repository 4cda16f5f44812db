//! The interpreter on this SDK.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::callout::Closures;
use sluicegate::owner::HttpStream;
use sluicegate::prelude::*;
use sluicegate::{MapEditor, property};

use crate::program::{Called, HEADER, Map, Operations, Ran, SERVICE, TICK};
use crate::stream::{self, Arguments};

type Stream = stream::Stream<CallToken>;

/// The timeout of the service, which never takes so long.
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
        struct $name<'a, 'cb, F>(&'a mut $handle<'cb, Plugin>, PhantomData<F>);

        impl<F: Runs> Operations for $name<'_, '_, F> {
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
            let judge = move |filter: &mut F,
                              stream: &mut HttpHandle<'_, Plugin>,
                              answer: Result<&CallResponse, CallFailure>|
                  -> Result<Action> {
                let ran = filter.filter().answered(number, Some($way), stream, answer.ok());
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
operations!(OfWholeRequestBody, CompleteRequestBody, {
    body!();
    calls!(0);
});
operations!(OfWholeResponseBody, CompleteResponseBody, {
    body!();
    calls!(1);
});

/// The actions between a stream's own callbacks: when a call gets its response, and when the plugin
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

    fn whole(
        &self,
        letter: char,
        way: usize,
        has_trailers: bool,
        operations: &mut impl Operations<Token = CallToken>,
    ) -> FilterStatus {
        let mut stream = self.0.borrow_mut();
        let ran = if has_trailers {
            stream.whole(letter, way, operations, log)
        } else {
            stream.callback(letter, way, Arguments::message(0, true), operations, log).1
        };
        match ran {
            ran if ran.replied || ran.pauses => FilterStatus::Pause,
            ran if ran.holds => FilterStatus::Held,
            _ => FilterStatus::Continue,
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
    ) -> FilterStatus {
        let (_, ran) = self.0.borrow_mut().callback(letter, way, arguments, operations, log);
        if ran.replied || ran.pauses { FilterStatus::Pause } else { FilterStatus::Continue }
    }
}

/// A filter that runs a program.
trait Runs: HttpFilter<Plugin = Plugin> + Closures<Kind = HttpStream, Above = Plugin> {
    /// `true` if it changes bodies after their headers have gone on. Then the length in the headers
    /// must go.
    const CHANGES: bool;

    fn filter(&self) -> &Filter;
}

impl Runs for Filter {
    const CHANGES: bool = false;

    fn filter(&self) -> &Filter {
        self
    }
}

impl Runs for Whole {
    const CHANGES: bool = true;

    fn filter(&self) -> &Filter {
        &self.0
    }
}

/// A filter with the callbacks that both have, and those for its bodies.
macro_rules! filter {
    ($filter:ident, { $($bodies:tt)* }) => {
        #[sluicegate::http_filter(calls)]
        impl HttpFilter for $filter {
            type Plugin = Plugin;

            fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
                if request.get(TICK)?.is_some() {
                    request.plugin().ticks.set(true);
                    return request.reply(&LocalResponse::new(204));
                }
                let filter = self.filter();
                let program = request.get(HEADER)?.map(|value| value.display().to_string()).unwrap_or_default();
                filter.0.borrow_mut().load(&program);
                request.plugin().streams.borrow_mut().insert(request.id(), filter.0.clone());
                if Self::CHANGES && !request.end_of_stream() {
                    request.body_will_change()?;
                }
                let arguments = Arguments::message(request.len_hint() as usize, request.end_of_stream());
                Ok(filter.headers('q', 0, arguments, &mut OfRequest::<Self>(request, PhantomData)))
            }

            fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
                let arguments = Arguments::message(trailers.len_hint() as usize, true);
                Ok(self.filter().trailers('u', 0, arguments, &mut OfRequestTrailers::<Self>(trailers, PhantomData)))
            }

            fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
                let filter = self.filter();
                if filter.0.borrow().is_idle() {
                    return Ok(Action::Continue);
                }
                if Self::CHANGES && !response.end_of_stream() {
                    response.body_will_change()?;
                }
                let arguments = Arguments::message(response.len_hint() as usize, response.end_of_stream());
                Ok(filter.headers('h', 1, arguments, &mut OfResponse::<Self>(response, PhantomData)))
            }

            fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
                let arguments = Arguments::message(trailers.len_hint() as usize, true);
                Ok(self.filter().trailers('t', 1, arguments, &mut OfResponseTrailers::<Self>(trailers, PhantomData)))
            }

            fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, answer: &CallResponse) -> Result<()> {
                let filter = self.filter();
                let call = filter.0.borrow_mut().answered(&answer.token());
                if let Some((number, holds)) = call {
                    filter.answered(number, holds, stream, Some(answer).filter(|answer| !answer.failed()));
                }
                Ok(())
            }

            fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
                stream.plugin().streams.borrow_mut().remove(&stream.id());
                Ok(())
            }

            $($bodies)*
        }
    };
}

filter!(Filter, {
    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        let arguments = Arguments::message(body.size(), body.end_of_stream());
        Ok(self.body('b', 0, arguments, &mut OfRequestBody::<Self>(body, PhantomData)))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        let arguments = Arguments::message(body.size(), body.end_of_stream());
        Ok(self.body('c', 1, arguments, &mut OfResponseBody::<Self>(body, PhantomData)))
    }
});

/// The filter that sees complete bodies.
#[derive(Default)]
struct Whole(Filter);

filter!(Whole, {
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        let has_trailers = body.has_trailers();
        Ok(self.0.whole('b', 0, has_trailers, &mut OfWholeRequestBody::<Self>(body, PhantomData)))
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        let has_trailers = body.has_trailers();
        Ok(self.0.whole('c', 1, has_trailers, &mut OfWholeResponseBody::<Self>(body, PhantomData)))
    }
});

sluicegate::plugin! {
    root "root" { plugin: Plugin, http: Filter }
    root "whole" { plugin: Plugin, http: Whole }
}
