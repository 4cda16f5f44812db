//! A message that a filter pauses at its end, while nothing is left that could resume it: each
//! callback of each direction, each status that pauses, with and without a resume before, and each
//! thing that may be pending.

use std::rc::Rc;

use sluicegate::prelude::*;
use sluicegate::task::{self, Notify};
use sluicegate::{Exports, LogLevel};
use sluicegate_host::{Host, HttpStream, RunningHost};

const REQUEST: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const RESPONSE: [(&str, &str); 1] = [(":status", "200")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&REQUEST);
const WHY: &str = "nothing is left that could resume it";

/// The last callback of a message, and the statuses that pause there.
const ENDS: [(&str, &[&str]); 3] = [
    ("headers", &["iteration", "buffer", "watermark"]),
    ("part", &["buffer", "watermark", "no buffer"]),
    ("trailers", &["iteration"]),
];

/// The callers that may resume the message later, and whether one does. Nobody is left after a call
/// whose response resumes nothing.
const PENDING: [(&str, bool); 7] = [
    ("nothing", false),
    ("callback", false),
    ("idle closure", false),
    ("judge", false),
    ("idle task", false),
    ("closure", true),
    ("task", true),
];

/// The steps of a stream at the end of a message.
#[derive(Clone, Debug, Default)]
struct Plan {
    is_request: bool,
    end: String,
    status: String,
    pending: String,
    resumes: bool,
}

impl Plan {
    fn to_header(&self) -> String {
        let way = if self.is_request { "request" } else { "response" };
        [way, &self.end, &self.status, &self.pending, if self.resumes { "resumes" } else { "" }].join("/")
    }

    fn of(text: &str) -> Self {
        let mut words = text.split('/').map(str::to_owned);
        let mut next = || words.next().unwrap_or_default();
        let (way, end, status, pending, resumes) = (next(), next(), next(), next(), next());
        Self { is_request: way == "request", end, status, pending, resumes: resumes == "resumes" }
    }

    fn is_at(&self, is_request: bool, end: &str) -> bool {
        self.is_request == is_request && self.end == end
    }

    fn resume<P>(&self, stream: &HttpHandle<'_, P>) -> Result<()> {
        if self.is_request { stream.resume_request() } else { stream.resume_response() }
    }

    fn action(&self) -> Action {
        match &*self.status {
            "iteration" => Action::StopIteration,
            "buffer" => Action::StopAllIterationAndBuffer,
            _ => Action::StopAllIterationAndWatermark,
        }
    }

    fn data_action(&self) -> DataAction {
        match &*self.status {
            "buffer" => DataAction::StopIterationAndBuffer,
            "watermark" => DataAction::StopIterationAndWatermark,
            _ => DataAction::StopIterationNoBuffer,
        }
    }
}

/// Starts what is to be pending, and resumes the message before the callback pauses it.
macro_rules! begin {
    ($filter:ident, $stream:expr) => {{
        let (plan, stream) = (&$filter.plan, $stream);
        match &*plan.pending {
            "callback" => drop(stream.call(&ASK)?),
            "idle closure" => drop(stream.call_then(&ASK, |_: &mut Self, _, _| Ok(()))?),
            "closure" => drop(stream.call_then(&ASK, |filter: &mut Self, stream, _| filter.plan.resume(stream))?),
            "idle task" => stream.spawn(async { ASK.send().await.map(drop).map_err(Error::from) })?,
            "task" => stream.spawn(async {
                let _ = ASK.send().await;
                task::with_filter(|filter: &mut Self, stream: &mut HttpHandle<'_>| filter.plan.resume(stream)).await?
            })?,
            _ => {}
        }
        if plan.resumes {
            // This fails where the proxy holds nothing yet.
            let _ = plan.resume(stream);
        }
    }};
}

macro_rules! headers {
    ($filter:ident, $headers:ident, $is_request:literal) => {{
        if !$filter.plan.is_at($is_request, "headers") {
            return Ok(Action::Continue);
        }
        if $filter.plan.pending == "judge" {
            return $headers.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Pause));
        }
        begin!($filter, $headers.stream());
        Ok($filter.plan.action())
    }};
}

macro_rules! part {
    ($filter:ident, $body:ident, $is_request:literal) => {{
        if !$body.end_of_stream() || !$filter.plan.is_at($is_request, "part") {
            // The proxy then holds the direction, so that a resume succeeds.
            let holds = $filter.plan.is_request == $is_request && $filter.plan.resumes;
            return Ok(if holds { DataAction::Pause } else { DataAction::Continue });
        }
        if $filter.plan.pending == "judge" {
            return $body.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Pause));
        }
        begin!($filter, $body.stream());
        Ok($filter.plan.data_action())
    }};
}

macro_rules! trailers {
    ($filter:ident, $trailers:ident, $is_request:literal) => {{
        if !$filter.plan.is_at($is_request, "trailers") {
            return Ok(FilterStatus::Continue);
        }
        begin!($filter, $trailers.stream());
        Ok(FilterStatus::Pause)
    }};
}

macro_rules! whole {
    ($filter:ident, $body:ident, $is_request:literal) => {{
        let end = if $body.has_trailers() { "trailers" } else { "part" };
        if !$filter.plan.is_at($is_request, end) {
            return Ok(FilterStatus::Continue);
        }
        if $filter.plan.pending == "judge" {
            return $body.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Pause));
        }
        begin!($filter, $body.stream());
        Ok(FilterStatus::Pause)
    }};
}

macro_rules! filter {
    ($name:ident, $policy:ident, $($callbacks:tt)*) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            struct Filter {
                plan: Plan,
            }

            #[sluicegate::http_filter(calls, tasks)]
            impl HttpFilter for Filter {
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
                    self.plan = Plan::of(&request.get("plan")?.unwrap_or_default().display().to_string());
                    headers!(self, request, true)
                }

                fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
                    headers!(self, response, false)
                }

                $($callbacks)*

                fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
                    Ok(())
                }
            }

            sluicegate::plugin!(http: Filter);
        }
    };
}

macro_rules! filters {
    ($closed:ident, $open:ident, $($callbacks:tt)*) => {
        filter!($closed, Closed, $($callbacks)*);
        filter!($open, Open, $($callbacks)*);
    };
}

filters! {
    closed_parts,
    open_parts,
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        part!(self, body, true)
    }
    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        trailers!(self, trailers, true)
    }
    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        part!(self, body, false)
    }
    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        trailers!(self, trailers, false)
    }
}

filters! {
    closed_whole,
    open_whole,
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        whole!(self, body, true)
    }
    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        whole!(self, body, false)
    }
}

/// The fate of a message.
#[derive(Debug, Eq, PartialEq)]
enum Fate {
    Passed,
    Refused,
    Held,
}

fn fate(stream: &HttpStream<'_>, is_request: bool) -> Fate {
    let passed = if is_request { stream.sent_whole_request() } else { stream.sent_whole_response() };
    match stream.reply().is_some() || stream.was_reset() {
        true => Fate::Refused,
        false if passed => Fate::Passed,
        false => Fate::Held,
    }
}

/// Sends a message to its end.
fn play<'host>(host: &'host RunningHost, plan: &Plan) -> HttpStream<'host> {
    let stream = host.http_stream();
    let [method, path, authority] = REQUEST;
    let text = plan.to_header();
    let request = [method, path, authority, ("plan", &*text)];
    let is_headers = plan.end == "headers";
    if plan.is_request {
        if is_headers {
            stream.request_headers(&request);
            return stream;
        }
        stream.request_headers_with_body(&request);
        stream.request_body("one", false);
        if plan.end == "part" {
            stream.request_body("two", true);
        } else {
            stream.request_trailers(&[("a", "b")]);
        }
    } else {
        stream.request_headers(&request);
        if is_headers {
            stream.response_headers_only(&RESPONSE);
            return stream;
        }
        stream.response_headers(&RESPONSE);
        stream.response_body("one", false);
        if plan.end == "part" {
            stream.response_body("two", true);
        } else {
            stream.response_trailers(&[("a", "b")]);
        }
    }
    stream
}

fn strands(host: &RunningHost) -> usize {
    host.log().iter().filter(|line| line.text.contains(WHY)).count()
}

fn check(module: &'static Exports, is_open: bool, plan: &Plan, goes_on: bool) {
    let host = Host::new(module).start();
    let stream = play(&host, plan);
    let decided = if is_open { Fate::Passed } else { Fate::Refused };
    if plan.pending != "nothing" {
        assert_eq!(strands(&host), 0, "{plan:?}: {:?}", host.log());
        // The proxy has dropped the last part, and so does not say that it holds the end.
        if plan.status != "no buffer" {
            assert_eq!(fate(&stream, plan.is_request), Fate::Held, "{plan:?}");
        }
        host.answer_call(host.pending_calls()[0].token, &RESPONSE, "", &[]);
    }
    let (lines, expected) = if goes_on { (0, Fate::Passed) } else { (1, decided) };
    assert_eq!(strands(&host), lines, "{plan:?}: {:?}", host.log());
    assert_eq!(fate(&stream, plan.is_request), expected, "{plan:?}: {:?}", host.log());
    stream.complete();
}

#[test]
fn a_message_that_nothing_is_left_to_resume_is_decided_by_the_policy() {
    let parts = [(&closed_parts::PLUGIN, false), (&open_parts::PLUGIN, true)];
    for (module, is_open) in parts as [(&'static Exports, bool); 2] {
        for ((end, statuses), (pending, goes_on)) in
            ENDS.into_iter().flat_map(|end| PENDING.map(|pending| (end, pending)))
        {
            if (end, pending) == ("trailers", "judge") {
                continue;
            }
            for (status, bits) in statuses.iter().flat_map(|status| [0, 1, 2, 3].map(|bits| (status, bits))) {
                let (is_request, resumes) = (bits & 1 == 0, bits & 2 == 0);
                let plan =
                    Plan { is_request, end: end.into(), status: (*status).into(), pending: pending.into(), resumes };
                check(module, is_open, &plan, goes_on);
            }
        }
    }
}

#[test]
fn a_complete_body_that_nothing_is_left_to_resume_is_decided_by_the_policy() {
    let whole = [(&closed_whole::PLUGIN, false), (&open_whole::PLUGIN, true)];
    for (module, is_open) in whole as [(&'static Exports, bool); 2] {
        for ((pending, goes_on), bits) in
            PENDING.into_iter().flat_map(|pending| (0..8).map(move |bits| (pending, bits)))
        {
            let (is_request, resumes) = (bits & 1 == 0, bits & 2 == 0);
            let end = if bits & 4 == 0 { "part" } else { "trailers" };
            let plan =
                Plan { is_request, end: end.into(), status: "iteration".into(), pending: pending.into(), resumes };
            check(module, is_open, &plan, goes_on);
        }
    }
}

/// A plugin that has callbacks in which it may resume streams.
mod beside {
    use super::*;

    #[derive(Default)]
    pub(super) struct Plugin;

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, stream: u32) -> Result<()> {
            plugin.with_http_stream(stream, |stream| stream.resume_request())
        }
    }

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, _: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

#[test]
fn a_plugin_that_may_resume_streams_keeps_them_paused() {
    let host = Host::new(&beside::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&REQUEST);
    assert_eq!((strands(&host), fate(&stream, true)), (0, Fate::Held));
    host.call_function(stream.id(), "");
    assert_eq!(fate(&stream, true), Fate::Passed);
    host.assert_no_log_at(LogLevel::Warn);
}

/// A filter whose task waits for another stream.
mod elsewhere {
    use super::*;

    #[derive(Default)]
    pub(super) struct Plugin {
        ready: Rc<Notify>,
    }

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {}

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter(tasks)]
    impl HttpFilter for Filter {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            if request.get("waits")?.is_none() {
                return Ok(Action::Continue);
            }
            let ready = request.plugin().ready.clone();
            request.stream().spawn(async move {
                ready.notified().await?;
                task::with_filter(|_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| stream.resume_request()).await?
            })?;
            Ok(Action::Pause)
        }

        fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
            stream.plugin().ready.notify_all();
            Ok(())
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

#[test]
fn a_task_that_waits_for_another_stream_keeps_a_message_paused() {
    let host = Host::new(&elsewhere::PLUGIN).start();
    let (waits, other) = (host.http_stream(), host.http_stream());
    waits.request_headers(&[(":method", "GET"), ("waits", "1")]);
    assert_eq!((strands(&host), fate(&waits, true)), (0, Fate::Held), "{:?}", host.log());
    other.request_headers(&REQUEST);
    other.complete();
    assert_eq!(fate(&waits, true), Fate::Passed, "{:?}", host.log());
    host.assert_no_log_at(LogLevel::Error);
}

/// A filter that has no state, and so no later callback that would know of the pause.
mod stateless {
    use super::*;

    #[derive(Default)]
    struct Filter;

    #[sluicegate::http_filter(stateless)]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Action> {
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(http: Filter);
}

#[test]
fn a_stateless_filter_does_not_pause_a_request_for_good() {
    let host = Host::new(&stateless::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&REQUEST);
    stream.assert_reply(500);
    assert_eq!(strands(&host), 1, "{:?}", host.log());
}
