//! The wasm backend runs modules of any make as Envoy does: here by hand, in wasm's own text.

use std::time::Duration;

use sluicegate::LogLevel;
use sluicegate::abi::Import;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, RunningHost, WasiFault, sweep};

/// A module with an allocation entry that always gives the same block, if none is said, and what
/// else is said.
fn module(version: &str, parts: &str) -> Module {
    let allocate =
        if ["malloc", "proxy_on_memory_allocate"].iter().any(|name| parts.contains(name)) { "" } else { ALLOCATE };
    let text = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
            (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
            (import "env" "proxy_call_foreign_function" (func $foreign (param i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "proxy_abi_version_{version}"))
            (data (i32.const 16) "hello\n")
            {allocate} {parts})"#
    );
    Module::new(text).unwrap()
}

const ALLOCATE: &str = r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))"#;

fn headers(parts: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
        {parts} (i32.const 0))"#
    )
}

fn start(parts: &str) -> RunningHost {
    Host::wasm(&module("0_2_1", parts)).start()
}

fn request(host: &RunningHost) -> u32 {
    host.http_stream().request_headers(&[("a", "b")])
}

const READ: &str = "(drop (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))";

#[test]
fn a_trap_kills_the_vm_and_requests_are_answered() {
    let host = start(&headers("unreachable"));
    assert_eq!(host.trapped(), None);
    let (first, second) = (host.http_stream(), host.http_stream());
    for stream in [&first, &second] {
        assert_eq!(stream.request_headers(&[("a", "b")]), 4);
        let reply = stream.reply().unwrap();
        assert_eq!((reply.status, &*reply.details, reply.grpc_status), (503, "wasm_fail_stream", 14));
        assert_eq!(stream.request_body("x", true), 3);
        assert_eq!(stream.request_trailers(&[("a", "b")]), 1);
    }
    assert_eq!(host.tcp_connection().opened(), 1);
    assert!(!host.finish(), "a dead VM answers nothing");
    let why = host.trapped().unwrap();
    assert!(why.starts_with("proxy_on_request_headers: ") && why.contains("unreachable"), "{why}");
    assert_eq!(host.cost().vm_entries, 0, "the one entry did not return");
}

/// As Envoy does: only streams that begin after the trap go past the filter.
#[test]
fn an_open_proxy_lets_streams_through_that_begin_after_a_trap() {
    let host = Host::wasm(&module("0_2_1", &headers("unreachable"))).fail_open().start();
    let (open, before) = (host.http_stream(), host.http_stream());
    assert_eq!((open.request_headers(&[("a", "b")]), open.reply().map(|reply| reply.status)), (4, Some(503)));
    assert_eq!((before.request_headers(&[("a", "b")]), before.reply().map(|reply| reply.status)), (4, Some(503)));
    let after = host.http_stream();
    assert_eq!(after.request_headers(&[("a", "b")]), 0);
    after.assert_passed();
    assert_eq!(host.tcp_connection().opened(), 0);
    assert!(host.trapped().is_some());
}

#[test]
fn a_proxy_that_reloads_has_a_new_vm_after_a_second() {
    // The second request of a VM traps. Each context creation is logged.
    let parts = r#"(global $requests (mut i32) (i32.const 0))
        (func (export "proxy_on_context_create") (param i32 i32) (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
            (if (i32.eq (global.get $requests) (i32.const 2)) (then unreachable))
            (i32.const 0))"#;
    let host = Host::wasm(&module("0_2_1", parts)).root_id("root").plugin_configuration("kept").fail_reload().start();
    let status = || {
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        let reply = stream.reply().map(|reply| reply.status);
        stream.complete();
        reply
    };
    assert_eq!((status(), status(), status()), (None, Some(503), Some(503)));
    assert!(host.trapped().is_some());
    host.advance(Duration::from_millis(999));
    assert_eq!(status(), Some(503));
    host.clear_log();
    host.advance(Duration::from_millis(1));
    assert_eq!((status(), host.trapped()), (None, None));
    assert!(host.started() && host.property(&["plugin_root_id"]).as_deref() == Some(b"root"));
    // A plugin and a stream.
    assert_eq!(host.log().len(), 2);
    assert_eq!((status(), status()), (Some(503), Some(503)));
    assert!(host.trapped().is_some());
}

#[test]
#[should_panic(expected = "the module trapped: proxy_on_request_headers: ")]
fn a_trap_that_nobody_asks_for_fails_the_test() {
    let host = start(&headers("unreachable"));
    request(&host);
}

#[test]
fn a_trap_at_the_start_is_no_start() {
    for name in ["_initialize", "_start", "proxy_on_context_create"] {
        let parameters = if name.starts_with('_') { "" } else { "(param i32 i32)" };
        let host = start(&format!(r#"(func (export "{name}") {parameters} unreachable)"#));
        assert!(!host.started());
        assert!(host.trapped().unwrap().starts_with(name));
    }
}

#[test]
fn start_functions_are_called_as_a_reactor_or_as_a_program() {
    let log = "(drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))";
    let lines = |parts: &str| start(parts).log().len();
    let one = |name: &str, ty: &str| format!(r#"(func (export "{name}") {ty} {log})"#);
    assert_eq!(lines(&one("_initialize", "")), 1);
    assert_eq!(lines(&one("_start", "")), 1);
    assert_eq!(lines(&(one("_initialize", "") + &one("_start", ""))), 1);
    let main = format!(r#"(func (export "main") (param i32 i32) (result i32) {log} (i32.const 0))"#);
    assert_eq!(lines(&(one("_initialize", "") + &main)), 2);
    assert_eq!(lines(&main), 0);
    let main_void = format!(r#"(func (export "__main_void") (result i32) {log} (i32.const 0))"#);
    assert_eq!(lines(&(one("_initialize", "") + &main_void)), 2);
}

#[test]
fn before_there_is_a_context_only_the_log_may_be_called() {
    let host = start(r#"(func (export "_initialize") (drop (call $period (i32.const 1))))"#);
    let why = host.trapped().unwrap();
    assert!(why.contains("proxy_set_tick_period_milliseconds before it had a context"), "{why}");
}

#[test]
fn an_allocation_may_log_and_nothing_else() {
    let allocate = |what: &str| {
        let entry = format!(
            r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (drop {what}) (i32.const 1024))"#
        );
        start(&(headers(READ) + &entry))
    };
    let host = allocate("(call $log (i32.const 2) (i32.const 16) (i32.const 5))");
    assert_eq!(request(&host), 0);
    assert!(host.logged(LogLevel::Info, "hello"));
    let host = allocate("(call $clock (i32.const 0) (i64.const 0) (i32.const 64))");
    assert_eq!(request(&host), 0);
    for (what, name) in [
        ("(call $period (i32.const 1))", "proxy_set_tick_period_milliseconds"),
        ("(call $random (i32.const 64) (i32.const 1))", "WASI's Random"),
    ] {
        let host = allocate(what);
        assert_eq!(request(&host), 4);
        let why = host.trapped().unwrap();
        assert!(why.contains(&format!("{name} while it allocated")), "{why}");
    }
}

#[test]
fn the_entry_named_malloc_goes_first() {
    let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 2048))"#;
    let answer = "(return (i32.load (i32.const 0)))";
    assert_eq!(request(&start(&(headers(&format!("{READ}{answer}")) + ALLOCATE))), 1024);
    assert_eq!(request(&start(&(headers(&format!("{READ}{answer}")) + ALLOCATE + malloc))), 2048);
}

#[test]
fn wrong_blocks_and_addresses_are_status_6() {
    let status = |entry: &str, call: &str| {
        let entry = format!(r#"(func (export "malloc") (param i32) (result i32) {entry})"#);
        let host = start(&(headers(&format!("(return {call})")) + &entry));
        (request(&host), host.cost().host_allocations)
    };
    let pairs = "(call $pairs (i32.const 0) (i32.const 0) (i32.const 4))";
    assert_eq!(status("(i32.const 1024)", pairs), (0, 1));
    assert_eq!(status("(i32.const 0)", pairs), (6, 1));
    assert_eq!(status("(i32.const -8)", pairs), (6, 1));
    assert_eq!(status("(i32.const 65535)", pairs), (6, 1));
    assert_eq!(status("(i32.const 1024)", "(call $pairs (i32.const 0) (i32.const -2) (i32.const 4))"), (6, 1));
    let log = "(call $log (i32.const 2) (i32.const 65530) (i32.const 7))";
    assert_eq!(status("(i32.const 1024)", log), (6, 0));
    let log = "(call $log (i32.const 2) (i32.const -1) (i32.const -1))";
    assert_eq!(status("(i32.const 1024)", log), (6, 0));
}

#[test]
fn each_version_of_the_abi_has_its_ways() {
    // ABI 0.1.0 does not tell whether the stream ends, and has an empty value for a header that is
    // not there.
    let text = |version: &str, more: &str| {
        format!(
            r#"(module
                (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1)
                {ALLOCATE}
                (func (export "proxy_abi_version_{version}"))
                (func (export "proxy_on_request_headers") (param i32 i32 {more}) (result i32)
                    (call $value (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 4))))"#
        )
    };
    let answer = |text: String| request(&Host::wasm(&Module::new(text).unwrap()).start());
    assert_eq!(answer(text("0_1_0", "")), 0);
    assert_eq!(answer(text("0_2_0", "i32")), 1);
    assert_eq!(answer(text("0_2_1", "i32")), 1);
}

/// Each function that a version has, with nothing for every argument: it is there, and answers.
#[test]
fn every_function_of_each_version_is_there() {
    for (version, functions) in [("0_1_0", 40), ("0_2_0", 38), ("0_2_1", 39)] {
        let mut there = 0;
        for import in Import::ALL {
            let wide = |ty: &&str| if ["u64", "i64"].contains(ty) { "i64" } else { "i32" };
            let types: Vec<_> = import.parameters().iter().map(wide).collect();
            let zeros: Vec<_> = types.iter().map(|ty| format!("({ty}.const 0)")).collect();
            let text = format!(
                r#"(module (import "env" "{name}" (func $f (param {types}) (result i32))) (memory (export "memory") 1)
                    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
                    (func (export "proxy_abi_version_{version}"))
                    (func (export "proxy_on_log") (param i32) (i32.store (i32.const 8) (call $f {zeros})))
                    (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.load (i32.const 8))))"#,
                name = import.name(),
                types = types.join(" "),
                zeros = zeros.join(" "),
            );
            let Ok(module) = Module::new(text) else { continue };
            there += 1;
            let host = Host::wasm(&module).start();
            let stream = host.http_stream();
            host.callback("proxy_on_log", &[stream.id()]);
            assert_eq!((host.calls(*import), host.trapped()), (1, None), "{}", import.name());
            let status = stream.request_trailers(&[("a", "b")]);
            assert!(status < 12, "{} of {version} answers {status}", import.name());
        }
        assert_eq!(there, functions, "{version}");
    }
}

#[test]
fn what_a_module_prints_is_logged_and_an_exit_returns() {
    let print = |file: u32| {
        format!(
            "(i32.store (i32.const 32) (i32.const 16)) (i32.store (i32.const 36) (i32.const 6))
             (drop (call $write (i32.const {file}) (i32.const 32) (i32.const 1) (i32.const 40)))"
        )
    };
    let host = start(&headers(&(print(1) + &print(2) + &print(3) + "(call $exit (i32.const 7))")));
    assert_eq!(request(&host), 0);
    let log: Vec<_> = host.log().into_iter().map(|line| (line.level, line.text)).collect();
    assert_eq!(log[0], (LogLevel::Info, "hello".to_owned()));
    assert_eq!(log[1], (LogLevel::Error, "hello".to_owned()));
    assert!(log[2].1.contains("proc_exit(7)"), "{log:?}");
    assert_eq!(log.len(), 3);
}

#[test]
fn memory_ends_at_the_limit() {
    let grow = "(return (memory.grow (i32.const 4)))";
    let host = Host::wasm(&module("0_2_1", &headers(grow))).page_limit(6).start();
    assert_eq!((request(&host), host.pages(), host.cost().grows, host.cost().pages), (1, 5, 1, 4));
    assert_eq!((request(&host), host.pages(), host.cost().grows, host.cost().pages), (u32::MAX, 5, 1, 4));
    assert_eq!(host.refused_grows(), 1);
}

#[test]
fn past_its_own_maximum_a_memory_does_not_grow() {
    let text = r#"(module
        (memory (export "memory") 1 3)
        (func (export "malloc") (param i32) (result i32) (i32.const 1024))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (memory.grow (i32.const 2))))"#;
    let host = Host::wasm(&Module::new(text).unwrap()).start();
    assert_eq!((request(&host), host.pages(), host.cost().grows, host.cost().pages), (1, 3, 1, 2));
    assert_eq!((request(&host), host.pages(), host.cost().grows, host.cost().pages), (u32::MAX, 3, 1, 2));
}

#[test]
fn growth_counts_on_when_a_new_vm_takes_the_place_of_a_dead_one() {
    // The start grows by a page, a request by two; a VM's second request grows and traps.
    let parts = r#"(global $requests (mut i32) (i32.const 0))
        (func (export "_initialize") (drop (memory.grow (i32.const 1))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (memory.grow (i32.const 2)))
            (global.set $requests (i32.add (global.get $requests) (i32.const 1)))
            (if (i32.eq (global.get $requests) (i32.const 2)) (then unreachable))
            (i32.const 0))"#;
    let host = Host::wasm(&module("0_2_1", parts)).fail_reload().start();
    let growth = || (host.pages(), host.cost().grows, host.cost().pages);
    assert_eq!(growth(), (2, 1, 1));
    for vm in 0..3 {
        if vm > 0 {
            host.advance(Duration::from_secs(1));
        }
        let before = host.cost();
        request(&host);
        assert_eq!((host.trapped(), host.pages()), (None, 4));
        request(&host);
        assert!(host.trapped().is_some());
        let spent = host.cost() - before;
        assert_eq!((host.pages(), spent.grows, spent.pages), (6, 2 + u64::from(vm > 0), 4 + u64::from(vm > 0)));
    }
    let each = host.costs()["proxy_on_request_headers"];
    assert_eq!((each.grows, each.pages, growth()), (6, 12, (6, 9, 15)));
}

#[test]
fn each_callback_is_counted_by_itself() {
    let host = start(&(headers(READ) + ALLOCATE + r#"(func (export "proxy_on_log") (param i32))"#));
    for _ in 0..3 {
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        stream.complete();
    }
    let costs = host.costs();
    let cost = costs["proxy_on_request_headers"];
    assert_eq!((cost.vm_entries, cost.host_calls, cost.host_allocations, cost.pages, cost.grows), (3, 3, 3, 0, 0));
    let log = costs["proxy_on_log"];
    assert_eq!((log.vm_entries, log.host_calls, log.host_allocations), (3, 0, 0));
    assert!(log.instructions < cost.instructions);
    assert_eq!(costs.get("proxy_on_done").map_or(0, |done| done.vm_entries), 0, "it is not there");
    assert_eq!(host.calls(Import::proxy_get_header_map_pairs), 3);
}

#[test]
fn what_loops_for_ever_is_stopped() {
    let host = start(&headers("(loop $for_ever (br $for_ever))"));
    assert_eq!(request(&host), 4);
    assert!(host.trapped().unwrap().contains("fuel"));
}

/// Envoy does what a filter asks for when the filter has returned, and before it looks at what the
/// filter answered.
#[test]
fn a_body_callback_that_resumes_and_stops_lets_go_what_was_held_before_it() {
    let parts = r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
        (drop (call $continue (i32.const 0))) (i32.const 1))"#;
    let host = start(parts);
    let stream = host.http_stream();
    assert_eq!(stream.request_body("one ", false), 1);
    assert_eq!(stream.sent_request_body(), b"");
    assert_eq!(stream.request_body("two", false), 1);
    assert_eq!(stream.sent_request_body(), b"one two");
    assert!(stream.request_resumed());
}

#[test]
fn what_follows_held_headers_waits_for_them() {
    let parts = headers("(return (i32.const 1))")
        + r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5))) (i32.const 0))
        (func (export "proxy_on_tick") (param i32)
            (drop (call $effective (i32.const 2))) (drop (call $continue (i32.const 0))))"#;
    let host = Host::wasm(&module("0_2_1", &parts)).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers_with_body(&[("a", "b")]), 1);
    assert_eq!((stream.request_body("one ", false), stream.request_body("two", true)), (1, 1));
    assert!(!stream.reached_upstream() && host.log().is_empty());
    host.callback("proxy_on_tick", &[1]);
    assert!(stream.reached_upstream());
    assert_eq!((host.log().len(), stream.sent_request_body()), (1, b"one two".to_vec()));

    let host = Host::wasm(&module("0_2_1", &parts)).allow_on_headers_stop_iteration().start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("a", "b")]);
    assert_eq!((stream.request_body("one", false), host.log().len()), (0, 1));
}

#[test]
fn what_a_function_answers_may_be_left() {
    // `uncompress` of nothing fails; a function of the test's answers with bytes.
    let status = |at: i32, size: i32| {
        let call = format!(
            "(return (call $foreign (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const {at}) (i32.const {size})))"
        );
        let words = r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (i32.or (i32.load (i32.const 0)) (i32.or (i32.load (i32.const 512)) (i32.load (i32.const 516)))))"#;
        let host = Host::wasm(&module("0_2_1", &(headers(&call) + words)));
        let host = host.foreign_function("hello", |_| Ok(b"answer".to_vec())).start();
        let stream = host.http_stream();
        let status = stream.request_headers(&[("a", "b")]);
        (status, host.cost().host_allocations, stream.response_headers(&[(":status", "200")]))
    };
    assert_eq!(status(512, 516), (0, 1, 1024 | 6));
    assert_eq!(status(0, 516), (0, 0, 6));
    assert_eq!(status(0, 0), (0, 0, 0));
}

#[test]
fn a_level_that_there_is_not_is_refused() {
    let level = |level: i32| {
        let host = start(&headers(&format!("(return (call $log (i32.const {level}) (i32.const 16) (i32.const 5)))")));
        (request(&host), host.log().len())
    };
    assert_eq!((level(5), level(6), level(-1)), ((0, 1), (2, 0), (2, 0)));
}

#[test]
fn a_file_that_there_is_not_is_no_wrong_address() {
    let write = |file: i32| {
        let call = format!("(return (call $write (i32.const {file}) (i32.const 0) (i32.const 0) (i32.const 64)))");
        request(&start(&headers(&call)))
    };
    assert_eq!((write(1), write(2), write(3)), (0, 0, 8));
}

#[test]
fn a_callback_within_a_host_call_is_its_own_contexts() {
    // The stream's callback reads its headers; the plugin's, within a call of it, finds none.
    let read = "(call $value (i32.const 0) (i32.const 32) (i32.const 1) (i32.const 512) (i32.const 516))";
    let name = r#"(data (i32.const 32) "a")"#;
    let tick = format!(r#"(func (export "proxy_on_tick") (param i32) (i32.store (i32.const 520) {read}))"#);
    let log = "(drop (call $log (i32.const 2) (i32.const 16) (i32.const 5)))";
    let host = start(
        &(headers(&format!("{log} (return (i32.add (i32.mul {read} (i32.const 100)) (i32.load (i32.const 520))))"))
            + name
            + &tick),
    );
    host.fault(0, sluicegate_host::Fault::Nested("proxy_on_tick", vec![1]));
    assert_eq!(request(&host), 2);
}

/// Answers 1 if there are no random bytes, 3 if all of them are set, and 0 otherwise.
const RANDOM: &str = "(if (call $random (i32.const 64) (i32.const 4)) (then (return (i32.const 1))))
    (if (i32.eq (i32.load (i32.const 64)) (i32.const -1)) (then (return (i32.const 3))))";

#[test]
fn functions_of_wasi_fail_and_lie_on_demand() {
    let host = start(&headers(RANDOM));
    let with = |fault| {
        host.wasi_fault(0, fault);
        request(&host)
    };
    assert_eq!([with(WasiFault::Errno(29)), with(WasiFault::Garbage), with(WasiFault::Silent)], [1, 3, 3]);
    host.wasi_fault(1, WasiFault::Errno(58));
    assert_eq!([request(&host), request(&host), request(&host)], [0, 1, 0], "the second call from here on");
    host.wasi_fault(0, WasiFault::Errno(58));
    host.clear_faults();
    assert_eq!(request(&host), 0);
    let clock = "(drop (call $clock (i32.const 0) (i64.const 1) (i32.const 72)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 80)))
        (call $log_ff (i32.const 72)) (call $log_ff (i32.const 80))";
    // Returns whether four bytes are all set.
    let log = r#"(func $log_ff (param i32)
        (if (i32.eq (i32.load (local.get 0)) (i32.const -1)) (then (drop (call $log (i32.const 2) (i32.const 16) (i32.const 5))))))"#;
    let host = start(&(log.to_owned() + &headers(clock)));
    host.wasi_fault(0, WasiFault::Garbage);
    request(&host);
    assert_eq!(host.log().len(), 2, "what is written, and that the time is garbage");
    host.wasi_fault(1, WasiFault::Garbage);
    request(&host);
    assert_eq!(host.log().len(), 3, "that the count of written bytes is garbage");
}

#[test]
fn a_sweep_lets_functions_of_wasi_fail() {
    let swept = sweep(&Host::wasm(&module("0_2_1", &headers(RANDOM))), request);
    assert_eq!((swept.wasi_faults, swept.wasi_that_ends().len()), (WasiFault::all().len(), 0));
    // As the standard library does.
    let panics = "(if (call $random (i32.const 64) (i32.const 4)) (then unreachable))";
    let start = r#"(func (export "_initialize") (drop (call $random (i32.const 64) (i32.const 4))))"#;
    let swept = sweep(&Host::wasm(&module("0_2_1", &(start.to_owned() + &headers(panics)))), request);
    assert_eq!(swept.wasi_faults, 2 * WasiFault::all().len(), "at the start, too");
    assert_eq!(swept.wasi_that_ends().iter().collect::<Vec<_>>(), ["random_get"]);
}

#[test]
#[should_panic(expected = "the VM ends by Garbage in call 0 of WASI of the Scenario, random_get")]
fn a_module_that_ends_by_random_bytes_is_found() {
    let panics = "(drop (call $random (i32.const 64) (i32.const 4)))
        (if (i32.eq (i32.load (i32.const 64)) (i32.const -1)) (then unreachable))";
    sweep(&Host::wasm(&module("0_2_1", &headers(panics))), request);
}

#[test]
#[should_panic(expected = "after Errno(6) in call 0 of WASI of the Scenario, random_get")]
fn a_module_that_does_not_recover_from_wasi_is_found() {
    // After a failure it holds every request.
    let remembers = "(if (call $random (i32.const 64) (i32.const 4)) (then (i32.store (i32.const 96) (i32.const 1))))
        (if (i32.load (i32.const 96)) (then (return (i32.const 1))))";
    sweep(&Host::wasm(&module("0_2_1", &headers(remembers))), request);
}
