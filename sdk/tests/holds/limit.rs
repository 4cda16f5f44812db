//! Bodies about the proxy's limit, behind headers that are held: each is judged as a whole or
//! refused, and none hangs.

use sluicegate::abi::{Import, Status};
use sluicegate::prelude::*;
use sluicegate::{Exports, LogLevel};
use sluicegate_host::{Host, HttpStream, RunningHost};

const HEADERS: [(&str, &str); 3] = [(":method", "POST"), (":path", "/"), (":authority", "a")];
const OK: [(&str, &str); 1] = [(":status", "200")];
const ASK: HttpCall<'static> = HttpCall::new("auth").headers(&HEADERS);
const LIMIT: usize = 64;
/// The status that makes Envoy refuse a body over its limit.
const BUFFER: u32 = Action::StopAllIterationAndBuffer as u32;
const STOP: u32 = Action::StopIteration as u32;

/// The holder of the headers, which the header `by` of a message names.
const HOLDERS: [&str; 4] = ["task", "closure", "pause", "pause and closure"];

macro_rules! hold {
    ($headers:ident, $resume:ident) => {{
        let by = $headers.get("by")?.map(|by| by.display().to_string()).unwrap_or_default();
        match &*by {
            "task" => $headers.hold_while(async {
                ASK.send().await?;
                Ok(Action::Continue)
            }),
            "closure" => $headers.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Continue)),
            "pause" => {
                $headers.stream().call(&ASK)?;
                Ok(Action::Pause)
            }
            "pause and closure" => {
                $headers.stream().call_then(&ASK, |_: &mut Self, stream, _| stream.$resume())?;
                Ok(Action::Pause)
            }
            // Nothing resumes the headers but the callback for the body.
            "body" => Ok(Action::Pause),
            // The answer does not resume them.
            "nobody" => {
                $headers.stream().call_then(&ASK, |_: &mut Self, _, _| Ok(()))?;
                Ok(Action::Pause)
            }
            "parts" => {
                $headers.let_body_pass();
                $headers.hold_for_call(&ASK, |_: &mut Self, _, _| Ok(Action::Continue))
            }
            _ => Ok(Action::Continue),
        }
    }};
}

macro_rules! filter {
    ($name:ident, $policy:ident) => {
        mod $name {
            use super::*;

            #[derive(Default)]
            struct Filter {
                is_response: bool,
            }

            #[sluicegate::http_filter(calls, tasks)]
            impl HttpFilter for Filter {
                const ON_ERROR: FailurePolicy = FailurePolicy::$policy;

                fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
                    hold!(request, resume_request)
                }

                fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
                    info!("judged {}", body.size()?);
                    Ok(FilterStatus::Continue)
                }

                fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
                    self.is_response = true;
                    hold!(response, resume_response)
                }

                fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
                    info!("judged {}", body.size()?);
                    Ok(FilterStatus::Continue)
                }

                fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
                    if self.is_response { stream.resume_response() } else { stream.resume_request() }
                }
            }

            sluicegate::plugin!(http: Filter);
        }
    };
}

filter!(closed, Closed);
filter!(open, Open);

/// Sends headers that are held, and returns the status of their callback.
fn begin<'host>(host: &'host RunningHost, is_request: bool, by: &str) -> (HttpStream<'host>, u32) {
    let stream = host.http_stream();
    let by = ("by", by);
    if is_request {
        let [method, path, authority] = HEADERS;
        let status = stream.request_headers_with_body(&[method, path, authority, by]);
        (stream, status)
    } else {
        stream.request_headers(&HEADERS);
        let status = stream.response_headers(&[OK[0], by]);
        (stream, status)
    }
}

fn part(stream: &HttpStream<'_>, is_request: bool, part: &[u8], last: bool) {
    if is_request {
        stream.request_body(part, last)
    } else {
        stream.response_body(part, last)
    };
}

fn answer(host: &RunningHost) {
    host.answer_call(host.pending_calls()[0].token, &OK, "", &[]);
}

#[test]
fn a_body_behind_held_headers_is_judged_whole_or_refused() {
    for (module, is_request, by) in [&closed::PLUGIN, &open::PLUGIN]
        .into_iter()
        .flat_map(|module| [(module, true), (module, false)])
        .flat_map(|(module, is_request)| HOLDERS.map(|by| (module, is_request, by)))
    {
        for (size, cut, trailers) in [LIMIT - 1, LIMIT, LIMIT + 1, 3 * LIMIT]
            .into_iter()
            .flat_map(|size| [1, 10, LIMIT].map(|cut| (size, cut)))
            .flat_map(|(size, cut)| [(size, cut, false), (size, cut, true)])
        {
            let body = vec![b'x'; size];
            let parts: Vec<_> = body.chunks(cut).collect();
            // Before the first part, between two, and after the end.
            for released in [0, parts.len() / 2, parts.len() + 1] {
                let host = Host::new(module).buffer_limit(LIMIT).start();
                let (stream, status) = begin(&host, is_request, by);
                let what = format!("{by}, request {is_request}, {size} by {cut}, {trailers}, after {released}");
                assert_eq!(status, BUFFER, "{what}");
                let is_over = || stream.reply().is_some() || stream.was_reset();
                for (number, bytes) in parts.iter().enumerate() {
                    if number == released && !is_over() {
                        answer(&host);
                    }
                    part(&stream, is_request, bytes, !trailers && number + 1 == parts.len());
                }
                match (trailers, is_request) {
                    (true, true) => drop(stream.request_trailers(&[("a", "b")])),
                    (true, false) => drop(stream.response_trailers(&[("a", "b")])),
                    _ => {}
                }
                if released > parts.len() && !is_over() {
                    answer(&host);
                }
                let (sent, whole) = if is_request {
                    (stream.sent_request_body().len(), stream.sent_whole_request())
                } else {
                    (stream.sent_response_body().len(), stream.sent_whole_response())
                };
                let judged = host.logged(LogLevel::Info, &format!("judged {size}"));
                if size <= LIMIT {
                    assert_eq!((sent, whole, judged), (size, true, true), "{what}: {:?}", host.log());
                } else {
                    let status = stream.reply().map(|reply| reply.status);
                    let is_refused = status == Some(if is_request { 413 } else { 500 }) || stream.was_reset();
                    // The callback may run for the last part of a body that is refused.
                    assert!(is_refused, "{what}: {status:?}, {:?}", host.log());
                    assert!(if is_request { sent == 0 } else { sent != size }, "{what}");
                }
                stream.complete();
                host.assert_no_log_at(LogLevel::Error);
            }
        }
    }
}

#[test]
fn a_host_that_is_not_envoy_gets_the_one_stop_that_all_hosts_know() {
    let host = Host::new(&closed::PLUGIN).start();
    host.fail(Import::proxy_get_property, Status::NotFound);
    let before = host.calls(Import::proxy_get_property);
    for _ in 0..3 {
        assert_eq!(begin(&host, true, "task").1, STOP);
    }
    // The host is asked once.
    assert_eq!(host.calls(Import::proxy_get_property), before + 1);
    let host = Host::new(&closed::PLUGIN).start();
    // A host that has some text for every name.
    let stream = host.http_stream();
    stream.set_property(&["xds", "listener_direction"], "");
    assert_eq!(stream.request_headers_with_body(&[(":method", "POST"), ("by", "task")]), STOP);
}

#[test]
fn a_filter_that_waits_for_the_body_itself_gets_to_see_it() {
    for is_request in [true, false] {
        let host = Host::new(&closed::PLUGIN).allow_on_headers_stop_iteration().buffer_limit(LIMIT).start();
        let (stream, status) = begin(&host, is_request, "body");
        assert_eq!(status, STOP);
        part(&stream, is_request, b"one", true);
        assert!(host.logged(LogLevel::Info, "judged 3"), "{:?}", host.log());
        assert!(if is_request { stream.sent_whole_request() } else { stream.sent_whole_response() });
    }
    // A body that passes in parts may be as large as it likes.
    let host = Host::new(&closed::PLUGIN).buffer_limit(LIMIT).start();
    let (stream, status) = begin(&host, true, "parts");
    assert_eq!(status, STOP);
    (0..30).for_each(|number| part(&stream, true, b"12345678", number == 29));
    answer(&host);
    assert_eq!((stream.sent_request_body().len(), stream.sent_whole_request()), (240, true));
}

#[test]
fn headers_that_nothing_resumes_after_the_answer_are_refused() {
    for (module, is_open) in [(&closed::PLUGIN, false), (&open::PLUGIN, true)] as [(&'static Exports, bool); 2] {
        for is_request in [true, false] {
            let host = Host::new(module).allow_on_headers_stop_iteration().start();
            let (stream, status) = begin(&host, is_request, "nobody");
            assert_eq!(status, BUFFER);
            part(&stream, is_request, b"one", true);
            assert!(!host.logged(LogLevel::Info, "judged 3"));
            answer(&host);
            assert!(
                host.log().iter().any(|line| line.text.contains("nothing is left that could resume it")),
                "{:?}",
                host.log()
            );
            if is_open {
                assert!(host.logged(LogLevel::Info, "judged 3"));
                assert!(if is_request { stream.sent_whole_request() } else { stream.sent_whole_response() });
            } else {
                assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
            }
        }
    }
}
