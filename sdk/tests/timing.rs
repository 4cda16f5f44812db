//! The cost of callbacks: time, host calls and allocations, as metrics and as lines.

use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, abi::Import};
use sluicegate_host::Host;

/// The allocator that `plugin!` installs on wasm.
#[global_allocator]
static ALLOCATOR: sluicegate::__alloc::Allocator = sluicegate::__alloc::ALLOCATOR;

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let headers = request.snapshot()?; // one host call
        let names: Vec<_> = headers.iter().map(|(name, _)| name).collect(); // one block
        assert_eq!(names.len(), 2);
        sluicegate::log::write(LogLevel::Critical, format_args!("here")); // one host call, or two
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, _: &mut ResponseHeaders<'_>) -> Result<Action> {
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

const REQUEST: [(&str, &str); 2] = [(":path", "/"), ("a", "b")];

#[test]
fn each_callback_has_metrics_and_a_line() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Debug).start();
    let send = || {
        let stream = host.http_stream();
        stream.request_headers(&REQUEST);
        stream.response_headers(&[(":status", "200")]);
        stream.complete();
    };
    // In the first stream memory grows, which the metrics of memory tell.
    send();
    let first = host.counter("sluicegate_hostcalls_callback=request-headers").expect("counted");
    host.clear_log();
    send();
    send();
    assert_eq!(host.counter("sluicegate_calls_callback=request-headers"), Some(3));
    assert_eq!(host.counter("sluicegate_calls_callback=response-headers"), Some(3));
    assert_eq!(host.counter("sluicegate_calls_callback=context-create"), Some(4), "the plugin's too");
    assert_eq!(host.counter("sluicegate_calls_callback=delete"), Some(3));
    assert_eq!(host.counter("sluicegate_calls_callback=tick"), None, "it is not exported");
    assert_eq!(host.counter("sluicegate_hostcalls_callback=request-headers"), Some(first + 4));
    assert_eq!(host.counter("sluicegate_hostcalls_callback=response-headers"), Some(0));
    let times = host.histogram("sluicegate_ns_callback=request-headers").expect("it was recorded");
    assert_eq!(times.len(), 3);
    let line =
        host.log().into_iter().find(|line| line.text.starts_with("proxy_on_request_headers took ")).expect("a line");
    assert_eq!(line.level, LogLevel::Debug);
    assert!(line.text.contains(" ns, 2 host calls, "), "{line:?}");
    // The simulated host allocates in the same process, so there are more than the two.
    let allocations: u64 =
        line.text.split(", ").nth(2).and_then(|text| text.split(' ').next()?.parse().ok()).expect("a number");
    assert!(allocations >= 2, "{line:?}");
    let total = host.counter("sluicegate_allocations_callback=request-headers").expect("counted");
    assert!(total >= 6, "{total}");
}

#[test]
fn above_debug_no_line_is_written() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Info).start();
    host.http_stream().request_headers(&REQUEST);
    assert!(host.log().iter().all(|line| !line.text.contains("took")));
    assert_eq!(host.counter("sluicegate_calls_callback=request-headers"), Some(1));
}

#[test]
fn a_host_without_metrics_or_a_clock_is_asked_once() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_define_metric, Status::Unimplemented);
    host.fail(Import::proxy_get_current_time_nanoseconds, Status::Unimplemented);
    for _ in 0..3 {
        assert_eq!(host.http_stream().request_headers(&REQUEST), Action::Continue as u32);
    }
    assert!(host.log().iter().any(|line| line.text.starts_with("proxy_on_request_headers, ")), "{:?}", host.log());
    assert_eq!(host.counter("sluicegate_calls_callback=request-headers"), None);
    drop(host);
    let host = Host::new(&PLUGIN).start();
    host.http_stream().request_headers(&REQUEST);
    assert_eq!(host.counter("sluicegate_calls_callback=request-headers"), Some(1), "another VM has its own");
}
