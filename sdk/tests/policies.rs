//! The result for a stream whose callback, response or task fails, by its policy; and the proxy's
//! count of failures.

use std::time::Duration;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost};

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&HEADERS);

/// Passes what it cannot judge.
mod open {
    use super::*;

    #[derive(Default)]
    pub(super) struct Plugin;

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
            plugin.set_tick_period(Duration::from_secs(1))?;
            Ok(StartStatus::Ok)
        }

        fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
            plugin.resume_request(2)
        }
    }

    /// The header `do` says what fails.
    #[derive(Default)]
    pub(super) struct Filter;

    #[sluicegate::http_filter(calls, tasks)]
    impl HttpFilter for Filter {
        type Plugin = Plugin;
        const ON_ERROR: FailurePolicy = FailurePolicy::Open;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
            match request.get("do")?.unwrap_or_default().as_bytes() {
                b"closure" => request.call_then(&ASK, |_: &mut Self, _, _| Err(Error::new("closure"))).map(drop)?,
                b"callback" => request.call(&ASK).map(drop)?,
                b"grpc" => request.stream().grpc_call(&GrpcCall::new("auth", "S", "M")).map(drop)?,
                b"task" => {
                    request.stream().spawn(async {
                        let _ = ASK.send().await;
                        Err(Error::new("task beside"))
                    })?;
                }
                b"hold" => {
                    request.call(&ASK)?;
                    return request.hold_while(async {
                        let _ = ASK.send().await;
                        Err(Error::new("task"))
                    });
                }
                b"pass" => {
                    request.call(&ASK)?;
                    return Ok(Action::Continue);
                }
                b"now" => return Err(Error::new("now")),
                _ => return Ok(Action::Continue),
            }
            Ok(Action::Pause)
        }

        fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
            Ok(if body.end_of_stream() { DataAction::Continue } else { DataAction::Pause })
        }

        fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
            if response.get("ask")?.is_some() {
                response.call(&ASK)?;
                return Ok(Action::Pause);
            }
            Ok(Action::Continue)
        }

        fn on_http_call_response(
            &mut self,
            stream: &mut HttpHandle<'_, Plugin>,
            response: &CallResponse,
        ) -> Result<()> {
            if response.body_size() > 0 {
                stream.resume_request()?;
            }
            Err(Error::new("callback"))
        }

        fn on_grpc_event(&mut self, _: &mut HttpHandle<'_, Plugin>, _: &GrpcEvent) -> Result<()> {
            Err(Error::new("grpc"))
        }
    }

    sluicegate::plugin!(plugin: Plugin, http: Filter);
}

fn begin<'a>(host: &'a RunningHost, what: &str) -> HttpStream<'a> {
    let stream = host.http_stream();
    stream.request_headers(&[("do", what)]);
    stream
}

fn answer(host: &RunningHost, body: &str) {
    let [call, ..] = &*host.pending_calls() else { panic!("nothing was asked") };
    host.answer_call(call.token, &[(":status", "200")], body, &[]);
}

/// The number of times that the filter told the proxy to resume a direction.
fn resumes(host: &RunningHost) -> usize {
    host.calls(Import::proxy_continue_stream)
}

#[test]
fn open_lets_go_what_waits_for_an_answer_that_fails() {
    for what in ["closure", "callback"] {
        let host = Host::new(&open::PLUGIN).start();
        let stream = begin(&host, what);
        assert!(!stream.request_resumed());
        answer(&host, "");
        assert!(stream.request_resumed() && stream.reply().is_none(), "{what}");
        assert_eq!((resumes(&host), host.counter("sluicegate_errors")), (1, Some(1)));
    }
    let host = Host::new(&open::PLUGIN).start();
    let stream = begin(&host, "grpc");
    host.grpc_close(host.open_grpc()[0].token, 14, "");
    assert!(stream.request_resumed());
    assert!(host.logged(LogLevel::Error, "on_grpc_event (context 2): grpc"));
}

#[test]
fn open_lets_a_response_go_and_not_a_request_that_went_on() {
    let host = Host::new(&open::PLUGIN).start();
    let stream = begin(&host, "");
    assert_eq!(stream.response_headers(&[("ask", "1")]), Action::Pause as u32);
    answer(&host, "");
    assert!(stream.response_resumed() && stream.reached_client());
    assert_eq!(resumes(&host), 1, "the request is not held");
}

#[test]
fn open_resumes_nothing_that_is_not_held() {
    // Not held in the first place; resumed by the answer itself, by the plugin, by the end of a
    // body; and held by a task still.
    let host = Host::new(&open::PLUGIN).start();
    let _stream = begin(&host, "pass");
    answer(&host, "");
    assert_eq!(resumes(&host), 0);

    let host = Host::new(&open::PLUGIN).start();
    let _stream = begin(&host, "callback");
    answer(&host, "resume");
    assert_eq!(resumes(&host), 1);

    let host = Host::new(&open::PLUGIN).start();
    let _stream = begin(&host, "callback");
    host.tick();
    answer(&host, "");
    assert_eq!(resumes(&host), 1);

    let host = Host::new(&open::PLUGIN).allow_on_headers_stop_iteration().start();
    let stream = begin(&host, "callback");
    assert_eq!(stream.request_body("a", false), DataAction::Pause as u32);
    assert_eq!(stream.request_body("b", true), 0);
    answer(&host, "");
    assert_eq!(resumes(&host), 0);

    let host = Host::new(&open::PLUGIN).start();
    let _stream = begin(&host, "hold");
    answer(&host, "");
    assert_eq!(resumes(&host), 0, "the task still holds it");
    answer(&host, "");
    assert_eq!(resumes(&host), 1);
}

#[test]
fn open_forgets_a_stream_that_is_gone() {
    let host = Host::new(&open::PLUGIN).start();
    begin(&host, "callback").complete();
    answer(&host, "");
    assert_eq!((resumes(&host), host.counter("sluicegate_errors")), (0, None));
}

#[test]
fn a_task_beside_a_stream_that_fails_changes_nothing_of_it() {
    let host = Host::new(&open::PLUGIN).start();
    let stream = begin(&host, "task");
    answer(&host, "");
    assert!(host.logged(LogLevel::Error, "task (context 2): task beside"));
    assert!(!stream.request_resumed());
}

/// Answers 503.
mod unavailable {
    use super::*;

    #[derive(Default)]
    pub(super) struct Filter;

    #[sluicegate::http_filter(calls, tasks)]
    impl HttpFilter for Filter {
        const ON_ERROR: FailurePolicy = FailurePolicy::Unavailable;

        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            match request.get("do")?.unwrap_or_default().as_bytes() {
                b"closure" => request.call_then(&ASK, |_: &mut Self, _, _| Err(Error::new("closure"))).map(drop)?,
                b"hold" => {
                    return request.hold_while(async {
                        let _ = ASK.send().await;
                        Err(Error::new("task"))
                    });
                }
                _ => return Err(Error::new("now")),
            }
            Ok(Action::Pause)
        }
    }

    sluicegate::plugin!(http: Filter);
}

#[test]
fn unavailable_answers_503() {
    for what in ["now", "closure", "hold"] {
        let host = Host::new(&unavailable::PLUGIN).start();
        let stream = begin(&host, what);
        if what != "now" {
            assert_eq!(stream.reply(), None);
            answer(&host, "");
        }
        let reply = stream.reply().expect("it is refused");
        assert_eq!((reply.status, &*reply.details), (503, "filter_error"), "{what}");
        assert_eq!(host.counter("sluicegate_errors"), Some(1));
    }
}

/// Connections under both policies: the first byte chooses what fails.
macro_rules! connections {
    ($name:ident, $policy:ident) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            pub(super) struct Filter;

            #[sluicegate::tcp_filter(calls)]
            impl TcpFilter for Filter {
                type Plugin = ();
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
                    match &*data.read(0, 1)? {
                        b"a" => data.connection().call(&ASK).map(drop)?,
                        b"c" => {
                            let fails = |_: &mut Self, _: &mut TcpHandle<'_>, _: Result<&CallResponse, CallFailure>| {
                                Err(Error::new("closure"))
                            };
                            data.connection().call_then(&ASK, fails).map(drop)?;
                        }
                        _ => return Err(Error::new("now")),
                    }
                    Ok(FilterStatus::Pause)
                }

                fn on_http_call_response(&mut self, _: &mut TcpHandle<'_>, _: &CallResponse) -> Result<()> {
                    Err(Error::new("callback"))
                }
            }

            sluicegate::plugin!(tcp: Filter);
        }
    };
}

connections!(open_connections, Open);
connections!(closed_connections, Closed);
connections!(unavailable_connections, Unavailable);

#[test]
fn a_connection_is_closed_or_its_data_goes_on() {
    for (data, name) in
        [("a", "on_http_call_response (context 2): callback"), ("c", "closure of a call (context 2): closure")]
    {
        let host = Host::new(&open_connections::PLUGIN).start();
        let connection = host.tcp_connection();
        assert_eq!(connection.downstream_data(data, false), FilterStatus::Pause as u32);
        answer(&host, "");
        assert_eq!((connection.sent_upstream(), connection.closed_downstream()), (data.into(), false));
        assert!(host.logged(LogLevel::Error, name));

        for plugin in [&closed_connections::PLUGIN, &unavailable_connections::PLUGIN] {
            let host = Host::new(plugin).start();
            let connection = host.tcp_connection();
            connection.downstream_data(data, false);
            answer(&host, "");
            assert_eq!((connection.sent_upstream(), connection.closed_downstream()), (vec![], true));
            assert_eq!((resumes(&host), host.counter("sluicegate_errors")), (0, Some(1)));
        }
    }
    let host = Host::new(&open_connections::PLUGIN).start();
    let connection = host.tcp_connection();
    assert_eq!(connection.downstream_data("now", false), FilterStatus::Continue as u32);
    assert_eq!((connection.sent_upstream(), resumes(&host)), (b"now".to_vec(), 0));
    let host = Host::new(&closed_connections::PLUGIN).start();
    assert_eq!(host.tcp_connection().downstream_data("now", false), FilterStatus::Pause as u32);
}

/// Fails where there is nothing left to answer.
macro_rules! ending {
    ($name:ident $(, $stateless:ident)?) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            pub(super) struct Filter;

            #[sluicegate::http_filter$(($stateless))?]
            impl HttpFilter for Filter {
                fn on_request_metadata(&mut self, _: &mut HttpHandle<'_>, _: u32) -> Result<()> {
                    Err(Error::new("a"))
                }

                fn on_response_metadata(&mut self, _: &mut HttpHandle<'_>, _: u32) -> Result<()> {
                    Err(Error::new("b"))
                }

                fn on_log(&mut self, _: &mut HttpHandle<'_>) -> Result<()> {
                    Err(Error::new("c"))
                }

                fn on_done(&mut self, _: &mut HttpHandle<'_>) -> Result<()> {
                    Err(Error::new("d"))
                }

                fn on_delete(&mut self, _: &mut HttpHandle<'_>) -> Result<()> {
                    Err(Error::new("e"))
                }
            }

            sluicegate::plugin!(http: Filter);
        }
    };
}

ending!(ending_streams);
ending!(ending_stateless_streams, stateless);

mod ending_connections {
    use super::*;

    #[derive(Default)]
    pub(super) struct Plugin;

    #[sluicegate::plugin_context]
    impl PluginContext for Plugin {
        fn on_done(&mut self, _: &mut PluginHandle<'_>) -> Result<bool> {
            Err(Error::new("f"))
        }

        fn on_delete(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
            Err(Error::new("g"))
        }
    }

    #[derive(Default)]
    pub(super) struct Filter;

    #[sluicegate::tcp_filter]
    impl TcpFilter for Filter {
        type Plugin = Plugin;

        fn on_downstream_close(&mut self, _: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
            Err(Error::new("a"))
        }

        fn on_upstream_close(&mut self, _: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
            Err(Error::new("b"))
        }

        fn on_log(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<()> {
            Err(Error::new("c"))
        }

        fn on_done(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<()> {
            Err(Error::new("d"))
        }

        fn on_delete(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<()> {
            Err(Error::new("e"))
        }
    }

    sluicegate::plugin!(plugin: Plugin, tcp: Filter);
}

#[test]
fn callbacks_that_answer_nothing_fail_too() {
    for plugin in [&ending_streams::PLUGIN, &ending_stateless_streams::PLUGIN] {
        let host = Host::new(plugin).start();
        let stream = begin(&host, "");
        stream.request_metadata(1);
        stream.response_metadata(1);
        stream.assert_passed();
        stream.complete();
        for line in [
            "on_request_metadata (context 2): a",
            "on_response_metadata (context 2): b",
            "on_log (context 2): c",
            "on_done (context 2): d",
            "on_delete (context 2): e",
        ] {
            host.assert_logged(LogLevel::Error, line);
        }
        host.assert_counter("sluicegate_errors", 5);
    }

    let host = Host::new(&ending_connections::PLUGIN).start();
    let connection = host.tcp_connection();
    connection.close_downstream();
    connection.close_upstream();
    connection.complete();
    assert!(host.finish(), "a plugin that cannot say whether it waits does not");
    for line in [
        "on_downstream_close (context 2): a",
        "on_upstream_close (context 2): b",
        "on_log (context 2): c",
        "on_done (context 2): d",
        "on_delete (context 2): e",
        "on_done (context 1): f",
        "on_delete (context 1): g",
    ] {
        host.assert_logged(LogLevel::Error, line);
    }
    host.assert_counter("sluicegate_errors", 7);
}

#[test]
fn failures_are_counted_and_the_counter_is_defined_once() {
    let host = Host::new(&open::PLUGIN).start();
    for _ in 0..3 {
        begin(&host, "now").complete();
    }
    host.fail(Import::proxy_continue_stream, Status::BadArgument);
    host.advance(Duration::from_secs(1));
    assert_eq!(host.counter("sluicegate_errors"), Some(4), "a plugin's count too");
    assert_eq!(host.calls(Import::proxy_define_metric), 1);
}

#[test]
fn callbacks_without_a_context_are_counted() {
    let host = Host::new(&closed_connections::PLUGIN).start();
    assert_eq!(host.callback("proxy_on_downstream_data", &[77, 1, 0]), Some(FilterStatus::Pause as u32));
    assert_eq!(host.counter("sluicegate_errors"), Some(1));
    let host = Host::new(&open::PLUGIN).start();
    assert_eq!(host.callback("proxy_on_request_headers", &[77, 0, 1]), Some(Action::Continue as u32));
    assert_eq!(host.counter("sluicegate_errors"), Some(1));
}

#[test]
fn a_host_without_metrics_is_asked_once() {
    let host = Host::new(&open::PLUGIN).start();
    host.fail(Import::proxy_define_metric, Status::Unimplemented);
    for _ in 0..3 {
        assert_eq!(begin(&host, "now").reply(), None);
    }
    assert_eq!((host.calls(Import::proxy_define_metric), host.calls(Import::proxy_increment_metric)), (1, 0));
}
