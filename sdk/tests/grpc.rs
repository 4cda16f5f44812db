//! gRPC calls and streams: answered, failed, cancelled, and events that nobody waits for.

use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, abi::Import};
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        plugin.grpc_call(&GrpcCall::new("cluster", "Service", "Tick").metadata(&[("m", "1")]).message("tick"))?;
        Ok(())
    }

    fn on_queue_ready(&mut self, plugin: &mut PluginHandle<'_>, _: sluicegate::queue::Queue) -> Result<()> {
        info!("{}", plugin.grpc_stream("", "Service", "Chat", &[]).is_err());
        plugin.grpc_call(&GrpcCall::new("", "Service", "Tick")).map(drop)
    }

    fn on_grpc_event(&mut self, plugin: &mut PluginHandle<'_>, event: &GrpcEvent) -> Result<()> {
        info!("plugin {} {:?} {:?}", plugin.id(), event.kind(), event.message()?);
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    stream: Option<GrpcStream>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        // A cluster that a configuration names is a `String`.
        let stream = request.stream().grpc_stream(&String::from("cluster"), "Service", "Chat", &[])?;
        stream.send("hello", false)?;
        self.stream = Some(stream);
        Ok(Action::Pause)
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Plugin>, event: &GrpcEvent) -> Result<()> {
        let Some(grpc) = self.stream else { return Err(Error::new("no stream")) };
        assert_eq!(event.token(), grpc.token());
        match event.kind() {
            GrpcEventKind::InitialMetadata(elements) => assert_eq!(event.metadata()?.len(), elements as usize),
            GrpcEventKind::TrailingMetadata(_) => info!("trailing {:?}", event.metadata()?),
            GrpcEventKind::Message(_) => match &*event.message()? {
                b"bye" => grpc.send("bye", true)?,
                b"cancel" => grpc.cancel()?,
                b"end" => grpc.close()?,
                other => info!("{} got {:?}", stream.id(), ByteStr::new(other)),
            },
            GrpcEventKind::Closed(0) => stream.resume_request()?,
            GrpcEventKind::Closed(status) => {
                info!("closed with {status}: {:?}", event.status_text()?);
                assert!(event.metadata().is_err() && event.message()?.is_empty());
                stream.reply(&LocalResponse::new(502))?;
            }
            _ => {}
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

mod stateless {
    use super::*;

    #[derive(Default)]
    struct Watch;

    #[sluicegate::http_filter(stateless)]
    impl HttpFilter for Watch {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.stream().grpc_stream("cluster", "Service", "Chat", &[])?;
            Ok(Action::Pause)
        }

        fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_>, event: &GrpcEvent) -> Result<()> {
            match event.kind() {
                GrpcEventKind::Closed(_) => stream.resume_request(),
                _ => Ok(()),
            }
        }
    }

    sluicegate::plugin!(http: Watch);
}

#[test]
fn a_call_is_answered_once() {
    let host = Host::new(&PLUGIN).start();
    host.tick();
    let [call] = &*host.open_grpc() else { panic!("{:?}", host.open_grpc()) };
    assert_eq!((&*call.cluster, &*call.service, &*call.method), ("cluster", "Service", "Tick"));
    assert_eq!((&*call.sent, call.timeout, call.ended), (&[b"tick".to_vec()][..], Some(1000), true));
    assert_eq!(call.metadata.get(b"m"), Some(&b"1"[..]));
    host.grpc_message(call.token, "tock");
    assert!(host.logged(LogLevel::Info, r#"plugin 1 Message(4) "tock""#), "{:?}", host.log());
    host.grpc_message(call.token, "tock");
    assert!(host.logged(LogLevel::Debug, &format!("sluicegate: no such gRPC call or stream: {}", call.token)));
}

#[test]
fn a_call_fails_with_a_status() {
    let host = Host::new(&PLUGIN).start();
    host.tick();
    host.grpc_close(host.open_grpc()[0].token, 14, "unavailable");
    assert!(host.logged(LogLevel::Info, r#"plugin 1 Closed(14) """#), "{:?}", host.log());
    assert!(host.open_grpc().is_empty());
}

#[test]
fn a_stream_talks_until_it_is_closed() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("a", "b")]), 1);
    let token = host.open_grpc()[0].token;
    host.grpc_initial_metadata(token, &[("x", "1"), ("y", "2")]);
    host.grpc_message(token, "one");
    host.grpc_message(token, "two");
    assert!(host.logged(LogLevel::Info, &format!(r#"{} got "two""#, stream.id())));
    host.grpc_message(token, "bye");
    let open = &host.open_grpc()[0];
    assert_eq!((&*open.sent, open.ended, open.timeout), (&[b"hello".to_vec(), b"bye".to_vec()][..], true, None));
    host.grpc_trailing_metadata(token, &[("z", "3")]);
    assert!(host.logged(LogLevel::Info, r#"trailing [("z", "3")]"#), "{:?}", host.log());
    assert!(!stream.request_resumed());
    host.grpc_close(token, 0, "");
    assert!(stream.request_resumed());
}

#[test]
fn a_stream_that_breaks_says_why() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    host.grpc_message(host.open_grpc()[0].token, "end");
    assert!(host.open_grpc()[0].ended);
    host.grpc_close(host.open_grpc()[0].token, 13, "broken");
    assert!(host.logged(LogLevel::Info, r#"closed with 13: "broken""#), "{:?}", host.log());
    assert_eq!(stream.reply().map(|reply| reply.status), Some(502));
}

#[test]
fn a_cancelled_stream_is_forgotten() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    let token = host.open_grpc()[0].token;
    host.grpc_message(token, "cancel");
    assert!(host.open_grpc().is_empty());
    host.clear_log();
    host.grpc_message(token, "late");
    assert!(host.logged(LogLevel::Debug, &format!("sluicegate: no such gRPC call or stream: {token}")));
    assert_eq!(host.log().len(), 1);
}

#[test]
fn a_stream_that_the_host_does_not_know_is_forgotten_when_it_is_cancelled() {
    for (status, kept) in [(Status::NotFound, false), (Status::InternalFailure, true)] {
        let host = Host::new(&PLUGIN).start();
        let stream = host.http_stream();
        stream.request_headers(&[("a", "b")]);
        let token = host.open_grpc()[0].token;
        host.fail(Import::proxy_grpc_cancel, status);
        host.grpc_message(token, "cancel");
        host.clear_log();
        host.grpc_message(token, "late");
        let unknown = host.logged(LogLevel::Debug, &format!("sluicegate: no such gRPC call or stream: {token}"));
        assert_eq!(unknown, !kept, "{status:?}");
    }
}

/// The calls of a stream are cancelled when the stream is deleted, also if it has no state.
#[test]
fn what_is_open_goes_with_its_stream() {
    for plugin in [&PLUGIN, &stateless::PLUGIN] {
        let host = Host::new(plugin).start();
        let (stream, other) = (host.http_stream(), host.http_stream());
        stream.request_headers(&[("a", "b")]);
        other.request_headers(&[("a", "b")]);
        let token = host.open_grpc()[0].token;
        stream.complete();
        host.clear_log();
        assert_eq!((host.open_grpc().len(), host.calls(Import::proxy_grpc_cancel)), (1, 1));
        host.grpc_message(token, "late");
        assert_eq!(host.log().len(), 1);
        host.assert_logged(LogLevel::Debug, &format!("sluicegate: no such gRPC call or stream: {token}"));
        host.grpc_close(host.open_grpc()[0].token, 0, "");
        other.complete();
        assert_eq!(host.calls(Import::proxy_grpc_cancel), 1, "what is over is not cancelled");
    }
}

#[test]
fn a_stream_that_the_host_does_not_cancel_is_closed_at_its_next_event() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("a", "b")]);
    let token = host.open_grpc()[0].token;
    host.fail(Import::proxy_grpc_cancel, Status::InternalFailure);
    stream.complete();
    host.clear_log();
    assert!(!host.open_grpc()[0].ended);
    host.grpc_message(token, "late");
    assert!(host.open_grpc()[0].ended, "this side hangs up");
    host.grpc_message(token, "later");
    assert_eq!(host.calls(Import::proxy_grpc_close), 1, "once");
    host.grpc_close(token, 0, "");
    assert_eq!(host.log(), []);
}

#[test]
fn a_call_that_the_host_refuses_to_open_and_closes_all_the_same() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_grpc_call, Status::InternalFailure);
    host.tick();
    host.grpc_close(77, 14, "no healthy upstream");
    let log: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    let error = "on_tick (context 1): proxy_grpc_call (cluster cluster): error status returned by host: internal failure: \
         the cluster has no healthy host, or there is none of this name";
    let cluster = "sluicegate: the host refuses a call to the cluster: cluster";
    assert_eq!(log, [cluster, error, "sluicegate: no such gRPC call or stream: 77"]);
}

#[test]
fn a_call_without_a_cluster_never_comes_to_the_host_which_may_end_of_it() {
    let host = Host::new(&PLUGIN).start();
    host.callback("proxy_on_queue_ready", &[1, 1]);
    assert_eq!((host.calls(Import::proxy_grpc_call), host.calls(Import::proxy_grpc_stream)), (0, 0));
    let log: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(log, ["true", "on_queue_ready (context 1): proxy_grpc_call (cluster): the name is missing"]);
}
