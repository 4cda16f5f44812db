//! Calls that a callback cannot make after another call in the same entry into the VM, made by
//! itself or by a context that it woke.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::task::{self, Notify};
use sluicegate_host::{Host, HttpStream, RunningHost};

const GET: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

#[derive(Default)]
struct Plugin {
    told: Rc<Notify>,
    held: RefCell<Vec<u32>>,
    /// The stream whose log callback the host calls within the next gRPC event.
    nested: Cell<Option<u32>>,
}

/// The actions of the plugin's functions, by number.
const FAIL_AND_TELL: u32 = 0;
const TELL: u32 = 1;
const REPLY_AND_RESET: u32 = 2;
const RESET: u32 = 3;
const RESUME_ALL: u32 = 4;
const NEST: u32 = 5;
const ANSWER_ALL: u32 = 6;
const RESUME_ALL_AND_TELL: u32 = 7;
const START_TIMERS: u32 = 8;

impl Plugin {
    /// Does something with each held stream, and keeps those for which it fails.
    fn with_all(&self, mut with: impl FnMut(u32) -> Result<()>) -> Result<()> {
        let (mut refused, mut why) = (Vec::new(), None);
        for stream in self.held.take() {
            if let Err(error) = with(stream) {
                refused.push(stream);
                why = Some(error);
            }
        }
        self.held.replace(refused);
        why.map_or(Ok(()), Err)
    }

    fn resume_all(&self, plugin: &PluginHandle<'_>) -> Result<()> {
        self.with_all(|stream| plugin.resume_request(stream))
    }

    fn answer_all(&self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        self.with_all(|stream| plugin.with_http_stream(stream, |stream| stream.reply(&LocalResponse::new(403))))
    }
}

#[sluicegate::plugin_context(tasks, timers)]
impl PluginContext for Plugin {
    fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_foreign_function(&mut self, plugin: &mut PluginHandle<'_>, function: u32) -> Result<()> {
        let reply = LocalResponse::new(403);
        let first = self.held.borrow().first().copied().unwrap_or_default();
        match function {
            FAIL_AND_TELL => {
                assert!(plugin.call::<_, _, &str>(&HttpCall::new("idle").headers(&GET)).is_err());
                self.told.notify_all();
            }
            TELL => self.told.notify_all(),
            NEST => self.nested.set(Some(first)),
            REPLY_AND_RESET => plugin.with_http_stream(first, |stream| {
                stream.reply(&reply)?;
                stream.reset()
            })?,
            RESET => plugin.with_http_stream(first, |stream| stream.reset())?,
            RESUME_ALL => return self.resume_all(plugin),
            ANSWER_ALL => return self.answer_all(plugin),
            RESUME_ALL_AND_TELL => {
                let resumed = self.resume_all(plugin);
                self.told.notify_all();
                return resumed;
            }
            START_TIMERS => {
                for name in ["one", "two"] {
                    plugin.run_after(name, Duration::from_millis(10), |this: &mut Self, plugin| {
                        this.resume_all(plugin)
                    })?;
                }
                plugin
                    .run_after("three", Duration::from_millis(10), |this: &mut Self, plugin| this.answer_all(plugin))?;
            }
            other => panic!("{other}"),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.plugin().held.borrow_mut().push(request.id());
        let told = request.plugin().told.clone();
        match request.get("x-waits")? {
            None => return Ok(Action::Pause),
            Some(once) if once == "once" => {
                return request.hold_while(async move {
                    told.notified().await?;
                    Ok(Action::Continue)
                });
            }
            Some(_) => {}
        }
        request.hold_while(async move {
            loop {
                told.notified().await?;
                let open = |_: &mut Self, stream: &mut HttpHandle<'_, Plugin>| {
                    stream.grpc_stream("auth", "Service", "Method", &[]).map(drop)
                };
                match task::with_filter(open).await? {
                    Ok(()) => info!("opened"),
                    Err(error) => info!("{error}"),
                }
            }
        })
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Plugin>, event: &GrpcEvent) -> Result<()> {
        if !matches!(event.kind(), GrpcEventKind::Closed(_)) {
            return Ok(());
        }
        // The cluster has lost its hosts meanwhile.
        let opened = stream.grpc_stream("idle", "Service", "Method", &[]).map(drop);
        if let Some(other) = stream.plugin().nested.take() {
            PLUGIN.proxy_on_log.expect("the filter has it")(other);
            stream.plugin().told.notify_all();
        }
        opened
    }

    fn on_log(&mut self, _: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        info!("logged");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn start() -> RunningHost {
    Host::new(&PLUGIN).clusters(["auth", "idle"]).cluster_without_hosts("idle").start()
}

fn held(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    stream.request_headers_with_body(&GET);
    stream
}

/// The errors of the plugin since the last time.
fn errors(host: &RunningHost) -> Vec<String> {
    let errors = host.log().into_iter().filter(|line| line.level == LogLevel::Error).map(|line| line.text).collect();
    host.clear_log();
    errors
}

#[test]
fn a_woken_task_opens_no_grpc_stream_behind_anothers_failed_call() {
    let host = start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-waits", "1")]);
    host.call_function(FAIL_AND_TELL, "");
    let refused = "proxy_grpc_stream (cluster auth): another call of this callback has failed: open it later";
    host.assert_logged(LogLevel::Info, refused);
    assert_eq!(host.calls(Import::proxy_grpc_stream), 0);
    host.call_function(TELL, "");
    host.assert_logged(LogLevel::Info, "opened");
    assert_eq!(host.calls(Import::proxy_grpc_stream), 1);
    assert_eq!(host.harm(), None);
}

/// A host that calls back into another stream within the callback begins no new entry.
#[test]
fn a_nested_callback_does_not_hide_a_failed_call() {
    let host = start();
    let _other = held(&host);
    let streams = [(); 2].map(|()| {
        let stream = host.http_stream();
        stream.request_headers(&[(":path", "/"), ("x-waits", "1")]);
        stream
    });
    host.call_function(TELL, "");
    assert_eq!(host.calls(Import::proxy_grpc_stream), 2);
    host.call_function(NEST, "");
    host.grpc_close(host.open_grpc()[0].token, 14, "gone");
    host.assert_logged(LogLevel::Info, "logged");
    assert_eq!(host.calls(Import::proxy_grpc_stream), 3, "only the one that failed: {:?}", host.log());
    assert_eq!(host.harm(), None);
    streams.into_iter().for_each(HttpStream::complete);
}

/// Envoy tells of a stream that failed at once when the callback has returned. A filter that opens
/// the next one whenever it is told would be told of that one too, without an end.
#[test]
fn a_grpc_stream_that_fails_at_once_is_an_error_and_no_event() {
    let host = start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-waits", "1")]);
    host.call_function(TELL, "");
    let open = host.open_grpc();
    host.grpc_close(open[0].token, 14, "gone");
    assert_eq!(host.calls(Import::proxy_grpc_stream), 2);
    let told = errors(&host);
    assert!(told.len() == 1 && told[0].contains("no healthy host"), "{told:?}");
    assert_eq!(host.harm(), None);
    stream.complete();
}

#[test]
fn a_stream_that_is_answered_is_not_reset_in_the_same_callback() {
    let host = start();
    let stream = held(&host);
    host.call_function(REPLY_AND_RESET, "");
    assert_eq!(errors(&host).len(), 1);
    assert_eq!(host.calls(Import::proxy_close_stream), 0);
    assert!(stream.reply().is_some());
    // A later callback can.
    host.call_function(RESET, "");
    assert_eq!((errors(&host).len(), host.calls(Import::proxy_close_stream)), (0, 1));
    stream.complete();
}

/// Envoy carries out each resume and each reply within the one before, on one stack.
#[test]
fn a_callback_lets_so_many_streams_go_on_and_a_later_one_the_rest() {
    for function in [RESUME_ALL, ANSWER_ALL] {
        let host = start();
        let streams: Vec<_> = (0..300).map(|_| held(&host)).collect();
        for wanted in [128, 256] {
            host.call_function(function, "");
            assert_eq!(gone(&streams), wanted);
            let told = errors(&host);
            assert!(told.len() == 1 && told[0].contains("has resumed or replied to 128 streams already"), "{told:?}");
        }
        host.call_function(function, "");
        assert_eq!((gone(&streams), errors(&host).len()), (300, 0));
    }
}

/// Returns how many streams go on, to the upstream or with a reply.
fn gone(streams: &[HttpStream<'_>]) -> usize {
    streams.iter().filter(|stream| stream.reached_upstream() || stream.reply().is_some()).count()
}

/// The timers of one tick run in one entry, and share what it may ask for.
#[test]
fn the_timers_of_a_tick_let_no_more_streams_go_on_than_one_callback() {
    let host = start();
    let streams: Vec<_> = (0..300).map(|_| held(&host)).collect();
    for wanted in [128, 256, 300] {
        host.call_function(START_TIMERS, "");
        host.advance(Duration::from_millis(20));
        assert_eq!(gone(&streams), wanted, "{:?}", host.log());
    }
    assert_eq!(host.harm(), None);
}

/// A task that ends behind a callback which has let many streams go on waits for a tick: its stream
/// is nobody's to resume later.
#[test]
fn tasks_that_end_behind_many_resumes_let_their_streams_go_on_at_a_tick() {
    for others in [0, 120, 127, 128, 200] {
        let host = start();
        let streams: Vec<_> = (0..others).map(|_| held(&host)).collect();
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let stream = host.http_stream();
                stream.request_headers(&[(":path", "/"), ("x-waits", "once")]);
                stream
            })
            .collect();
        host.call_function(RESUME_ALL_AND_TELL, "");
        let at_once = gone(&streams) + gone(&waiting);
        assert!(at_once <= 128, "{at_once}");
        for _ in 0..3 {
            host.advance(Duration::from_millis(20));
        }
        assert_eq!(gone(&waiting), waiting.len(), "{others}: {:?}", host.log());
        assert!(waiting.iter().all(|stream| stream.reply().is_none()), "{others}");
    }
}
