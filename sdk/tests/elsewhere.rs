//! A plugin's actions on its streams from a tick, and the streams that handles close and resume.

use std::cell::RefCell;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Plugin {
    mode: String,
    held: RefCell<Vec<u32>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.mode = String::from_utf8_lossy(&plugin.configuration()?).into_owned();
        Ok(StartStatus::Ok)
    }

    fn on_http_call_response(&mut self, _: &mut PluginHandle<'_>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        let held = self.held.take();
        let first = *held.first().ok_or(Error::new("nothing is held"))?;
        let acted = match &*self.mode {
            "refuse" => plugin.with_http_stream(first, |stream| stream.reply(&LocalResponse::new(403).body("late"))),
            "edit" => plugin.with_http_stream(first, |stream| {
                assert_eq!(stream.id(), first);
                let before = stream.request_headers()?.len();
                stream.edit_request_headers().add("x-tick", before)?;
                stream.edit_request_headers().remove("x-gone")?;
                Ok(())
            }),
            "edit and resume" => plugin.with_http_stream(first, |stream| {
                stream.edit_request_headers().replace("x-tick", "1")?;
                stream.resume_request()
            }),
            "each" => {
                for (number, stream) in held.iter().enumerate() {
                    plugin.with_http_stream(*stream, |stream| stream.edit_request_headers().add("x-number", number))?;
                }
                Ok(())
            }
            "reset" => plugin.with_http_stream(first, |stream| stream.reset()),
            "call" => plugin.with_http_stream(first, |stream| {
                let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
                stream.call(&HttpCall::new("cluster").headers(&headers)).map(drop)
            }),
            "fail" => plugin.with_http_stream(first, |stream| {
                stream.edit_request_headers().add("x-tick", "1")?;
                Err::<(), _>(Error::new("told to fail"))
            }),
            "unknown" => plugin.with_http_stream(999, |_| -> Result<()> { panic!("there is none") }),
            "close" => plugin.with_tcp_connection(first, |connection| connection.close_downstream()),
            "resume" => plugin.with_tcp_connection(first, |connection| connection.resume_downstream()),
            other => panic!("{other}"),
        };
        // From here on it is the plugin again that acts.
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        plugin.call(&HttpCall::new("of the plugin").headers(&headers))?;
        acted
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        !["close", "resume", "upstream"].contains(&&*plugin.mode)
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.plugin().held.borrow_mut().push(request.id());
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        info!("answered to {}", stream.id());
        Ok(())
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        let stream = trailers.stream();
        stream.edit_request_trailers().add("sum", 3)?;
        info!("{:?} {:?}", stream.request_trailers()?.len(), stream.fetch_request_trailer("sum")?);
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        response.stream().reset_response()?;
        Ok(Action::Pause)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        let stream = trailers.stream();
        stream.edit_response_trailers().replace("grpc-status", "7")?;
        info!("{:?} {:?}", stream.response_trailers()?.len(), stream.fetch_response_trailer("grpc-status")?);
        info!("{:?}", stream.fetch_request_header(":path")?);
        Ok(FilterStatus::Continue)
    }
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        data.plugin().held.borrow_mut().push(data.id());
        Ok(FilterStatus::Pause)
    }

    fn on_upstream_data(&mut self, _: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        Ok(FilterStatus::Pause)
    }

    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
        connection.resume_upstream()
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, tcp: Connection);

fn host(mode: &str) -> RunningHost {
    Host::new(&PLUGIN).plugin_configuration(mode).start()
}

/// The contexts of the calls that wait: the plugin's own comes from itself, whatever it did before.
fn callers(host: &RunningHost) -> Vec<(String, u32)> {
    host.pending_calls().into_iter().map(|call| (call.cluster, call.context)).collect()
}

#[test]
fn a_held_request_is_refused_from_a_tick() {
    let host = host("refuse");
    let (first, second) = (host.http_stream(), host.http_stream());
    for stream in [&first, &second] {
        stream.request_headers(&[(":path", "/")]);
    }
    host.tick();
    let reply = first.reply().unwrap();
    assert_eq!((reply.status, &*reply.body), (403, &b"late"[..]));
    assert!(second.reply().is_none());
    assert_eq!(callers(&host), [("of the plugin".into(), 1)]);
}

#[test]
fn a_held_request_is_edited_from_a_tick_and_no_other() {
    let host = host("edit");
    let (first, second) = (host.http_stream(), host.http_stream());
    for stream in [&first, &second] {
        stream.request_headers(&[(":path", "/"), ("x-gone", "1")]);
    }
    host.tick();
    assert_eq!((first.request_header("x-tick").as_deref(), first.request_header("x-gone")), (Some("2"), None));
    assert_eq!((second.request_header("x-tick"), second.request_header("x-gone").as_deref()), (None, Some("1")));
    assert!(!first.reached_upstream());
    assert_eq!(callers(&host), [("of the plugin".into(), 1)]);
}

#[test]
fn edits_of_several_streams_go_to_the_right_one() {
    let host = host("each");
    let streams = [host.http_stream(), host.http_stream(), host.http_stream()];
    for stream in &streams {
        stream.request_headers(&[(":path", "/")]);
    }
    host.tick();
    assert_eq!(streams.each_ref().map(|stream| stream.request_header("x-number").unwrap()), ["0", "1", "2"]);
}

#[test]
fn an_edit_is_written_before_the_request_goes_on() {
    let host = host("edit and resume");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.tick();
    assert_eq!(stream.request_header("x-tick").as_deref(), Some("1"));
    assert!(stream.reached_upstream());
}

#[test]
fn a_held_request_is_reset_from_a_tick() {
    let host = host("reset");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.tick();
    assert!(stream.was_reset());
}

#[test]
fn the_answer_to_a_call_comes_to_the_stream() {
    let host = host("call");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.tick();
    assert_eq!(callers(&host), [("cluster".into(), stream.id()), ("of the plugin".into(), 1)]);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[("t", "1")]);
    host.assert_logged(LogLevel::Info, &format!("answered to {}", stream.id()));
}

#[test]
fn an_error_of_the_closure_keeps_what_it_did_and_the_plugin_acts_again() {
    let host = host("fail");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.tick();
    host.assert_logged(LogLevel::Error, "on_tick (context 1): told to fail");
    assert_eq!(stream.request_header("x-tick").as_deref(), Some("1"));
    assert_eq!(callers(&host), [("of the plugin".into(), 1)]);
}

#[test]
fn a_refused_edit_is_an_error_and_the_plugin_acts_again() {
    let host = host("edit");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-gone", "1")]);
    host.fail(Import::proxy_add_header_map_value, Status::InternalFailure);
    host.tick();
    let errors: Vec<_> = host.log().into_iter().filter(|line| line.level == LogLevel::Error).collect();
    assert!(errors.len() == 1 && errors[0].text.starts_with("on_tick (context 1): "), "{errors:?}");
    assert_eq!(stream.request_header("x-gone").as_deref(), Some("1"), "what came after it was not tried");
    assert_eq!(callers(&host), [("of the plugin".into(), 1)]);
}

#[test]
fn a_stream_that_is_gone_is_an_error() {
    let host = host("unknown");
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/")]);
    host.tick();
    let error = host.log().into_iter().find(|line| line.level == LogLevel::Error).unwrap().text;
    assert_eq!(error, "on_tick (context 1): context 999: the plugin has no open stream of this number");
    assert_eq!(host.calls(Import::proxy_set_effective_context), 0, "the host is not asked");
    assert_eq!(callers(&host), [("of the plugin".into(), 1)]);
}

#[test]
fn a_connection_is_closed_and_resumed_from_a_tick() {
    let closing = host("close");
    let connection = closing.tcp_connection();
    connection.downstream_data("held", false);
    closing.tick();
    assert!(connection.closed_downstream() && !connection.closed_upstream());

    let resuming = host("resume");
    let connection = resuming.tcp_connection();
    connection.downstream_data("held", false);
    assert_eq!(connection.sent_upstream(), b"");
    resuming.tick();
    assert_eq!(connection.sent_upstream(), b"held");
}

#[test]
fn data_of_the_upstream_is_not_resumed_in_envoy() {
    let host = host("upstream");
    let connection = host.tcp_connection();
    connection.upstream_data("data", false);
    connection.close_downstream();
    let error = host.log().into_iter().find(|line| line.level == LogLevel::Error).unwrap().text;
    assert!(error.contains("proxy_continue_stream") && error.contains("unimplemented"), "{error}");
}

#[test]
fn a_response_is_reset() {
    let host = host("edit");
    let stream = host.http_stream();
    stream.response_headers(&[(":status", "200")]);
    assert!(stream.response_was_reset() && !stream.request_was_reset() && stream.was_reset());
}

#[test]
fn trailers_are_read_and_edited_by_the_stream() {
    let host = host("edit and resume");
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":path", "/")]);
    host.tick();
    stream.request_trailers(&[("a", "b")]);
    stream.response_trailers(&[("grpc-status", "0"), ("x", "y")]);
    host.assert_logged(LogLevel::Info, "2 Some(\"3\")");
    host.assert_logged(LogLevel::Info, "2 Some(\"7\")");
    host.assert_logged(LogLevel::Info, "None");
    assert_eq!(stream.response_trailer_map().get(b"grpc-status"), Some(&b"7"[..]));
}
