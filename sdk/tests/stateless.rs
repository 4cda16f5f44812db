//! A filter that keeps nothing has no contexts: nothing is created, looked up or deleted for a stream.

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status};
use sluicegate_host::Host;

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        request.add("x-stream", request.id())?;
        if request.get("call")?.is_some() {
            request.call(&HttpCall::new("c").headers(&[(":method", "GET"), (":path", "/"), (":authority", "a")]))?;
            return Ok(Action::Pause);
        }
        if request.get("fail")?.is_some() {
            return Err(Error::new("told to fail"));
        }
        Ok(Action::Continue)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
        info!("{} answered, {} bytes", stream.id(), response.body_size());
        stream.resume_request()
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        info!("{} has {} headers", stream.id(), stream.request_headers().map_or(0, |map| map.len()));
        Ok(())
    }
}

sluicegate::plugin!(http: Filter);

#[test]
fn no_context_callback_is_exported() {
    let names = ["proxy_on_vm_start", "proxy_on_log", "proxy_on_request_headers", "proxy_on_http_call_response"];
    let mut exported = PLUGIN.names();
    // With budgets their configuration is read.
    exported.retain(|name| !cfg!(feature = "budget") || *name != "proxy_on_configure");
    assert_eq!(exported, names);
}

#[test]
fn an_answer_is_dropped_without_a_word_if_its_stream_is_gone_only() {
    let host = Host::new(&PLUGIN).start();
    let answer = |status| {
        let stream = host.http_stream();
        stream.request_headers(&[("call", "b")]);
        host.clear_log();
        host.fail(Import::proxy_set_effective_context, status);
        host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
        let lines = host.log().len();
        (lines, host.counter("sluicegate_errors"))
    };
    assert_eq!(answer(Status::BadArgument), (0, None));
    assert_eq!(answer(Status::InternalFailure), (1, Some(1)));
}

#[test]
fn streams_are_served_all_the_same() {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started());
    let (first, second) = (host.http_stream(), host.http_stream());
    assert_eq!(first.request_headers(&[("a", "b")]), 0);
    assert_eq!(second.request_headers(&[("fail", "b")]), 1);
    assert_eq!(first.request_header("x-stream"), Some(first.id().to_string()));
    assert_eq!(second.reply().map(|reply| reply.status), Some(500));
    assert!(host.logged(LogLevel::Error, "on_request_headers: told to fail"));
    let id = first.id();
    first.complete();
    assert!(host.logged(LogLevel::Info, &format!("{id} has 2 headers")));
}

#[test]
fn a_call_is_answered_to_its_stream() {
    let host = Host::new(&PLUGIN).start();
    let (first, second) = (host.http_stream(), host.http_stream());
    first.request_headers(&[("call", "b")]);
    second.request_headers(&[("call", "b")]);
    let calls = host.pending_calls();
    let id = first.id();
    first.complete();
    host.clear_log();
    host.answer_call(calls[0].token, &[(":status", "200")], "late", &[]);
    assert_eq!(host.log(), [], "{id} is gone");
    host.answer_call(calls[1].token, &[(":status", "200")], "yes", &[]);
    assert!(second.request_resumed());
    assert!(host.logged(LogLevel::Info, &format!("{} answered, 3 bytes", second.id())));
}

/// Without a plugin, the configuration is all that sets a budget; the total is all that is known of streams without contexts.
#[cfg(feature = "budget")]
#[test]
fn a_budget_from_the_configuration_holds() {
    let host = Host::new(&PLUGIN).plugin_configuration(r#"{"memory": {"total": 100, "over_total": "reply 507"}}"#);
    let host = host.start();
    assert!(host.started());
    let small = host.http_stream();
    assert_eq!(small.request_headers(&[("a", "b")]), 0);
    let large = host.http_stream();
    assert_eq!(large.request_headers(&[("a", &*"b".repeat(200))]), 1);
    assert_eq!(large.reply().map(|reply| reply.status), Some(507));
    // What was refused was never taken: the next stream is served.
    assert_eq!(host.http_stream().request_headers(&[("a", "b")]), 0);
    assert!(!Host::new(&PLUGIN).plugin_configuration(r#"{"memory": 7}"#).start().started());
}

#[test]
fn a_changed_level_is_seen_within_64_streams() {
    let host = Host::new(&PLUGIN).log_level(LogLevel::Error).start();
    host.http_stream().complete();
    host.set_log_level(LogLevel::Info);
    for _ in 0..64 {
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        stream.complete();
    }
    assert!(!host.log().is_empty());
    assert!(host.calls(Import::proxy_get_log_level) < 5);
}
