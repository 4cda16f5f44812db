//! The things that the VMs and plugins of one proxy share, and those that they do not.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::queue::Queue;
use sluicegate::{property, shared_data, time};
use sluicegate_host::{Fault, Host, Map, RunningHost};

mod sender {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Sender;

    #[sluicegate::http_filter]
    impl HttpFilter for Sender {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let item = request.get(":path")?.unwrap_or_default().as_bytes().to_vec();
            let queue = Queue::resolve("receiver", "items")?.ok_or_else(|| Error::new("no such queue"))?;
            queue.enqueue(item)?;
            shared_data::set("key", "the sender's")?;
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Sender);
}

mod receiver {
    use super::*;

    pub(crate) struct Receiver {
        name: String,
        ticks: Cell<u32>,
    }

    #[sluicegate::plugin_context]
    impl PluginContext for Receiver {
        fn create((): &(), _: u32) -> Self {
            let name = property::get(&["plugin_root_id"]).ok().flatten();
            let name = name.map(|name| name.text().display().to_string()).unwrap_or_default();
            Self { name, ticks: Cell::new(0) }
        }

        fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
            info!("{} configured with {} bytes", self.name, plugin.configuration()?.len());
            if self.name == "first" {
                Queue::register("items")?;
            }
            plugin.set_tick_period(Duration::from_millis(if self.name == "first" { 100 } else { 250 }))?;
            Ok(StartStatus::Ok)
        }

        fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
            self.ticks.set(self.ticks.get() + 1);
            info!("{} tick {} at {}", self.name, self.ticks.get(), time::now()?.as_millis() % 1000);
            Ok(())
        }

        fn on_queue_ready(&mut self, _: &mut PluginHandle<'_>, queue: Queue) -> Result<()> {
            if let Some(item) = queue.dequeue()? {
                info!("{} got {}", self.name, ByteStr::new(&item).display());
            }
            Ok(())
        }
    }

    sluicegate::plugin!(plugin: Receiver);
}

#[test]
fn vms_share_queues_and_the_clock_and_keep_their_data_apart() {
    let receiver = Host::new(&receiver::PLUGIN).vm_id("receiver").root_id("first").start();
    let sender = Host::new(&sender::PLUGIN).vm_id("sender").start_in_same_proxy(&receiver);
    let stream = sender.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/a")]), 0);
    stream.complete();
    assert_eq!(sender.deliver_queues(), 0, "another VM's queue");
    assert_eq!(receiver.deliver_queues(), 1);
    assert!(receiver.log().iter().any(|line| line.text == "first got /a"), "{:?}", receiver.log());
    assert_eq!(sender.shared_data("key").as_deref(), Some(&b"the sender's"[..]));
    assert_eq!(receiver.shared_data("key"), None);
    // The first VM is not disturbed by the end of the other.
    drop(sender);
    receiver.tick();
    assert!(receiver.log().iter().any(|line| line.text.starts_with("first tick 1")));
}

#[test]
fn a_queue_is_missing_where_its_vm_is_not() {
    let sender = Host::new(&sender::PLUGIN).start();
    let stream = sender.http_stream();
    stream.request_headers(&[(":path", "/a")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[test]
fn plugins_of_a_vm_have_their_own_configuration_and_ticks() {
    let host = Host::new(&receiver::PLUGIN).root_id("first").plugin_configuration("1").start();
    let second = host.add_plugin("second", "22");
    assert!(host.started() && second.started());
    assert_eq!((host.plugin().id(), second.id()), (1, 2));
    assert_eq!(second.tick_period(), Some(Duration::from_millis(250)));
    host.clear_log();
    host.advance(Duration::from_millis(300));
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["first tick 1 at 100", "first tick 2 at 200", "second tick 1 at 250", "first tick 3 at 300"]);
    assert!(second.finish() && host.finish());
}

#[test]
fn each_way_to_go_wrong_is_seen_by_the_guest() {
    let get = |fault: Option<Fault>| {
        let host = Host::new(&sender::PLUGIN).start();
        host.set_property(&["text"], "value");
        if let Some(fault) = fault {
            host.fault(0, fault);
        }
        let property = property::get(&["text"]);
        (
            property.map(|value| value.map(|value| value.into_bytes().to_vec())).map_err(|error| error.status()),
            host.trapped(),
        )
    };
    assert_eq!(get(None), (Ok(Some(b"value".to_vec())), None));
    assert_eq!(get(Some(Fault::Status(10))).0, Err(Some(Status::InternalFailure)));
    assert_eq!(get(Some(Fault::Truncated)).0, Ok(Some(b"va".to_vec())));
    assert_eq!(get(Some(Fault::Garbage)).0, Ok(Some(vec![0xff; 5])));
    for fault in [Fault::Null, Fault::Empty] {
        assert_eq!(get(Some(fault)).0, Ok(Some(Vec::new())));
    }
    assert!(get(Some(Fault::Oversized)).0.is_err());
}

#[test]
fn a_fault_is_for_one_call_and_the_record_shows_it() {
    let host = Host::new(&sender::PLUGIN).start();
    host.fault(1, Fault::Status(99));
    host.record();
    let now = || time::now().is_ok();
    assert_eq!([now(), now(), now()], [true, false, true]);
    let calls: Vec<_> = host.recorded().iter().map(|call| (call.import, call.status, call.writes_numbers)).collect();
    let clock = Import::proxy_get_current_time_nanoseconds;
    assert_eq!(calls, [(clock, 0, true), (clock, 99, false), (clock, 0, true)]);
    host.fault(0, Fault::Status(1));
    host.clear_faults();
    assert!(now());
}

mod counts {
    use super::*;
    use sluicegate::metric::Counter;

    #[derive(Default)]
    pub(crate) struct Counts;

    #[sluicegate::http_filter]
    impl HttpFilter for Counts {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            // Each VM has its own numbers: this one's first is another metric in every second
            // request.
            if request.get("x-first")?.is_some() {
                Counter::define("first")?;
            }
            let requests = Counter::define("requests")?;
            requests.increment(1)?;
            info!("{}", requests.value()?);
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Counts);
}

#[test]
fn a_metric_is_one_for_all_vms_of_a_proxy() {
    let first = Host::new(&sender::PLUGIN).vm_id("first").start();
    assert_eq!(first.counter("requests"), None);
    let second = Host::new(&counts::PLUGIN).vm_id("second").start_in_same_proxy(&first);
    let request = |headers: &[(&str, &str)]| second.http_stream().request_headers(headers);
    assert_eq!((request(&[("x-first", "1")]), request(&[])), (0, 0));
    assert!(second.logged(sluicegate::LogLevel::Info, "2"), "{:?}", second.log());
    assert_eq!((first.counter("requests"), second.counter("requests")), (Some(2), Some(2)));
    // The counts of a VM stay when the VM is gone.
    drop(second);
    let third = Host::new(&counts::PLUGIN).vm_id("third").start_in_same_proxy(&first);
    third.http_stream().request_headers(&[("a", "b")]);
    assert_eq!(first.counter("requests"), Some(3));
    assert_eq!(Host::new(&counts::PLUGIN).start().counter("requests"), None, "another proxy");
}

#[test]
fn what_is_asked_of_the_proxy_is_what_a_filter_would_get() {
    let host = Host::new(&counts::PLUGIN).root_id("root").start();
    host.set_property(&["xds", "cluster_name"], "backend");
    assert_eq!(host.property(&["plugin_root_id"]).as_deref(), Some(&b"root"[..]));
    assert_eq!(host.property(&["request", "path"]), None);
    let stream = host.http_stream();
    stream.request_headers(&[(":method", "GET"), (":path", "/a"), (":authority", "a")]);
    // The headers have gone on, and come back for the access log.
    assert_eq!(stream.property(&["request", "path"]), None);
    assert_eq!(stream.property(&["xds", "cluster_name"]).as_deref(), Some(&b"backend"[..]));
    let queue = host.register_queue("", "q");
    assert!(host.enqueue(queue, "a") && host.enqueue(queue, "b"));
    assert_eq!((host.queue_len(queue), host.queue_len(99)), (2, 0));
    assert_eq!((host.resolve_queue("", "q"), host.resolve_queue("", "r")), (Some(queue), None));
}

fn message(check: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(check).expect_err("the check fails");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn a_failed_assertion_shows_what_is_there() {
    type Check = fn(&sluicegate_host::HttpStream<'_>);
    let fails = |check: Check| {
        message(move || {
            let host = Host::new(&counts::PLUGIN).start();
            let stream = host.http_stream();
            stream.request_headers(&[(":path", "/a"), ("x-b", "c")]);
            stream.assert_passed().assert_request_header("x-b", "c").assert_request_header("x-d", None);
            host.assert_logged(sluicegate::LogLevel::Info, "1").assert_no_log_at(sluicegate::LogLevel::Warn);
            check(&stream);
        })
    };
    let checks: [(Check, &[&str]); 5] = [
        (
            |stream| {
                stream.assert_reply(403);
            },
            &["no local reply with status 403: the request passed", "the log:\n  Info 1"],
        ),
        (
            |stream| {
                stream.assert_held();
            },
            &["the request passed"],
        ),
        (
            |stream| {
                stream.assert_request_header("x-b", "d");
            },
            &["the request's x-b", "  :path: /a\n  x-b: c"],
        ),
        (
            |stream| {
                stream.assert_response_header("x", "y");
            },
            &["the response's x", "there are no headers"],
        ),
        (
            |stream| {
                stream.assert_request_body("b");
            },
            &["what the upstream got", "should be: b"],
        ),
    ];
    for (check, parts) in checks {
        let text = fails(check);
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let text = message(|| {
        let host = Host::new(&counts::PLUGIN).start();
        host.http_stream().request_headers(&[("a", "b")]);
        host.assert_no_log_at(sluicegate::LogLevel::Info);
    });
    assert!(text.contains("a line of Info or worse"), "{text}");
}

mod calls {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Calls;

    #[sluicegate::http_filter]
    impl HttpFilter for Calls {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
            request.call(&HttpCall::new("a").headers(&headers).timeout(Duration::from_millis(500)))?;
            Ok(Action::Pause)
        }

        fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, answer: &CallResponse) -> Result<()> {
            let status = answer.headers()?.get(":status").and_then(|status| status.to_str().ok()).map(str::to_owned);
            info!("{status:?} at {}", time::now()?.as_millis() % 1000);
            stream.resume_request()
        }
    }

    sluicegate::plugin!(http: Calls);
}

#[test]
fn a_call_that_nobody_answers_times_out() {
    let host = Host::new(&calls::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.advance(Duration::from_millis(499));
    stream.assert_held();
    // Times out by the time that passed, whatever the clock says.
    host.set_time(Duration::from_secs(1));
    host.advance(Duration::from_millis(200));
    stream.assert_passed();
    host.assert_logged(sluicegate::LogLevel::Info, "Some(\"504\") at 1").assert_no_calls();
    // One that was answered does not.
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    host.clear_log();
    host.advance(Duration::from_secs(1));
    assert_eq!(host.log(), []);
}

#[test]
fn ticks_go_by_the_time_that_passes() {
    let first = Host::new(&receiver::PLUGIN).vm_id("receiver").root_id("first").start();
    let ticks = |host: &RunningHost| host.log().iter().filter(|line| line.text.contains(" tick ")).count();
    // The clock is set far ahead, and back: no tick comes of it, and none is lost.
    first.set_time(Duration::from_secs(4_000_000_000));
    first.advance(Duration::from_millis(100));
    assert_eq!(ticks(&first), 1);
    first.set_time(Duration::from_secs(1));
    first.advance(Duration::from_millis(100));
    assert_eq!(ticks(&first), 2);
    // Time that passes in one VM passes in all, and what came due meanwhile comes once.
    let other = Host::new(&calls::PLUGIN).start_in_same_proxy(&first);
    other.advance(Duration::from_secs(1));
    assert_eq!(ticks(&first), 2);
    first.advance(Duration::ZERO);
    assert_eq!(ticks(&first), 3);
    first.advance(Duration::from_millis(100));
    assert_eq!(ticks(&first), 4);
}

#[test]
fn what_vms_of_an_id_share_ends_with_the_last_of_them() {
    let first = Host::new(&sender::PLUGIN).vm_id("a").start();
    let second = Host::new(&counts::PLUGIN).vm_id("b").start_in_same_proxy(&first);
    second.set_shared_data("k", "v");
    let queue = second.register_queue("", "q");
    assert!(second.enqueue(queue, "item"));
    let third = Host::new(&calls::PLUGIN).vm_id("b").start_in_same_proxy(&first);
    drop(second);
    assert_eq!((third.shared_data("k").as_deref(), third.queue_len(queue)), (Some(&b"v"[..]), 1));
    drop(third);
    let again = Host::new(&calls::PLUGIN).vm_id("b").start_in_same_proxy(&first);
    assert_eq!((again.shared_data("k"), again.queue_len(queue)), (None, 0));
    assert!(!again.enqueue(queue, "item") && again.register_queue("", "q") > queue);
}

#[test]
fn a_module_of_this_process_is_one_vm_at_a_time() {
    let first = Host::new(&calls::PLUGIN).start();
    let second = Host::new(&calls::PLUGIN).start();
    let request = |host: &RunningHost| host.http_stream().request_headers(&[(":path", "/")]);
    assert_eq!(request(&second), Action::Pause as u32);
    let old = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| request(&first)));
    assert!(old.unwrap_err().downcast_ref::<String>().unwrap().contains("one VM at a time"));
    // Its end is not the end of the other's contexts.
    let stream = second.http_stream();
    drop(first);
    stream.request_headers(&[(":path", "/")]);
    second.answer_call(second.pending_calls()[1].token, &[(":status", "200")], "", &[]);
    stream.assert_passed();
}

#[test]
fn a_stream_has_properties_of_its_own() {
    let host = Host::new(&counts::PLUGIN).start();
    host.set_property(&["response", "code_details"], "all");
    let (one, two) = (host.http_stream(), host.http_stream());
    one.set_property(&["response", "code_details"], "one");
    let details = |stream: &sluicegate_host::HttpStream<'_>| stream.property(&["response", "code_details"]).unwrap();
    assert_eq!((details(&one), details(&two)), (b"one".to_vec(), b"all".to_vec()));
}

#[test]
fn what_repeats_is_joined_where_envoy_joins_it() {
    let host = Host::new(&counts::PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("via", "1"), ("x", "1"), ("via", "2"), ("x", "2"), ("host", "h")]);
    assert_eq!(stream.request_map(), Map::new(&[(":authority", "h"), ("via", "1,2"), ("x", "1"), ("x", "2")]));
}
