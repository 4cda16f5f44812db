//! `async` tasks: they hold their stream, take turns, and go with it; nothing stays behind.
#![allow(unsafe_code, reason = "the test counts allocations")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, abi::Import, task};
use sluicegate_host::{Host, RunningHost};

/// Counts live bytes.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static LIVE: Rc<()> = Rc::new(());
}

#[global_allocator]
static GLOBAL: Counting = Counting;

fn count(bytes: isize) {
    // A thread that ends has no counter any more.
    let _ = BYTES.try_with(|live| live.set(live.get() + bytes));
}

// SAFETY: `System` does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(-layout.size().cast_signed());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) };
    }
}

fn guard() -> Rc<()> {
    LIVE.with(Rc::clone)
}

/// The number of tasks that hold a guard.
fn live() -> usize {
    LIVE.with(Rc::strong_count) - 1
}

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];

fn call(cluster: &str) -> HttpCall<'_, &'static str, &'static str> {
    HttpCall::new(cluster).headers(&HEADERS)
}

#[derive(Default)]
struct Plugin {
    done: Cell<u32>,
}

#[sluicegate::plugin_context(tasks)]
impl PluginContext for Plugin {
    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, _: u32) -> Result<()> {
        plugin.spawn(async {
            task::sleep(Duration::from_millis(30)).await?;
            let answer = call("plugin").send().await?;
            task::with_plugin(move |plugin: &mut Plugin, handle| {
                plugin.done.set(plugin.done.get() + 1);
                info!("plugin {} has {} bytes", handle.id(), answer.body().len());
            })
            .await
        })
    }
}

#[derive(Default)]
struct Filter {
    user: String,
}

/// Wakes itself a few times, as futures of other crates do.
async fn yields(times: u32) {
    let mut left = times;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let path = request.get(":path")?.unwrap_or_default().to_str().unwrap_or_default().to_owned();
        let guard = guard();
        request.hold_while(async move {
            let _guard = guard;
            match &*path {
                "/at-once" => {
                    yields(3).await;
                    let id = task::with_filter(|_: &mut Self, stream| stream.id()).await?;
                    info!("{id} at once");
                    Ok(Action::Continue)
                }
                "/reply-at-once" => task::reply(&LocalResponse::new(418)),
                "/fail" => Err(Error::new("told to fail")),
                "/sleep" => {
                    task::sleep(Duration::from_millis(20)).await?;
                    Ok(Action::Continue)
                }
                "/join" => {
                    let (first, second) = task::join(call("first").send(), call("second").send()).await;
                    info!("joined {:?} {:?}", &**first?.body(), &**second?.body());
                    Ok(Action::Continue)
                }
                "/grpc" => {
                    let message = GrpcCall::new("cluster", "Service", "Get").message("?").send().await?;
                    info!("message {message:?}");
                    Ok(Action::Continue)
                }
                "/cluster" => {
                    let failure = call("unknown").send().await.expect_err("no such cluster");
                    info!("{failure:?}");
                    Err(failure.into())
                }
                _ => {
                    let auth = call("auth").send().await?;
                    if auth.status() != Some(200) {
                        return task::reply(&LocalResponse::new(403));
                    }
                    let user = auth.body().to_vec();
                    let room = call("room").send().await?;
                    task::with_filter(move |filter: &mut Self, stream| {
                        filter.user = String::from_utf8_lossy(&user).into_owned();
                        stream.plugin().done.set(stream.plugin().done.get() + 1);
                        stream.edit_request_headers().add("x-room", &**room.body())
                    })
                    .await??;
                    Ok(Action::Continue)
                }
            }
        })
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        body.hold_while(async {
            call("body").send().await?;
            Ok(Action::Continue)
        })
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        let user = self.user.clone();
        response.stream().spawn(async move {
            call("log").send().await?;
            info!("logged {user}");
            Err(Error::new("told to fail"))
        })?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn answer(host: &RunningHost, cluster: &str, headers: &[(&str, &str)], body: &str) {
    let calls = host.pending_calls();
    let call = calls.iter().find(|call| call.cluster == cluster).unwrap_or_else(|| panic!("{cluster}: {calls:?}"));
    host.answer_call(call.token, headers, body, &[]);
}

#[test]
fn a_task_holds_its_stream_through_two_calls() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/")]), Action::StopIteration as u32);
    answer(&host, "auth", &OK, "ann");
    assert!(!stream.request_resumed());
    answer(&host, "room", &OK, "seven");
    assert!(stream.request_resumed());
    assert_eq!(stream.request_header("x-room").as_deref(), Some("seven"));
    assert_eq!(live(), 0);

    assert_eq!(stream.response_headers(&OK), 0);
    answer(&host, "log", &OK, "");
    assert!(host.logged(LogLevel::Info, "logged ann"));
    assert!(host.logged(LogLevel::Error, "task (context 2): told to fail"));
    assert_eq!(stream.reply(), None, "it held nothing");
}

#[test]
fn a_task_may_reply() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    answer(&host, "auth", &[(":status", "401")], "");
    assert_eq!(stream.reply().map(|reply| reply.status), Some(403));
    assert!(!stream.request_resumed());
}

#[test]
fn a_task_that_ends_at_once_lets_go_by_the_callbacks_answer() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/at-once")]), Action::Continue as u32);
    assert!(!stream.request_resumed(), "there was nothing to resume");
    assert!(host.logged(LogLevel::Info, &format!("{} at once", stream.id())));
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/reply-at-once")]), Action::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(418));
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/fail")]), Action::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert!(host.logged(LogLevel::Error, "task (context 4): told to fail"));
}

#[test]
fn streams_take_turns() {
    let host = Host::new(&PLUGIN).start();
    let streams: Vec<_> = (0..5).map(|_| host.http_stream()).collect();
    for stream in &streams {
        stream.request_headers(&[(":path", "/")]);
    }
    let calls = host.pending_calls();
    for at in [3, 0, 4, 1, 2] {
        host.answer_call(calls[at].token, &OK, format!("user {at}"), &[]);
    }
    let calls = host.pending_calls();
    assert_eq!(calls.len(), 5);
    for (call, at) in calls.iter().zip([3, 0, 4, 1, 2]) {
        assert!(!streams[at].request_resumed());
        host.answer_call(call.token, &OK, format!("room {at}"), &[]);
        assert!(streams[at].request_resumed());
        assert_eq!(streams[at].request_header("x-room").as_deref(), Some(&*format!("room {at}")));
    }
    assert_eq!(live(), 0);
}

#[test]
fn two_calls_at_once_are_both_readable_when_the_last_is_answered() {
    for order in [["first", "second"], ["second", "first"]] {
        let host = Host::new(&PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&[(":path", "/join")]);
        for cluster in order {
            assert!(!stream.request_resumed());
            answer(&host, cluster, &OK, &cluster[..1]);
        }
        assert!(stream.request_resumed());
        assert!(host.logged(LogLevel::Info, "joined [102] [115]"), "{:?}", host.log());
    }
}

#[test]
fn a_task_goes_with_its_stream() {
    let host = Host::new(&PLUGIN).start();
    let (stream, other) = (host.http_stream(), host.http_stream());
    stream.request_headers(&[(":path", "/")]);
    other.request_headers(&[(":path", "/grpc")]);
    assert_eq!((live(), host.open_grpc().len()), (2, 1));
    stream.complete();
    other.complete();
    assert_eq!((live(), host.open_grpc().len()), (0, 0), "the gRPC call is cancelled");
    host.clear_log();
    answer(&host, "auth", &OK, "late");
    assert_eq!(host.log(), []);
}

#[test]
fn a_task_sleeps_over_the_plugins_tick() {
    let host = Host::new(&PLUGIN).start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.request_headers(&[(":path", "/sleep")]);
    assert_eq!(host.tick_period(), Some(Duration::from_millis(20)));
    second.request_headers(&[(":path", "/sleep")]);
    host.tick();
    assert!(first.request_resumed() && second.request_resumed(), "both are due");
    assert_eq!(host.tick_period(), None, "nothing is left to wait for");

    let gone = host.http_stream();
    gone.request_headers(&[(":path", "/sleep")]);
    gone.complete();
    host.tick();
    assert_eq!((host.tick_period(), live()), (None, 0));
}

#[test]
fn a_grpc_call_is_awaited_and_a_failure_has_a_name() {
    let host = Host::new(&PLUGIN).start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.request_headers(&[(":path", "/grpc")]);
    second.request_headers(&[(":path", "/grpc")]);
    let calls = host.open_grpc();
    host.grpc_message(calls[0].token, "hello");
    assert!(first.request_resumed());
    assert!(host.logged(LogLevel::Info, "message \"hello\""));
    host.grpc_close(calls[1].token, 4, "");
    assert!(host.logged(LogLevel::Error, "task (context 3): the gRPC call timed out"));
    assert_eq!(second.reply().map(|reply| reply.status), Some(500));

    host.fail(Import::proxy_http_call, Status::BadArgument);
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/cluster")]);
    assert!(host.logged(LogLevel::Info, "NoSuchCluster"), "{:?}", host.log());
    assert!(host.logged(LogLevel::Error, "task (context 4): no such cluster"));
}

#[test]
fn a_body_is_held_and_a_plugin_has_tasks_too() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_body("body", true), DataAction::StopIterationAndBuffer as u32);
    assert_eq!(stream.sent_request_body(), b"");
    answer(&host, "body", &OK, "");
    assert_eq!(stream.sent_request_body(), b"body");

    host.call_function(1, "");
    assert_eq!(host.tick_period(), Some(Duration::from_millis(30)));
    host.tick();
    answer(&host, "plugin", &OK, "12345");
    assert!(host.logged(LogLevel::Info, "plugin 1 has 5 bytes"), "{:?}", host.log());
}

#[test]
fn an_await_outside_of_a_task_is_an_error() {
    let mut sleep = std::pin::pin!(task::sleep(Duration::from_millis(1)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(matches!(sleep.as_mut().poll(&mut context), Poll::Ready(Err(_))));
    assert!(task::reply(&LocalResponse::new(403)).is_err());
}

#[test]
fn every_byte_comes_back() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Critical).start();
    let round = || {
        let streams: Vec<_> = (0..if cfg!(miri) { 5 } else { 40 }).map(|_| host.http_stream()).collect();
        for (at, stream) in streams.iter().enumerate() {
            let path = ["/", "/join", "/sleep", "/grpc", "/at-once"][at % 5];
            stream.request_headers(&[(":path", path)]);
        }
        host.tick();
        // Every other one is answered, and the rest go with their streams.
        for (at, call) in host.pending_calls().iter().enumerate() {
            if at % 2 == 0 {
                host.answer_call(call.token, &OK, "body", &[]);
            }
        }
        for stream in streams {
            stream.complete();
        }
        // The proxy answers all calls in the end.
        while let Some(call) = host.pending_calls().first() {
            host.answer_call(call.token, &OK, "late", &[]);
        }
        host.clear_log();
    };
    // Tables of the SDK and of the host are made, and the host counts calls in them.
    for _ in 0..3 {
        round();
    }
    let before = BYTES.get();
    for _ in 0..if cfg!(miri) { 2 } else { 30 } {
        round();
    }
    assert_eq!(BYTES.get(), before);
    assert_eq!(live(), 0);
}
