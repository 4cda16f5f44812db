//! Streams whose directions are held by tasks, closures and callbacks as bytes say, and a model
//! that says when they go on.

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::Exports;
use sluicegate::abi::Import;
use sluicegate::callout::Closures;
use sluicegate::owner;
use sluicegate::prelude::*;
use sluicegate::{Body, Head, Headers, Tail, task};
use sluicegate_host::{Host, HttpStream, RunningHost, TcpConnection};

/// One who holds a direction, or its answer at once.
#[derive(Clone, Copy, Debug)]
enum Judge {
    /// A task with so many calls.
    Task(u8),
    /// A task that has its verdict without a call.
    AtOnce(Verdict),
    /// A closure for the answer to a call.
    Closure,
    /// A call whose answer comes to the callback, which the callback holds by its own status.
    Callback,
    /// A call whose answer the host brings within the callback that makes it: the answer is lost.
    Lost,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Go,
    /// The judge leaves the stream paused.
    Stay,
    Reply,
    Fail,
}

#[derive(Clone, Copy, Debug)]
enum Status {
    Continue,
    Pause,
    Held,
}

#[derive(Clone, Debug)]
struct Script {
    judges: Vec<Judge>,
    status: Status,
}

thread_local! {
    /// The action of the next callback.
    static SCRIPT: RefCell<Option<Script>> = const { RefCell::new(None) };
    /// Owned by every task and closure that waits.
    static LIVE: Rc<()> = Rc::new(());
}

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

fn call(cluster: &'static str) -> HttpCall<'static> {
    HttpCall::new(cluster).headers(&HEADERS)
}

fn verdict(body: &[u8]) -> Verdict {
    match body {
        b"go" => Verdict::Go,
        b"stay" => Verdict::Stay,
        b"reply" => Verdict::Reply,
        _ => Verdict::Fail,
    }
}

fn failure() -> Error {
    Error::new("told to fail")
}

async fn judge(cluster: &'static str, calls: u8) -> Result<Action> {
    let _guard = LIVE.with(Rc::clone);
    for _ in 0..calls {
        let answer = call(cluster).send().await?;
        match verdict(answer.body()) {
            Verdict::Go => {}
            other => return concluded(other),
        }
    }
    Ok(Action::Continue)
}

/// The result of a task.
fn concluded(verdict: Verdict) -> Result<Action> {
    match verdict {
        Verdict::Go => Ok(Action::Continue),
        Verdict::Stay => Ok(Action::Pause),
        Verdict::Reply => task::reply(&LocalResponse::new(403)),
        Verdict::Fail => Err(failure()),
    }
}

/// The names of clusters say who asks, and for which direction.
const TASKS: [&str; 2] = ["task 0", "task 1"];
const CLOSURES: [&str; 2] = ["closure 0", "closure 1"];
const CALLBACKS: [&str; 2] = ["callback 0", "callback 1"];
const LOST: &str = "lost";

/// The way in which a host brings a response.
type Brings = fn(u32, u32, u32, usize, u32);

/// A part of a message whose callback follows a script.
trait Piece {
    fn direction(&self) -> usize;
    fn stream(&self) -> &HttpHandle<'_, Plugin>;
    fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<()>;
    fn hold_for_call<F: Closures<Kind = owner::HttpStream, Above = Plugin>>(
        &mut self,
        call: &HttpCall<'_>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, Plugin>, Result<&CallResponse, CallFailure>) -> Result<Action>
        + 'static,
    ) -> Result<()>;
}

macro_rules! piece {
    ($($kind:ident<$($part:ident)?> $direction:ident),*) => {
        $(impl Piece for $kind<'_, sluicegate::$direction, Plugin $(, $part)?> {
            fn direction(&self) -> usize {
                usize::from(stringify!($direction) == "Response")
            }

            fn stream(&self) -> &HttpHandle<'_, Plugin> {
                self.stream()
            }

            fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<()> {
                self.hold_while(task).map(drop)
            }

            fn hold_for_call<F: Closures<Kind = owner::HttpStream, Above = Plugin>>(
                &mut self,
                call: &HttpCall<'_>,
                then: impl FnOnce(
                    &mut F,
                    &mut HttpHandle<'_, Plugin>,
                    Result<&CallResponse, CallFailure>,
                ) -> Result<Action>
                + 'static,
            ) -> Result<()> {
                self.hold_for_call(call, then).map(drop)
            }
        })*
    };
}

piece!(Headers<Head> Request, Headers<Head> Response, Body<> Request, Body<> Response);

fn act<F: Closures<Kind = owner::HttpStream, Above = Plugin>>(piece: &mut impl Piece, bring: Brings) -> Result<Status> {
    let Some(script) = SCRIPT.take() else { return Ok(Status::Continue) };
    let direction = piece.direction();
    for of in script.judges {
        match of {
            Judge::Task(calls) => piece.hold_while(judge(TASKS[direction], calls))?,
            Judge::AtOnce(verdict) => piece.hold_while(async move { concluded(verdict) })?,
            Judge::Closure => {
                let guard = LIVE.with(Rc::clone);
                let then = move |_: &mut F,
                                 stream: &mut HttpHandle<'_, Plugin>,
                                 answer: Result<&CallResponse, CallFailure>| {
                    let _guard = &guard;
                    match verdict(&answer?.body()?) {
                        Verdict::Go => Ok(Action::Continue),
                        Verdict::Stay => Ok(Action::Pause),
                        Verdict::Reply => stream.reply(&LocalResponse::new(403)).map(|()| Action::Pause),
                        Verdict::Fail => Err(failure()),
                    }
                };
                piece.hold_for_call(&call(CLOSURES[direction]), then)?;
            }
            Judge::Callback => drop(piece.stream().call(&call(CALLBACKS[direction]))?),
            Judge::Lost => {
                let token = format!("{:?}", piece.stream().call(&call(LOST))?);
                let token = token.trim_matches(|char: char| !char.is_ascii_digit()).parse().expect("a token");
                bring(1, token, 1, 0, 0);
            }
        }
    }
    Ok(script.status)
}

/// Trailers are held by nobody but their callback.
fn at_the_end<D>(trailers: &Headers<'_, D, Plugin, Tail>, direction: usize) -> Result<FilterStatus> {
    let Some(script) = SCRIPT.take() else { return Ok(FilterStatus::Continue) };
    for _ in script.judges {
        trailers.stream().call(&call(CALLBACKS[direction]))?;
    }
    Ok(script.status.into())
}

macro_rules! statuses {
    ($($kind:ident)*) => {
        $(impl From<Status> for $kind {
            fn from(status: Status) -> Self {
                match status {
                    Status::Continue => Self::Continue,
                    Status::Pause => Self::Pause,
                    Status::Held => Self::Held,
                }
            }
        })*
    };
}

statuses!(Action DataAction FilterStatus);

#[derive(Default)]
pub(crate) struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    /// Lets a stream go on that the plugin has never heard of, answers it, or resets it.
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, which: u32) -> Result<()> {
        let stream = which / 4;
        match which % 4 {
            0 => plugin.resume_request(stream),
            1 => plugin.resume_response(stream),
            2 => plugin.with_http_stream(stream, |stream| stream.reply(&LocalResponse::new(403))),
            _ => plugin.with_http_stream(stream, |stream| stream.reset()),
        }
    }
}

macro_rules! filter {
    ($name:ident, $policy:ident) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            struct Filter;

            #[sluicegate::http_filter(tasks)]
            impl HttpFilter for Filter {
                type Plugin = Plugin;
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
                    act::<Self>(request, bring).map(Into::into)
                }

                fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
                    act::<Self>(body, bring).map(Into::into)
                }

                fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
                    at_the_end(trailers, 0)
                }

                fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
                    act::<Self>(response, bring).map(Into::into)
                }

                fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
                    act::<Self>(body, bring).map(Into::into)
                }

                fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
                    at_the_end(trailers, 1)
                }

                fn on_http_call_response(
                    &mut self,
                    stream: &mut HttpHandle<'_, Plugin>,
                    response: &CallResponse,
                ) -> Result<()> {
                    let body = response.body()?;
                    let (direction, body) = body.split_at(1);
                    match verdict(body) {
                        Verdict::Go if direction == b"0" => stream.resume_request(),
                        Verdict::Go => stream.resume_response(),
                        Verdict::Stay => Ok(()),
                        Verdict::Reply => stream.reply(&LocalResponse::new(403)),
                        Verdict::Fail => Err(failure()),
                    }
                    .or_else(|error| if error.to_string() == failure().to_string() { Err(error) } else { Ok(()) })
                }
            }

            /// Brings an answer as a host does.
            fn bring(plugin: u32, token: u32, headers: u32, body: usize, trailers: u32) {
                PLUGIN.proxy_on_http_call_response.expect("answers are taken")(plugin, token, headers, body, trailers);
            }

            sluicegate::plugin!(plugin: Plugin, http: Filter);
        }
    };
}

filter!(closed, Closed);
filter!(open, Open);

/// A module, and whether its failure policy is to be open.
type Tested = (&'static Exports, bool);
pub(crate) static CLOSED: Tested = (&closed::PLUGIN, false);
pub(crate) static OPEN: Tested = (&open::PLUGIN, true);

/// The model's state of one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    begun: bool,
    /// `true` if the proxy holds it.
    paused: bool,
    own: bool,
    holders: u32,
    went: bool,
    /// `true` if the proxy was told to keep the last part.
    kept: bool,
    /// `true` if the headers went on by a resume.
    late: bool,
    /// The number of bytes of the body that the proxy keeps, and the number that went on.
    held: usize,
    sent: usize,
    /// `true` if the last piece came.
    over: bool,
}

impl Way {
    fn go(&mut self) {
        self.went = true;
        self.sent += std::mem::take(&mut self.held);
    }
}

#[derive(Debug, Default)]
struct Model {
    ways: [Way; 2],
    replied: bool,
    /// It was reset.
    ended: bool,
    /// The number of resumes and of replies that the proxy is told, by all streams.
    resumes: usize,
    replies: usize,
}

impl Model {
    /// A callback did what its script says; its status. Of a body it was shown so many bytes more.
    fn begin(&mut self, way: usize, script: &Script, open: bool, part: Option<usize>) -> u32 {
        self.ways[way].begun = true;
        self.ways[way].held += part.unwrap_or_default();
        match script.status {
            Status::Continue => self.ways[way].own = false,
            Status::Pause => self.ways[way].own = true,
            Status::Held => {}
        }
        let mut now = false;
        for judge in &script.judges {
            match judge {
                Judge::Task(_) | Judge::Closure => self.ways[way].holders += 1,
                Judge::Callback | Judge::Lost | Judge::AtOnce(Verdict::Go) => {}
                Judge::AtOnce(Verdict::Stay) => self.ways[way].own |= !self.replied,
                Judge::AtOnce(Verdict::Reply) => now |= self.reply(),
                Judge::AtOnce(Verdict::Fail) => now |= !open && self.reply(),
            }
        }
        if script.judges.iter().any(|judge| matches!(judge, Judge::Lost)) {
            if open {
                self.ways[way].own = false;
                self.resume(1 - way);
            } else {
                now |= self.reply();
            }
        }
        let ways = &mut self.ways[way];
        if now {
            (ways.paused, ways.own) = (false, false);
            return 1;
        }
        if ways.holders > 0 || ways.own {
            (ways.paused, ways.kept) = (true, part.is_some());
            return 1;
        }
        let by_resume = ways.kept && (!ways.paused || part.is_none() && ways.late);
        (ways.paused, ways.kept) = (false, false);
        ways.go();
        self.resumes += usize::from(by_resume);
        by_resume.into()
    }

    /// Answers the stream, if it was not; whether it was not.
    fn reply(&mut self) -> bool {
        let first = !self.replied && !self.ended;
        if first {
            self.replied = true;
            self.replies += 1;
            for way in &mut self.ways {
                (way.paused, way.own) = (false, false);
            }
        }
        first
    }

    fn reset(&mut self) {
        self.ended = true;
        for way in &mut self.ways {
            (way.paused, way.own) = (false, false);
        }
    }

    fn let_go(&mut self, at: usize) {
        let way = &mut self.ways[at];
        if way.paused && !way.own && way.holders == 0 {
            way.paused = false;
            way.late |= !way.went;
            way.go();
            self.resumes += 1;
        }
    }

    /// A callback or the plugin resumes a direction.
    fn resume(&mut self, way: usize) {
        self.ways[way].own = false;
        self.let_go(way);
    }

    /// Everything that callbacks pause goes on.
    fn fail(&mut self, open: bool) {
        if open {
            self.resume(0);
            self.resume(1);
        } else {
            self.reply();
        }
    }

    fn judged(&mut self, way: usize, judge: Judge, verdict: Verdict, open: bool) {
        let is_callback = matches!(judge, Judge::Callback);
        if !is_callback {
            self.ways[way].holders -= 1;
        }
        match verdict {
            Verdict::Go if is_callback => self.resume(way),
            Verdict::Go => self.let_go(way),
            Verdict::Stay if is_callback => {}
            Verdict::Stay => self.ways[way].own |= self.ways[way].paused,
            // A second answer is an error of the judge.
            Verdict::Reply if self.reply() || is_callback => {}
            Verdict::Reply | Verdict::Fail => match judge {
                Judge::Task(_) if open => self.let_go(way),
                _ => self.fail(open),
            },
        }
    }
}

struct Pending {
    stream: u32,
    way: usize,
    judge: Judge,
    token: u32,
}

/// Reads choices from bytes, which end with zeros.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn next(&mut self, of: u8) -> u8 {
        self.0.next().copied().unwrap_or_default() % of
    }

    fn verdict(&mut self) -> Verdict {
        [Verdict::Go, Verdict::Go, Verdict::Stay, Verdict::Reply, Verdict::Fail][usize::from(self.next(5))]
    }

    fn script(&mut self) -> Script {
        let judges = (0..self.next(4)).map(|_| match self.next(7) {
            0 | 1 => Judge::Task(1),
            2 => Judge::Task(2),
            3 => Judge::Closure,
            4 => Judge::Callback,
            5 => Judge::Lost,
            _ => Judge::AtOnce(self.verdict()),
        });
        let judges = judges.collect();
        let status = [Status::Held, Status::Continue, Status::Pause][usize::from(self.next(3))];
        Script { judges, status }
    }
}

/// The calls that a callback made, in the order of its judges: those of tasks come after it.
fn note(host: &RunningHost, stream: u32, judges: &[Judge], pending: &mut Vec<Pending>) {
    // Tasks are polled in the order of their start.
    let mut tasks = judges.iter().filter(|judge| matches!(judge, Judge::Task(_)));
    for call in host.pending_calls() {
        if pending.iter().any(|known| known.token == call.token) {
            continue;
        }
        // An answer that was lost comes no more.
        let Some((who, way)) = call.cluster.split_once(' ') else { continue };
        let judge = match who {
            "closure" => Judge::Closure,
            "callback" => Judge::Callback,
            _ => *tasks.next().expect("a task of this callback"),
        };
        pending.push(Pending { stream, way: usize::from(way == "1"), judge, token: call.token });
    }
}

/// Plays what the bytes say, and compares the proxy with the model after each step.
pub(crate) fn play(bytes: &[u8], (plugin, open): Tested) {
    let choices = &mut Choices(bytes.iter());
    let shows_body = choices.next(2) == 0;
    let host = Host::new(plugin);
    let host = if shows_body { host.allow_on_headers_stop_iteration() } else { host }.start();
    let (mut streams, mut pending): (Vec<(HttpStream<'_>, Model)>, Vec<Pending>) = (vec![], vec![]);
    let mut over = Model::default();
    while choices.0.len() > 0 {
        match choices.next(12) {
            0 | 1 if streams.len() < 4 => {
                let (stream, mut model, script) = (host.http_stream(), Model::default(), choices.script());
                SCRIPT.set(Some(script.clone()));
                let status = stream.request_headers_with_body(&HEADERS);
                assert_eq!(status, model.begin(0, &script, open, None), "{script:?}");
                note(&host, stream.id(), &script.judges, &mut pending);
                streams.push((stream, model));
            }
            2 if !streams.is_empty() => {
                let at = usize::from(choices.next(4)) % streams.len();
                let (stream, model) = &mut streams[at];
                if model.replied || model.ended || !model.ways[0].went || model.ways[1].begun {
                    continue;
                }
                let script = choices.script();
                SCRIPT.set(Some(script.clone()));
                let status = stream.response_headers(&[(":status", "200")]);
                assert_eq!(status, model.begin(1, &script, open, None), "{script:?}");
                note(&host, stream.id(), &script.judges, &mut pending);
            }
            3 if !streams.is_empty() => {
                let at = usize::from(choices.next(4)) % streams.len();
                let (stream, model) = streams.swap_remove(at);
                stream.complete();
                over.resumes += model.resumes;
                over.replies += model.replies;
            }
            4 if !streams.is_empty() => {
                let at = usize::from(choices.next(4)) % streams.len();
                let what = choices.next(4);
                let (stream, model) = &mut streams[at];
                host.call_function(stream.id() * 4 + u32::from(what), "");
                match what {
                    0 | 1 => model.resume(usize::from(what)),
                    2 => drop(model.reply()),
                    _ => model.reset(),
                }
            }
            5..=8 if !streams.is_empty() => {
                let at = usize::from(choices.next(4)) % streams.len();
                let way = usize::from(choices.next(2));
                let (stream, model) = &mut streams[at];
                let of = model.ways[way];
                if model.replied || model.ended || !of.begun || of.over || !(shows_body || of.went) {
                    continue;
                }
                let mut script = choices.script();
                let end = choices.next(4);
                model.ways[way].over = end < 2;
                if end == 0 {
                    script.judges.iter_mut().for_each(|judge| *judge = Judge::Callback);
                }
                SCRIPT.set(Some(script.clone()));
                let (status, part) = match (end, way) {
                    (0, 0) => (stream.request_trailers(&[("a", "b")]), None),
                    (0, _) => (stream.response_trailers(&[("a", "b")]), None),
                    (_, 0) => (stream.request_body("part", end == 1), Some(4)),
                    (_, _) => (stream.response_body("part", end == 1), Some(4)),
                };
                assert_eq!(status, model.begin(way, &script, open, part), "{script:?} {of:?}");
                note(&host, stream.id(), &script.judges, &mut pending);
            }
            _ if !pending.is_empty() => {
                let at = usize::from(choices.next(16)) % pending.len();
                let answered = pending.remove(at);
                let verdict = choices.verdict();
                let mut body = match verdict {
                    Verdict::Go => "go",
                    Verdict::Stay => "stay",
                    Verdict::Reply => "reply",
                    Verdict::Fail => "fail",
                }
                .to_owned();
                if matches!(answered.judge, Judge::Callback) {
                    body.insert_str(0, &answered.way.to_string());
                }
                host.answer_call(answered.token, &[(":status", "200")], body, &[]);
                let Some((stream, model)) = streams.iter_mut().find(|(stream, _)| stream.id() == answered.stream)
                else {
                    continue;
                };
                match (answered.judge, verdict) {
                    // It asks again.
                    (Judge::Task(calls @ 2..), Verdict::Go) => {
                        let known = |token| pending.iter().any(|known| known.token == token);
                        let asked = host.pending_calls().into_iter().filter(|call| call.cluster != LOST);
                        let token = asked.map(|call| call.token).find(|token| !known(*token));
                        let (token, judge) = (token.expect("it asks again"), Judge::Task(calls - 1));
                        pending.push(Pending { token, judge, ..answered });
                    }
                    _ => model.judged(answered.way, answered.judge, verdict, open),
                }
                let _ = stream;
            }
            _ => {}
        }
        let count = |of: fn(&Model) -> usize| of(&over) + streams.iter().map(|(_, model)| of(model)).sum::<usize>();
        assert_eq!(host.calls(Import::proxy_continue_stream), count(|model| model.resumes), "{:?}", host.log());
        assert_eq!(host.calls(Import::proxy_send_local_response), count(|model| model.replies), "{:?}", host.log());
        for (stream, model) in &streams {
            assert_eq!(stream.reached_upstream(), model.ways[0].went, "{model:?}");
            if !model.replied {
                assert_eq!(stream.reached_client(), model.ways[1].went, "{model:?}");
                assert_eq!(stream.sent_request_body().len(), model.ways[0].sent, "{model:?}");
                assert_eq!(stream.sent_response_body().len(), model.ways[1].sent, "{model:?}");
            }
        }
    }
    streams.into_iter().for_each(|(stream, _)| stream.complete());
    assert_eq!(LIVE.with(Rc::strong_count), 1, "a task or closure outlives its stream");
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter(tasks)]
impl TcpFilter for Connection {
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
        let Some(script) = SCRIPT.take() else { return Ok(FilterStatus::Continue) };
        for of in script.judges {
            let connection = data.connection();
            let _held = match of {
                Judge::Task(calls) => connection.hold_while(judge(TASKS[0], calls))?,
                Judge::AtOnce(Verdict::Go | Verdict::Reply) => connection.hold_while(async { Ok(Action::Continue) })?,
                Judge::AtOnce(_) => connection.hold_while(async { Err(failure()) })?,
                Judge::Lost => unreachable!("connections are not played so"),
                Judge::Callback | Judge::Closure => {
                    let then = |_: &mut Self, _: &mut TcpHandle<'_>, answer: Result<&CallResponse, CallFailure>| {
                        concluded_by(&answer?.body()?)
                    };
                    connection.hold_for_call(&call(CLOSURES[0]), then)?
                }
            };
        }
        Ok(match script.status {
            Status::Continue => FilterStatus::Continue,
            Status::Pause => FilterStatus::Pause,
            Status::Held => FilterStatus::Held,
        })
    }
}

fn concluded_by(body: &[u8]) -> Result<Action> {
    if verdict(body) == Verdict::Go { Ok(Action::Continue) } else { Err(failure()) }
}

sluicegate::plugin!(tcp: Connection);

/// The model for the client's data of connections: an error lets the data go on, and data comes
/// again and again.
pub(crate) fn play_tcp(bytes: &[u8]) {
    let host = Host::new(&PLUGIN).start();
    let choices = &mut Choices(bytes.iter());
    let mut open: Vec<(TcpConnection<'_>, Model, usize, usize)> = vec![];
    let mut pending: Vec<Pending> = vec![];
    let mut resumes = 0;
    while choices.0.len() > 0 {
        match choices.next(6) {
            0 if open.len() < 3 => open.push((host.tcp_connection(), Model::default(), 0, 0)),
            1 | 2 if !open.is_empty() => {
                let at = usize::from(choices.next(3)) % open.len();
                let (connection, model, came, sent) = &mut open[at];
                let mut script = choices.script();
                script.judges.retain(|judge| !matches!(judge, Judge::Task(2) | Judge::Lost));
                SCRIPT.set(Some(script.clone()));
                let status = connection.downstream_data("x", false);
                *came += 1;
                for judge in &mut script.judges {
                    *judge = match *judge {
                        Judge::Callback => Judge::Closure,
                        Judge::AtOnce(Verdict::Stay) => Judge::AtOnce(Verdict::Fail),
                        Judge::AtOnce(Verdict::Reply) => Judge::AtOnce(Verdict::Go),
                        other => other,
                    };
                }
                assert_eq!(status, model.begin(0, &script, true, None), "{script:?}");
                if status == 0 {
                    *sent = *came;
                }
                for call in host.pending_calls() {
                    if pending.iter().all(|known| known.token != call.token) {
                        let is_task = call.cluster.starts_with("task");
                        let judge = if is_task { Judge::Task(1) } else { Judge::Closure };
                        pending.push(Pending { stream: connection.id(), way: 0, judge, token: call.token });
                    }
                }
            }
            3 if !open.is_empty() => {
                let at = usize::from(choices.next(3)) % open.len();
                let (connection, model, ..) = open.swap_remove(at);
                connection.complete();
                resumes += model.resumes;
            }
            _ if !pending.is_empty() => {
                let at = usize::from(choices.next(16)) % pending.len();
                let answered = pending.remove(at);
                let goes = choices.next(2) == 0;
                host.answer_call(answered.token, &[(":status", "200")], if goes { "go" } else { "fail" }, &[]);
                let verdict = if goes { Verdict::Go } else { Verdict::Fail };
                let of = open.iter_mut().find(|(connection, ..)| connection.id() == answered.stream);
                if let Some((_, model, came, sent)) = of {
                    model.ways[0].went = false;
                    model.judged(0, answered.judge, verdict, true);
                    if model.ways[0].went {
                        *sent = *came;
                    }
                }
            }
            _ => {}
        }
        let expected = resumes + open.iter().map(|(_, model, ..)| model.resumes).sum::<usize>();
        assert_eq!(host.calls(Import::proxy_continue_stream), expected, "{:?}", host.log());
        for (connection, model, _, sent) in &open {
            assert_eq!(connection.sent_upstream().len(), *sent, "{model:?}");
        }
    }
    open.into_iter().for_each(|(connection, ..)| connection.complete());
    assert_eq!(LIVE.with(Rc::strong_count), 1, "a task or closure outlives its connection");
}
