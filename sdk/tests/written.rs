//! Bytes that a filter writes into a body reach the peer, or the call that writes them fails. The
//! test tries every way to write, in every kind of last piece, after every result of the part
//! before.

use std::cell::Cell;

use sluicegate::prelude::*;
use sluicegate::{Chunk, LogLevel, Output};
use sluicegate_host::{Host, HttpStream, RunningHost};

/// The result of the part before the last piece.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Before {
    /// There is none.
    #[default]
    Nothing,
    GoesOn,
    Kept,
    /// Kept, and resumed before the last piece comes.
    Resumed,
    /// The sender waits.
    Waits,
    WaitsAndResumed,
    Dropped,
}

impl Before {
    const ALL: [Self; 7] =
        [Self::Nothing, Self::GoesOn, Self::Kept, Self::Resumed, Self::Waits, Self::WaitsAndResumed, Self::Dropped];

    fn is_resumed(self) -> bool {
        matches!(self, Self::Resumed | Self::WaitsAndResumed)
    }

    fn status(self) -> DataAction {
        match self {
            Self::Nothing | Self::GoesOn => DataAction::Continue,
            Self::Kept | Self::Resumed => DataAction::StopIterationAndBuffer,
            Self::Waits | Self::WaitsAndResumed => DataAction::StopIterationAndWatermark,
            Self::Dropped => DataAction::StopIterationNoBuffer,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Writer {
    #[default]
    Append,
    Prepend,
    Replace,
    ReplaceStart,
    /// The closure leaves everything, and writes at the end.
    Rewriter,
}

impl Writer {
    const ALL: [Self; 5] = [Self::Append, Self::Prepend, Self::Replace, Self::ReplaceStart, Self::Rewriter];
}

/// The kind of the last piece.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Last {
    Data,
    Empty,
    Trailers,
}

impl Last {
    const ALL: [Self; 3] = [Self::Data, Self::Empty, Self::Trailers];
}

/// The result of the last piece.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Then {
    #[default]
    Continue,
    /// It is paused, and resumed afterwards.
    Pause,
}

#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    before: Before,
    writer: Writer,
    then: Then,
    /// `true` if the headers are held until the whole message has come.
    holds_headers: bool,
}

thread_local! {
    static PLAN: Cell<Plan> = Cell::default();
}

/// The written bytes.
const WRITTEN: &str = "WRITTEN";

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, which: u32) -> Result<()> {
        if which.is_multiple_of(2) { plugin.resume_request(which / 2) } else { plugin.resume_response(which / 2) }
    }
}

fn at_the_end(chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
    if !chunk.is_last() {
        return Ok(0);
    }
    out.push(&*chunk)?;
    out.push(WRITTEN)?;
    Ok(chunk.len())
}

fn headers() -> Action {
    if PLAN.get().holds_headers { Action::Pause } else { Action::Continue }
}

/// Writes in the callbacks for the parts, and with a rewriter in the one for the trailers.
#[derive(Default)]
struct Parts {
    rewriters: [Rewriter; 2],
    parts: usize,
}

macro_rules! part {
    ($self:ident, $body:ident, $way:literal) => {{
        let Plan { before, writer, then, .. } = PLAN.get();
        $self.parts += 1;
        let is_last = $body.end_of_stream() || $self.parts > 1 || before == Before::Nothing;
        let rewrites = matches!(writer, Writer::Rewriter);
        let kept = if rewrites { Some($self.rewriters[$way].pass($body, at_the_end)?) } else { None };
        if !is_last {
            // A callback that rewrites returns the rewriter's result, or not.
            return Ok(if before == Before::Kept { kept.unwrap_or(before.status()) } else { before.status() });
        }
        match writer {
            Writer::Append => $body.append(WRITTEN)?,
            Writer::Prepend => $body.prepend(WRITTEN)?,
            Writer::Replace => $body.replace(WRITTEN)?,
            Writer::ReplaceStart => $body.replace_start(0, WRITTEN)?,
            Writer::Rewriter => {}
        }
        Ok(if then == Then::Pause { DataAction::Pause } else { DataAction::Continue })
    }};
}

fn trailers_status() -> FilterStatus {
    if PLAN.get().then == Then::Pause { FilterStatus::Pause } else { FilterStatus::Continue }
}

#[sluicegate::http_filter]
impl HttpFilter for Parts {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.body_will_change()?;
        Ok(headers())
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        part!(self, body, 0)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        let _ = self.rewriters[0].finish(trailers, at_the_end)?;
        Ok(trailers_status())
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.body_will_change()?;
        Ok(headers())
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        part!(self, body, 1)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        let _ = self.rewriters[1].finish(trailers, at_the_end)?;
        Ok(trailers_status())
    }
}

/// Writes into the complete body, and counts what it is asked.
#[derive(Default)]
struct Whole;

macro_rules! whole {
    ($body:ident) => {{
        info!("judged {:?}", ByteStr::new(&$body.bytes()?));
        match PLAN.get().writer {
            Writer::Append | Writer::Rewriter => $body.append(WRITTEN)?,
            Writer::Prepend => $body.prepend(WRITTEN)?,
            Writer::Replace => $body.replace(WRITTEN)?,
            Writer::ReplaceStart => $body.replace_start(0, WRITTEN)?,
        }
        Ok(trailers_status())
    }};
}

#[sluicegate::http_filter]
impl HttpFilter for Whole {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.body_will_change()?;
        Ok(headers())
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        whole!(body)
    }

    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        info!("trailers");
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.body_will_change()?;
        Ok(headers())
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        whole!(body)
    }

    fn on_response_trailers(&mut self, _: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        info!("trailers");
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin! {
    root "parts" { plugin: Plugin, http: Parts }
    root "whole" { plugin: Plugin, http: Whole }
}

const HEADERS: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const TRAILERS: [(&str, &str); 1] = [("x", "1")];

struct Message<'a> {
    stream: HttpStream<'a>,
    is_request: bool,
}

impl Message<'_> {
    fn headers(&self, plan: Plan) {
        if self.is_request {
            PLAN.set(plan);
            self.stream.request_headers_with_body(&HEADERS);
        } else {
            PLAN.set(Plan { holds_headers: false, ..plan });
            self.stream.request_headers(&HEADERS);
            PLAN.set(plan);
            self.stream.response_headers(&[(":status", "200")]);
        }
    }

    fn part(&self, part: &str, ends: bool) {
        let _ =
            if self.is_request { self.stream.request_body(part, ends) } else { self.stream.response_body(part, ends) };
    }

    fn trailers(&self) {
        let _ = if self.is_request {
            self.stream.request_trailers(&TRAILERS)
        } else {
            self.stream.response_trailers(&TRAILERS)
        };
    }

    fn resume(&self, host: &RunningHost) {
        host.call_function(self.stream.id() * 2 + u32::from(!self.is_request), "");
    }

    fn sent(&self) -> String {
        let sent = if self.is_request { self.stream.sent_request_body() } else { self.stream.sent_response_body() };
        String::from_utf8(sent).expect("text")
    }

    fn sent_whole(&self) -> bool {
        if self.is_request { self.stream.sent_whole_request() } else { self.stream.sent_whole_response() }
    }
}

/// Plays a message; returns what was sent of the body, whether all of the message was, and whether
/// a callback failed.
fn play(host: &RunningHost, is_request: bool, plan: Plan, last: Last) -> (String, bool, bool) {
    host.clear_log();
    let message = Message { stream: host.http_stream(), is_request };
    let Plan { before, then, holds_headers, .. } = plan;
    message.headers(plan);
    if before != Before::Nothing {
        message.part("one", false);
        if before.is_resumed() && !holds_headers {
            message.resume(host);
        }
    }
    match last {
        Last::Data => message.part("two", true),
        Last::Empty => message.part("", true),
        Last::Trailers => message.trailers(),
    }
    if holds_headers {
        message.resume(host);
    }
    if then == Then::Pause {
        message.resume(host);
    }
    let failed = host.log().iter().any(|line| line.level == LogLevel::Error);
    let seen = (message.sent(), message.sent_whole(), failed);
    message.stream.complete();
    seen
}

#[test]
fn what_is_written_reaches_the_peer_or_the_call_fails() {
    let mut played = 0;
    for (root, is_request) in ["parts", "whole"].into_iter().flat_map(|root| [(root, true), (root, false)]) {
        let host = Host::new(&PLUGIN).root_id(root).start();
        for (before, writer) in Before::ALL.into_iter().flat_map(|before| Writer::ALL.map(|writer| (before, writer))) {
            for (last, then) in Last::ALL.into_iter().flat_map(|last| [(last, Then::Continue), (last, Then::Pause)]) {
                for holds_headers in [false, true] {
                    let plan = Plan { before, writer, then, holds_headers };
                    let case = format!("{root}, request {is_request}, {plan:?}, {last:?}");
                    let (sent, whole, failed) = play(&host, is_request, plan, last);
                    // In the callback for the trailers, parts are written by rewriters alone.
                    let writes = root == "whole" || last != Last::Trailers || writer == Writer::Rewriter;
                    // A rewriter is not asked if there are no bytes.
                    let asked = writer != Writer::Rewriter || before != Before::Nothing || last == Last::Data;
                    if failed {
                        assert!(last == Last::Trailers, "{case}: {sent:?}, {:?}", host.log());
                        assert!(!sent.contains(WRITTEN), "{case}: {sent:?}");
                    } else if writes && (asked || root == "whole") {
                        assert!(sent.contains(WRITTEN), "{case}: {sent:?}, {:?}", host.log());
                    }
                    assert!(whole || failed, "{case}: {sent:?}, {:?}", host.log());
                    played += 1;
                }
            }
        }
    }
    assert_eq!(played, 2 * 2 * 7 * 5 * 3 * 2 * 2);
}

/// A client or an upstream that is quicker than who holds the headers.
#[test]
fn a_body_and_its_trailers_that_waited_for_the_headers_are_judged_once_and_go_on_once() {
    for is_request in [true, false] {
        for (then, before) in [Then::Continue, Then::Pause]
            .into_iter()
            .flat_map(|then| [Before::Nothing, Before::GoesOn].map(|before| (then, before)))
        {
            let host = Host::new(&PLUGIN).root_id("whole").start();
            let plan = Plan { before, then, holds_headers: true, ..Plan::default() };
            let (sent, whole, failed) = play(&host, is_request, plan, Last::Trailers);
            let told = host.log().into_iter().filter(|line| line.level == LogLevel::Info);
            let lines: Vec<_> = told.map(|line| line.text).collect();
            // There is nothing to write into without a part.
            assert_eq!(failed, before == Before::Nothing, "{plan:?} {lines:?}");
            if failed {
                continue;
            }
            assert_eq!((&*sent, whole), ("oneWRITTEN", true), "{plan:?}");
            assert_eq!(lines, ["judged \"one\"", "trailers"], "{plan:?}");
        }
    }
}
