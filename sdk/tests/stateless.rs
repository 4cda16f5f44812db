//! A filter that keeps nothing has no contexts, unless it takes answers: nothing is created, looked
//! up or deleted for a stream.

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

mod alone {
    use super::*;

    #[derive(Default)]
    struct Alone;

    #[sluicegate::http_filter(stateless)]
    impl HttpFilter for Alone {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            let asked = request.get("do")?.unwrap_or_default();
            match asked.as_bytes() {
                b"resume" => request.stream().resume_request()?,
                b"twice" => drop((request.reply(&LocalResponse::new(403))?, request.reply(&LocalResponse::new(404))?)),
                b"reply" => return request.reply(&LocalResponse::new(403)),
                _ => {}
            }
            Ok(Action::Continue)
        }

        fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
            stream.reply(&LocalResponse::new(200))
        }
    }

    sluicegate::plugin!(http: Alone);
}

#[test]
fn no_context_callback_is_exported_if_no_answers_are_taken() {
    let exported = |plugin: &sluicegate::Exports| {
        let mut exported = plugin.names();
        // With budgets their configuration is read.
        exported.retain(|name| !cfg!(feature = "budget") || *name != "proxy_on_configure");
        exported
    };
    assert_eq!(exported(&alone::PLUGIN), ["proxy_on_vm_start", "proxy_on_log", "proxy_on_request_headers"]);
    // A part that a stream pauses until a response comes is known by the stream.
    let names = ["proxy_on_context_create", "proxy_on_vm_start", "proxy_on_log", "proxy_on_delete"];
    let of_request = ["proxy_on_request_headers", "proxy_on_request_body", "proxy_on_request_trailers"];
    assert_eq!(exported(&PLUGIN), [&names[..], &of_request, &["proxy_on_http_call_response"]].concat());
}

#[test]
fn a_filter_without_state_is_refused_what_would_end_the_proxy() {
    let host = Host::new(&alone::PLUGIN).start();
    for (asked, status) in [("resume", Some(500)), ("twice", Some(403)), ("reply", Some(403)), ("", None)] {
        let stream = host.http_stream();
        stream.request_headers(&[("do", asked)]);
        assert_eq!(stream.reply().map(|reply| reply.status), status, "{asked}");
        let replies = host.calls(Import::proxy_send_local_response);
        stream.complete();
        assert_eq!(host.calls(Import::proxy_send_local_response), replies, "not after the end");
    }
    assert_eq!(host.calls(Import::proxy_continue_stream), 0);
    assert!(
        host.logged(LogLevel::Error, "on_log (context 2): the stream has ended, and no reply is possible"),
        "{:?}",
        host.log()
    );
}

#[test]
fn an_answer_whose_stream_the_host_refuses_is_told() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("call", "b")]);
    host.fail(Import::proxy_set_effective_context, Status::InternalFailure);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    assert_eq!((host.log().len(), host.counter("sluicegate_errors")), (1, Some(1)));
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
    assert!(host.logged(LogLevel::Error, "on_request_headers (context 3): told to fail"));
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

/// Without a plugin, the configuration is all that sets a budget; the total is all that is known of
/// streams without contexts.
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
    // A refused stream was never accepted: the next stream is served.
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
