//! Every limit of pages under a crowd of streams: no trap of the SDK's, and the next request is
//! served.

mod configurations;

use configurations::CONFIGURATIONS;
use sluicegate_build::{Build, add_target, run};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, Limited, RunningHost, many_streams, sweep_pages, traffic};
use sluicegate_workspace::{self as workspace, Allocator, guest};

/// The filter that uses every host function, which allocates nothing that must not fail.
fn sink(allocator: Option<Allocator>) -> Module {
    add_target(run).unwrap();
    let with = allocator.map_or("none", Allocator::name);
    let folder = workspace::target_dir().join("guests").join(with);
    let features = allocator.map(|allocator| format!("sluicegate/{}", allocator.feature())).unwrap_or_default();
    let build = Build::new(workspace::root(), "sluicegate-sink", "guest").target_dir(folder).features(features);
    let answer = run(&mut build.command()).unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Module::load(build.module()).unwrap()
}

fn limited(host: &Host) -> Limited {
    sweep_pages(host, many_streams, traffic)
}

#[test]
fn a_filter_that_gives_way_never_traps_whatever_the_limit() {
    for allocator in [None].into_iter().chain(Allocator::ALL.iter().copied().map(Some)) {
        let host = Host::wasm(&sink(allocator)).plugin_configuration("configuration");
        let limited = limited(&host);
        assert!(limited.aborted.is_empty(), "{allocator:?}: {limited:?}");
        assert!(limited.refused > 0, "{allocator:?}: nothing was refused: {limited:?}");
    }
}

/// An allocation of an example itself may end the VM, with Rust's message, which the sweep looks
/// for. Then the proxy has another VM.
#[test]
fn examples_give_way_or_say_what_they_could_not_have() {
    let mut refused = 0;
    for example in workspace::examples().unwrap() {
        for package in workspace::example_packages(&example).unwrap() {
            // The answer to an upload depends on those before it, so its own tests sweep it with
            // uploads that differ.
            if package == "upload_budget" {
                continue;
            }
            let configuration = CONFIGURATIONS.iter().find(|(name, _)| *name == package).map_or("", |(_, text)| text);
            let module = Module::load(guest::build(&package, None).unwrap()).unwrap();
            let root_id = if package == "gather" { "closures" } else { "" };
            let host = Host::wasm(&module).root_id(root_id).plugin_configuration(configuration);
            let limited = limited(&host);
            println!("{package}: {limited:?}");
            refused += limited.refused;
        }
    }
    assert!(refused > 0, "no limit was too low for any of them");
}

/// A module that grows a page for each stream and traps where it cannot: what the sweep is to find.
#[test]
#[should_panic(expected = "a load with 1 pages: proxy_on_request_headers")]
fn a_trap_for_want_of_memory_is_found() {
    let text = r#"(module
        (memory (export "memory") 1)
        (global $streams (mut i32) (i32.const 0))
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (global.set $streams (i32.add (global.get $streams) (i32.const 1)))
            (if (i32.eq (global.get $streams) (i32.const 2))
                (then (if (i32.lt_s (memory.grow (i32.const 3)) (i32.const 0)) (then unreachable))))
            (i32.const 0)))"#;
    let host = Host::wasm(&Module::new(text).unwrap());
    let request = |host: &RunningHost| host.http_stream().request_headers(&[("a", "b")]);
    let two = |host: &RunningHost| assert!(request(host) + request(host) < 10);
    sweep_pages(&host, two, request);
}
