//! A sweep finds what it is for: filters that leak, that forget, and that cannot do without memory.

use std::cell::RefCell;

use sluicegate::prelude::*;
use sluicegate::time;
use sluicegate_host::{Host, RunningHost, sweep, sweep_allocations, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

mod good {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.add("x-seen", request.snapshot()?.len())?;
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Filter);
}

mod both_ways {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Action> {
            Ok(Action::Continue)
        }

        fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
            response.add("x-seen", "1")?;
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Filter);
}

/// Leaks if its failures cannot be counted.
mod clumsy {
    use sluicegate::metric::Counter;

    use super::*;

    #[derive(Default)]
    pub(crate) struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        const ON_ERROR: FailurePolicy = FailurePolicy::Open;

        fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Action> {
            if time::now().is_err() {
                let kept = std::hint::black_box(Box::new([0_u8; 100]));
                if Counter::define("failures").is_err() {
                    std::mem::forget(kept);
                }
            }
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Filter);
}

mod leaky {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Action> {
            let kept = std::hint::black_box(Box::new([0_u8; 100]));
            if time::now().is_err() {
                std::mem::forget(kept);
            }
            Ok(Action::Continue)
        }
    }

    sluicegate::plugin!(http: Filter);
}

/// Keeps a number for each failure; with a configuration it also holds back all requests after one.
mod growing {
    use super::*;

    #[derive(Default)]
    pub(crate) struct Plugin {
        failures: RefCell<Vec<u64>>,
        forgets_to_recover: bool,
    }

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
            self.forgets_to_recover = !plugin.configuration()?.is_empty();
            Ok(StartStatus::Ok)
        }
    }

    #[derive(Default)]
    pub(crate) struct Filter;

    #[sluicegate::http_filter]
    impl HttpFilter for Filter {
        type Plugin = Plugin;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            let plugin = request.plugin();
            let mut failures = plugin.failures.borrow_mut();
            if time::now().is_err() {
                failures.push(0);
                failures.shrink_to_fit();
            }
            Ok(if plugin.forgets_to_recover && !failures.is_empty() { Action::Pause } else { Action::Continue })
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

#[test]
fn a_filter_that_is_well_behaved_passes() {
    let host = Host::new(&good::PLUGIN);
    let swept = sweep(&host, traffic);
    // With the feature `profile`, which another crate of the build may turn on, the SDK asks for
    // the plugin's name.
    let called = swept.calls.iter().map(|call| call.import.name()).filter(|name| *name != "proxy_get_property");
    let called: Vec<_> = called.take(4).collect();
    assert_eq!(called, ["proxy_get_header_map_pairs", "proxy_add_header_map_value"].repeat(2));
    // Once one of them failed.
    for function in ["proxy_log", "proxy_send_local_response", "proxy_define_metric", "proxy_increment_metric"] {
        assert!(swept.functions().contains(function), "{function}");
    }
    swept.assert_reaches_all();
    assert!(swept.faults > 30 && swept.callbacks > 1000, "{swept:?}");
    assert!(sweep_allocations(&host, traffic) > 3);
}

/// The filter's work for a response is swept only if there is a response.
#[test]
fn what_no_scenario_comes_to_is_named() {
    let request = |host: &RunningHost| {
        let stream = host.http_stream();
        let action = stream.request_headers(&[(":path", "/")]);
        stream.complete();
        action
    };
    let response = |host: &RunningHost| {
        let stream = host.http_stream();
        let action = stream.response_headers(&[(":status", "200")]);
        stream.complete();
        action
    };
    let host = Host::new(&both_ways::PLUGIN);
    let [first, second] = [sweep(&host, request), sweep(&host, response)];
    assert_eq!(first.unreached().iter().collect::<Vec<_>>(), ["proxy_on_response_headers"]);
    // Only compiled modules have known imports.
    first.assert_reaches_all_but(&["proxy_on_response_headers", "proxy_http_call"]);
    assert_eq!(second.unreached().iter().collect::<Vec<_>>(), ["proxy_on_request_headers"]);
    let (faults, callbacks) = (first.faults + second.faults, first.callbacks + second.callbacks);
    let all = first.and(second);
    assert_eq!((all.faults, all.callbacks), (faults, callbacks));
    all.assert_reaches_all();
}

#[test]
#[should_panic(expected = "the functions that the sweep does not reach")]
fn what_is_said_to_be_out_of_reach_must_be() {
    sweep(&Host::new(&both_ways::PLUGIN), traffic).assert_reaches_all_but(&["proxy_on_response_headers"]);
}

/// The first failure of a filter is counted; here that goes wrong too.
#[test]
#[should_panic(
    expected = "in host call 1 of the Scenario, proxy_define_metric, after Status(1) in host call 0, proxy_get_current_time_nanoseconds"
)]
fn what_fails_within_a_failure_is_found() {
    sweep(&Host::new(&clumsy::PLUGIN), traffic);
}

#[test]
#[should_panic(expected = "bytes of the filter are left")]
fn a_block_that_is_forgotten_when_a_call_fails_is_found() {
    sweep(&Host::new(&leaky::PLUGIN), traffic);
}

#[test]
#[should_panic(
    expected = "bytes of the filter are left by each Status(1) in host call 0 of the Scenario, proxy_get_current_time_nanoseconds"
)]
fn what_grows_with_each_failure_is_found_though_it_ends_with_the_vm() {
    sweep(&Host::new(&growing::PLUGIN), traffic);
}

#[test]
#[should_panic(expected = "after Status(1) in host call 0 of the Scenario, proxy_get_current_time_nanoseconds")]
fn a_filter_that_does_not_recover_is_found() {
    sweep(&Host::new(&growing::PLUGIN).plugin_configuration("forget"), traffic);
}

#[test]
fn what_a_filter_holds_is_counted_without_the_proxy() {
    let host = Host::new(&good::PLUGIN).start();
    let bytes = |host: &RunningHost| host.live_bytes().expect("they are counted");
    // The tables have their size after a first one.
    host.http_stream().complete();
    let before = bytes(&host);
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/".repeat(10_000))]);
    assert!((1..2000).contains(&(bytes(&host) - before)), "{}", bytes(&host) - before);
    stream.complete();
    assert_eq!(bytes(&host), before);
}
