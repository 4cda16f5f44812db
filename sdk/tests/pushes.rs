//! Configurations that are pushed: a plugin that starts gets the answer to its call, and a plugin
//! that is gone leaves no byte.

use std::collections::BTreeMap;

use sluicegate::LogLevel;
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Keeps its configuration in pieces, and asks a service about it.
#[derive(Default)]
struct Plugin {
    rules: BTreeMap<usize, Vec<u8>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.rules = plugin.configuration()?.chunks(100).map(<[u8]>::to_vec).enumerate().collect();
        let headers = [(":method", "GET"), (":path", "/keys"), (":authority", "keys")];
        plugin.call(&HttpCall::new("keys").headers(&headers))?;
        Ok(StartStatus::Ok)
    }

    fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, answer: &CallResponse) -> Result<()> {
        info!("{} bytes of keys for {} rules", answer.body()?.len(), self.rules.len());
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.replace("x-rules", request.plugin().rules.len())?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

const SIZE: usize = 100_000;

fn answer(host: &RunningHost) {
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "secret", &[]);
}

#[test]
fn a_call_of_a_plugin_that_starts_is_answered_to_it() {
    let host = Host::new(&PLUGIN).plugin_configuration(vec![b'x'; SIZE]).start();
    assert!(host.started());
    answer(&host);
    host.assert_logged(LogLevel::Info, "6 bytes of keys for 1000 rules");
}

#[test]
fn a_plugin_that_a_new_one_replaces_leaves_nothing() {
    let host = Host::new(&PLUGIN).start();
    answer(&host);
    let push = |round: u8| {
        let plugin = host.add_plugin("", vec![b'a' + round; SIZE]);
        assert!(plugin.started());
        answer(&host);
        let stream = plugin.http_stream();
        stream.request_headers(&[(":path", "/")]);
        assert_eq!(stream.request_header("x-rules").as_deref(), Some("1000"));
        stream.complete();
        assert!(plugin.finish());
        host.clear_log();
        host.live_bytes().unwrap()
    };
    let first = push(0);
    for round in 1..20 {
        assert_eq!(push(round), first);
    }
}

/// A plugin and streams that make calls of every kind, whose answers do not come.
mod unanswered {
    use super::*;

    const ASK: HttpCall<'static> =
        HttpCall::new("keys").headers(&[(":method", "GET"), (":path", "/"), (":authority", "keys")]);
    const GRPC: GrpcCall<'static> = GrpcCall::new("keys", "Keys", "Get");

    #[derive(Default)]
    pub(super) struct Asking {
        calls: usize,
    }

    #[sluicegate::plugin_context(calls)]
    impl PluginContext for Asking {
        fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
            self.calls = plugin.configuration()?.len();
            for _ in 0..self.calls {
                plugin.call(&ASK)?;
                plugin.call_and_forget(&ASK)?;
                plugin.call_then(&ASK, |_: &mut Self, _, _| Ok(()))?;
                plugin.grpc_call(&GRPC)?;
                plugin.grpc_call_then(&GRPC, |_: &mut Self, _, _| Ok(()))?;
            }
            Ok(StartStatus::Ok)
        }

        fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, _: &CallResponse) -> Result<()> {
            Ok(())
        }

        fn on_grpc_event(&mut self, _: &mut PluginHandle<'_>, _: &GrpcEvent) -> Result<()> {
            Ok(())
        }
    }

    #[derive(Default)]
    pub(super) struct Asks;

    #[sluicegate::http_filter(calls)]
    impl HttpFilter for Asks {
        type Plugin = Asking;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Asking>) -> Result<Action> {
            for _ in 0..request.plugin().calls {
                request.call(&ASK)?;
                request.call_and_forget(&ASK)?;
                request.call_then(&ASK, |_: &mut Self, _, _| Ok(()))?;
                request.stream().grpc_call(&GRPC)?;
                request.stream().grpc_call_then(&GRPC, |_: &mut Self, _, _| Ok(()))?;
            }
            Ok(Action::Continue)
        }

        fn on_http_call_response(&mut self, _: &mut HttpHandle<'_, Asking>, _: &CallResponse) -> Result<()> {
            Ok(())
        }

        fn on_grpc_event(&mut self, _: &mut HttpHandle<'_, Asking>, _: &GrpcEvent) -> Result<()> {
            Ok(())
        }
    }

    sluicegate::plugin!(plugin: Asking, http: Asks);
}

#[test]
fn a_plugin_that_is_deleted_leaves_nothing_of_its_calls() {
    for calls in [1, 8, 100] {
        let host = Host::new(&unanswered::PLUGIN).start();
        let push = || {
            let plugin = host.add_plugin("", vec![b'x'; calls]);
            assert!(plugin.started());
            let stream = plugin.http_stream();
            stream.request_headers(&[(":method", "GET"), (":path", "/")]);
            stream.complete();
            assert!(plugin.finish());
            host.clear_log();
            host.live_bytes().unwrap()
        };
        let first = push();
        for round in 1..10 {
            assert_eq!(push(), first, "{calls} calls, push {round}");
        }
    }
}
