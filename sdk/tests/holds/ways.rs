//! Every way to hold a message, with every way in which the wait for it ends, wherever the rest of
//! the message comes: nothing passes before that, nothing hangs after it, and every byte comes
//! through.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::Exports;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, task};
use sluicegate_host::{Host, HttpStream, RunningHost, TcpConnection};

const HEADERS: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];
const TRAILERS: [(&str, &str); 1] = [("sum", "1")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&HEADERS);
const GRPC: GrpcCall<'static> = GrpcCall::new("auth", "S", "M");

/// Where a message is held.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    Headers,
    /// The first part.
    Body,
    Complete,
    Trailers,
}

/// The holder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum By {
    Task,
    Closure,
    GrpcClosure,
    /// The callback itself, which made a call.
    Callback,
    /// A task that sleeps.
    Sleep,
}

impl By {
    const ALL: [Self; 5] = [Self::Task, Self::Closure, Self::GrpcClosure, Self::Callback, Self::Sleep];
}

/// The end of the wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Go,
    Reply,
    Fail,
    /// The call is reset.
    Reset,
    TimeOut,
    /// The client leaves first, and the answer comes to nobody.
    Leave,
}

impl End {
    const ALL: [Self; 6] = [Self::Go, Self::Reply, Self::Fail, Self::Reset, Self::TimeOut, Self::Leave];
}

const REQUEST: usize = 0;
const RESPONSE: usize = 1;

thread_local! {
    /// The next held part.
    static PLAN: Cell<Option<(usize, At, By)>> = const { Cell::new(None) };
    /// The direction that is held.
    static HELD: Cell<usize> = const { Cell::new(REQUEST) };
    /// Owned by everything that waits.
    static LIVE: Rc<()> = Rc::new(());
}

/// Says who is to hold this place, once.
fn plan(direction: usize, at: At) -> Option<By> {
    let (_, _, by) = PLAN.get().filter(|(of, place, _)| (*of, *place) == (direction, at))?;
    PLAN.set(None);
    HELD.set(direction);
    Some(by)
}

fn judge<P>(verdict: &[u8], reply: impl FnOnce(&LocalResponse<'_>) -> Result<P>, go: P) -> Result<P> {
    match verdict {
        b"go" => Ok(go),
        b"reply" => reply(&LocalResponse::new(403)),
        _ => Err(Error::new("cannot judge")),
    }
}

async fn ask() -> Result<Action> {
    let _guard = LIVE.with(Rc::clone);
    judge(ASK.send().await?.body(), task::reply, Action::Continue)
}

async fn sleep() -> Result<Action> {
    let _guard = LIVE.with(Rc::clone);
    task::sleep(Duration::from_millis(5)).await?;
    Ok(Action::Continue)
}

/// Holds what a handle stands for, as planned.
macro_rules! hold {
    // Trailers are held by the callback itself.
    ($handle:ident, $direction:expr, Trailers, $status:ident) => {
        match plan($direction, At::Trailers) {
            None => $status::Held,
            Some(_) => {
                $handle.stream().call(&ASK)?;
                $status::Pause
            }
        }
    };
    ($handle:ident, $direction:expr, $at:ident, $status:ident) => {
        match plan($direction, At::$at) {
            // A part that an earlier callback holds stays held.
            None => $status::Held,
            Some(By::Task) => $handle.hold_while(ask())?,
            Some(By::Sleep) => $handle.hold_while(sleep())?,
            Some(By::Closure) => {
                let guard = LIVE.with(Rc::clone);
                $handle.hold_for_call(&ASK, move |_: &mut Self, stream, answer| {
                    let _guard = guard;
                    judge(&answer?.body()?, |reply| stream.reply(reply).map(|()| Action::Pause), Action::Continue)
                })?
            }
            Some(By::GrpcClosure) => {
                let guard = LIVE.with(Rc::clone);
                $handle.hold_for_grpc_call(&GRPC, move |_: &mut Self, stream, answer| {
                    let _guard = guard;
                    judge(&answer?.message()?, |reply| stream.reply(reply).map(|()| Action::Pause), Action::Continue)
                })?
            }
            Some(By::Callback) => {
                $handle.stream().call(&ASK)?;
                $status::Pause
            }
        }
    };
}

macro_rules! filter {
    ($name:ident, $policy:ident, [$($callback:ident $handle:ident $direction:ident $at:ident $status:ident)*]) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            struct Filter;

            #[sluicegate::http_filter(calls, tasks)]
            impl HttpFilter for Filter {
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                $(fn $callback(&mut self, handle: &mut $handle<'_>) -> Result<$status> {
                    Ok(hold!(handle, $direction, $at, $status))
                })*

                fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
                    if let Some(status) = response.failure() {
                        return Err(Error::new("the call failed")).inspect_err(|_| info!("{status:?}"));
                    }
                    judge(&response.body()?, |reply| stream.reply(reply).map(|()| true), false).and_then(|replied| {
                        match HELD.get() {
                            _ if replied => Ok(()),
                            REQUEST => stream.resume_request(),
                            _ => stream.resume_response(),
                        }
                    })
                }
            }

            sluicegate::plugin!(http: Filter);
        }
    };
}

/// Runs the filter under both policies.
macro_rules! filters {
    ($closed:ident, $open:ident, $callbacks:tt) => {
        filter!($closed, Closed, $callbacks);
        filter!($open, Open, $callbacks);
    };
}

filters!(parts, parts_open, [
    on_request_headers RequestHeaders REQUEST Headers Action
    on_request_body RequestBody REQUEST Body DataAction
    on_request_trailers RequestTrailers REQUEST Trailers FilterStatus
    on_response_headers ResponseHeaders RESPONSE Headers Action
    on_response_body ResponseBody RESPONSE Body DataAction
    on_response_trailers ResponseTrailers RESPONSE Trailers FilterStatus
]);
filters!(untold, untold_open, [
    on_request_headers RequestHeaders REQUEST Headers Action
    on_request_body RequestBody REQUEST Body DataAction
    on_response_headers ResponseHeaders RESPONSE Headers Action
    on_response_body ResponseBody RESPONSE Body DataAction
]);
filters!(heads, heads_open, [
    on_request_headers RequestHeaders REQUEST Headers Action
    on_response_headers ResponseHeaders RESPONSE Headers Action
]);
filters!(whole, whole_open, [
    on_request_headers RequestHeaders REQUEST Headers Action
    on_complete_request_body CompleteRequestBody REQUEST Complete FilterStatus
    on_response_headers ResponseHeaders RESPONSE Headers Action
    on_complete_response_body CompleteResponseBody RESPONSE Complete FilterStatus
]);

/// The modules, each closed and open to errors, and where they hold.
static MODULES: [(&str, [&Exports; 2], &[At]); 4] = [
    ("parts", [&parts::PLUGIN, &parts_open::PLUGIN], &[At::Headers, At::Body, At::Trailers]),
    ("no trailers", [&untold::PLUGIN, &untold_open::PLUGIN], &[At::Headers, At::Body]),
    ("headers only", [&heads::PLUGIN, &heads_open::PLUGIN], &[At::Headers]),
    ("complete", [&whole::PLUGIN, &whole_open::PLUGIN], &[At::Headers, At::Complete]),
];

/// The parts of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Piece {
    Headers,
    OnlyHeaders,
    Part(&'static str),
    Last,
    Trailers,
}

const MESSAGES: [&[Piece]; 3] = [
    &[Piece::OnlyHeaders],
    &[Piece::Headers, Piece::Part("one"), Piece::Part("two"), Piece::Last],
    &[Piece::Headers, Piece::Part("one"), Piece::Part("two"), Piece::Trailers],
];

impl At {
    /// The place of the piece that is held.
    fn of(self, message: &[Piece]) -> Option<usize> {
        match self {
            Self::Headers => Some(0),
            Self::Body => (message.len() > 1).then_some(1),
            Self::Complete => (message.len() > 1).then_some(message.len() - 1),
            Self::Trailers => (message.last() == Some(&Piece::Trailers)).then_some(message.len() - 1),
        }
    }
}

/// One message through a stream.
struct Message<'host> {
    stream: HttpStream<'host>,
    direction: usize,
}

impl<'host> Message<'host> {
    fn open(host: &'host RunningHost, direction: usize) -> Self {
        let stream = host.http_stream();
        if direction == RESPONSE {
            stream.request_headers(&HEADERS);
        }
        Self { stream, direction }
    }

    fn send(&self, piece: Piece) {
        let Self { stream, direction } = self;
        let _status = match (piece, *direction) {
            (Piece::OnlyHeaders, REQUEST) => stream.request_headers(&HEADERS),
            (Piece::OnlyHeaders, _) => stream.response_headers_only(&OK),
            (Piece::Headers, REQUEST) => stream.request_headers_with_body(&HEADERS),
            (Piece::Headers, _) => stream.response_headers(&OK),
            (Piece::Part(part), REQUEST) => stream.request_body(part, false),
            (Piece::Part(part), _) => stream.response_body(part, false),
            (Piece::Last, REQUEST) => stream.request_body("", true),
            (Piece::Last, _) => stream.response_body("", true),
            (Piece::Trailers, REQUEST) => stream.request_trailers(&TRAILERS),
            (Piece::Trailers, _) => stream.response_trailers(&TRAILERS),
        };
    }

    /// The parts that went on: the headers, the bytes of the body, and the end.
    fn sent(&self) -> (bool, Vec<u8>, bool) {
        let stream = &self.stream;
        if self.direction == REQUEST {
            (stream.reached_upstream(), stream.sent_request_body(), stream.sent_whole_request())
        } else {
            (stream.reached_client(), stream.sent_response_body(), stream.sent_whole_response())
        }
    }

    fn is_over(&self, status: u32) -> bool {
        self.stream.was_reset() || self.stream.reply().is_some_and(|reply| reply.status == status)
    }
}

/// Ends the wait.
fn end(host: &RunningHost, by: By, end: End) {
    if by == By::Sleep {
        return host.tick();
    }
    if by == By::GrpcClosure {
        let token = host.open_grpc()[0].token;
        return match end {
            End::Go | End::Leave => host.grpc_message(token, "go"),
            End::Reply => host.grpc_message(token, "reply"),
            End::Fail => host.grpc_message(token, "fail"),
            End::Reset => host.fail_grpc(token, 14, "reset"),
            End::TimeOut => host.time_out_grpc(token),
        };
    }
    let token = host.pending_calls()[0].token;
    match end {
        End::Go | End::Leave => host.answer_call(token, &OK, "go", &[]),
        End::Reply => host.answer_call(token, &OK, "reply", &[]),
        End::Fail => host.answer_call(token, &OK, "fail", &[]),
        End::Reset => host.fail_call(token),
        End::TimeOut => host.time_out_call(token),
    }
}

#[test]
fn whatever_holds_a_message_lets_it_go_or_refuses_it_in_the_end() {
    let mut played = 0;
    for (name, policies, places) in MODULES {
        for (is_open, module) in [false, true].into_iter().zip(policies) {
            for shows_body in [false, true] {
                let host = Host::new(module);
                let host = if shows_body { host.allow_on_headers_stop_iteration() } else { host }.start();
                for (at, message) in places.iter().flat_map(|at| MESSAGES.map(|message| (*at, message))) {
                    let Some(held) = at.of(message) else { continue };
                    for (by, how) in By::ALL.into_iter().flat_map(|by| End::ALL.map(|end| (by, end))) {
                        let is_told_more = by == By::Sleep && !matches!(how, End::Go | End::Leave);
                        if is_told_more || at == At::Trailers && by != By::Callback {
                            continue;
                        }
                        for (direction, last) in [REQUEST, RESPONSE]
                            .into_iter()
                            .flat_map(|direction| (held..message.len()).map(move |last| (direction, last)))
                        {
                            let what = format!(
                                "{name}, open {is_open}, shows {shows_body}: {message:?} of {direction} held at {at:?} by \
                                 {by:?}, {how:?} after {last}"
                            );
                            play(&host, (direction, at, by), message, last, how, is_open, &what);
                            played += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(played > 2_000, "{played}");
}

fn play(
    host: &RunningHost,
    (direction, at, by): (usize, At, By),
    message: &[Piece],
    last: usize,
    how: End,
    is_open: bool,
    what: &str,
) {
    PLAN.set(Some((direction, at, by)));
    host.clear_log();
    let of = Message::open(host, direction);
    let (before, after) = message.split_at(last + 1);
    before.iter().for_each(|piece| of.send(*piece));
    assert_eq!(PLAN.get(), None, "{what}: nothing was held");
    let passed = of.sent();
    let may_pass: &[u8] = if at == At::Trailers { b"onetwo" } else { b"" };
    assert_eq!((&*passed.1, passed.2), (may_pass, false), "{what}: it passed");
    assert!(!(at == At::Headers && passed.0), "{what}: the headers passed");
    if how == End::Leave {
        of.stream.complete();
        if by != By::GrpcClosure {
            end(host, by, how);
        }
        assert_eq!(LIVE.with(Rc::strong_count), 1, "{what}: something outlives its stream");
        return host.assert_no_calls().assert_no_log_at(LogLevel::Error).clear_log();
    }
    end(host, by, how);
    after.iter().for_each(|piece| of.send(*piece));
    let goes = how == End::Go || is_open && how != End::Reply;
    if goes {
        assert_eq!((of.stream.reply(), of.stream.was_reset()), (None, false), "{what}: {:?}", host.log());
        let body = if message.len() > 1 { "onetwo" } else { "" };
        assert_eq!(of.sent(), (true, body.into(), true), "{what}: {:?}", host.log());
    } else {
        assert!(of.is_over(if how == End::Reply { 403 } else { 500 }), "{what}: it hangs: {:?}", host.log());
        if direction == REQUEST {
            assert_eq!(of.sent().1, passed.1, "{what}: more passed");
        }
    }
    of.stream.complete();
    assert!(
        !goes || !host.log().iter().any(|line| line.text.contains("never resumed")),
        "{what}: the SDK takes it for paused"
    );
    assert_eq!(LIVE.with(Rc::strong_count), 1, "{what}: something outlives its stream");
    host.assert_no_calls();
}

/// Connections have one message, which comes in parts and has no trailers.
mod connection {
    use super::*;

    macro_rules! connection {
        ($name:ident, $policy:ident) => {
            pub(super) mod $name {
                use super::*;

                #[derive(Default)]
                struct Filter;

                #[sluicegate::tcp_filter(calls, tasks)]
                impl TcpFilter for Filter {
                    const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
                        let connection = data.connection();
                        let close = |_: &LocalResponse<'_>| Err(Error::new("refused"));
                        Ok(match plan(REQUEST, At::Body) {
                            None => FilterStatus::Held,
                            Some(By::Task) => connection.hold_while(ask())?,
                            Some(By::Sleep) => connection.hold_while(sleep())?,
                            Some(By::Closure) => {
                                let guard = LIVE.with(Rc::clone);
                                connection.hold_for_call(&ASK, move |_: &mut Self, _, answer| {
                                    let _guard = guard;
                                    judge(&answer?.body()?, close, Action::Continue)
                                })?
                            }
                            Some(By::GrpcClosure) => {
                                let guard = LIVE.with(Rc::clone);
                                connection.hold_for_grpc_call(&GRPC, move |_: &mut Self, _, answer| {
                                    let _guard = guard;
                                    judge(&answer?.message()?, close, Action::Continue)
                                })?
                            }
                            Some(By::Callback) => {
                                connection.call(&ASK)?;
                                FilterStatus::Pause
                            }
                        })
                    }

                    fn on_http_call_response(&mut self, connection: &mut TcpHandle<'_>, answer: &CallResponse) -> Result<()> {
                        judge(&answer.body()?, |_| Err(Error::new("refused")), ())?;
                        connection.resume_downstream()
                    }
                }

                sluicegate::plugin!(tcp: Filter);
            }
        };
    }

    connection!(closed, Closed);
    connection!(open, Open);
}

#[test]
fn whatever_holds_a_connection_lets_it_go_or_closes_it_in_the_end() {
    for (is_open, module) in [(false, &connection::closed::PLUGIN), (true, &connection::open::PLUGIN)] {
        let host = Host::new(module).start();
        for (by, how) in By::ALL.into_iter().flat_map(|by| End::ALL.map(|end| (by, end))) {
            if by == By::Sleep && !matches!(how, End::Go | End::Leave) {
                continue;
            }
            for more in [false, true] {
                let what = format!("{by:?}, {how:?}, more {more}, open {is_open}");
                PLAN.set(Some((REQUEST, At::Body, by)));
                let connection: TcpConnection<'_> = host.tcp_connection();
                assert_eq!(connection.downstream_data("one", false), 1, "{what}");
                if more {
                    assert_eq!(connection.downstream_data("two", false), 1, "{what}");
                }
                assert_eq!(connection.sent_upstream(), b"", "{what}");
                if how == End::Leave {
                    connection.complete();
                    if by != By::GrpcClosure {
                        end(&host, by, how);
                    }
                } else {
                    end(&host, by, how);
                    let goes = how == End::Go || is_open;
                    if goes && !more {
                        assert_eq!(connection.downstream_data("two", false), 0, "{what}");
                    }
                    assert_eq!(connection.sent_upstream(), if goes { &b"onetwo"[..] } else { b"" }, "{what}");
                    assert_eq!(connection.closed_downstream(), !goes, "{what}");
                    connection.complete();
                }
                assert_eq!(LIVE.with(Rc::strong_count), 1, "{what}: something outlives its connection");
                host.assert_no_calls();
            }
        }
    }
}

/// Envoy 1.36 leaves a part where an earlier one was kept and went on by a resume, unless a resume
/// of its own callback takes it on.
#[test]
fn a_part_behind_one_that_was_kept_and_resumed_goes_on_by_a_resume() {
    for direction in [REQUEST, RESPONSE] {
        for by in By::ALL {
            for message in [MESSAGES[1], MESSAGES[2]] {
                let host = Host::new(&parts::PLUGIN).start();
                PLAN.set(Some((direction, At::Body, by)));
                let of = Message::open(&host, direction);
                message[..2].iter().for_each(|piece| of.send(*piece));
                end(&host, by, End::Go);
                assert_eq!((of.sent().1, host.calls(Import::proxy_continue_stream)), (b"one".to_vec(), 1));
                of.send(message[2]);
                assert_eq!((of.sent().1, host.calls(Import::proxy_continue_stream)), (b"onetwo".to_vec(), 2), "{by:?}");
                of.send(Piece::Part("three"));
                of.send(message[3]);
                assert_eq!((of.sent().1, of.sent().2), (b"onetwothree".to_vec(), true), "{by:?}");
                assert_eq!(host.calls(Import::proxy_continue_stream), 2, "only the first part after it: {by:?}");
            }
        }
    }
}

/// Bodies that a filter pauses by itself, and cannot see the end of.
mod unseen {
    use super::*;

    macro_rules! waits {
        ($name:ident, $policy:ident $(, $argument:ident)?) => {
            pub(super) mod $name {
                use super::*;

                #[derive(Default)]
                struct Filter;

                #[sluicegate::http_filter$(($argument))?]
                impl HttpFilter for Filter {
                    const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
                        Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::Pause })
                    }

                    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
                        Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::Pause })
                    }
                }

                sluicegate::plugin!(http: Filter);
            }
        };
    }

    waits!(closed, Closed);
    waits!(open, Open);
    waits!(stateless, Closed, stateless);
}

/// Nothing pends that could let the body go, so nobody has judged it, and nobody will.
#[test]
fn a_pause_whose_end_the_filter_cannot_see_is_an_error() {
    for (module, passes) in [(&unseen::closed::PLUGIN, false), (&unseen::open::PLUGIN, true)] {
        for direction in [REQUEST, RESPONSE] {
            let host = Host::new(module).start();
            let of = Message::open(&host, direction);
            MESSAGES[2].iter().for_each(|piece| of.send(*piece));
            let callback = ["on_request_trailers", "on_response_trailers"][direction];
            assert!(host.log().iter().any(|line| line.text.starts_with(callback)), "{:?}", host.log());
            assert_eq!(of.sent().1, if passes { &b"onetwo"[..] } else { b"" });
            assert_eq!(of.is_over(500), !passes);
            // A body that ends by itself is judged.
            let of = Message::open(&host, direction);
            MESSAGES[1].iter().for_each(|piece| of.send(*piece));
            assert_eq!(of.sent(), (true, b"onetwo".to_vec(), true));
        }
    }
    // A filter that keeps nothing is told where it pauses: at the trailers nobody would know of
    // that.
    for direction in [REQUEST, RESPONSE] {
        let host = Host::new(&unseen::stateless::PLUGIN).start();
        let of = Message::open(&host, direction);
        MESSAGES[1].iter().for_each(|piece| of.send(*piece));
        assert!(of.is_over(500) && of.sent().1.is_empty(), "{:?}", host.log());
    }
}

/// Data that a proxy has joined to a kept part it does not drop by itself.
#[test]
fn a_part_that_is_dropped_does_not_come_back() {
    for direction in [REQUEST, RESPONSE] {
        let host = Host::new(&dropped::PLUGIN).start();
        let of = Message::open(&host, direction);
        MESSAGES[1].iter().for_each(|piece| of.send(*piece));
        assert_eq!(of.sent(), (true, b"".to_vec(), true));
    }
}

mod dropped {
    use super::*;

    #[derive(Default)]
    struct Filter(u32);

    impl Filter {
        /// Keeps a part, takes both, and lets the rest go on.
        fn next(&mut self) -> DataAction {
            self.0 += 1;
            [DataAction::StopIterationAndBuffer, DataAction::StopIterationNoBuffer, DataAction::Continue]
                [self.0 as usize - 1]
        }
    }

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        fn on_request_body(&mut self, _: &mut RequestBody<'_>) -> Result<DataAction> {
            Ok(self.next())
        }

        fn on_response_body(&mut self, _: &mut ResponseBody<'_>) -> Result<DataAction> {
            Ok(self.next())
        }
    }

    sluicegate::plugin!(http: Filter);
}
