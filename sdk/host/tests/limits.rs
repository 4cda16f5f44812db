//! The amount of data that the simulated proxy holds, and its actions beyond that. They are those
//! of Envoy, with which the drift test compares it.

use sluicegate::prelude::*;
use sluicegate_host::{Host, HttpStream};

/// Answers each callback as the configuration says: a digit for headers, data and connections; a
/// resumed request has none.
#[derive(Default)]
struct Plugin {
    headers: u8,
    data: u8,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        if let [headers, data, ..] = *plugin.configuration()? {
            (self.headers, self.data) = (headers - b'0', data - b'0');
        }
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        // A resume of data that the filter does not hold is an error, and has no other effect.
        let _ = plugin.resume_request(2);
        let _ = plugin.resume_response(2);
        Ok(())
    }
}

#[derive(Default)]
struct Hold;

fn headers(plugin: &Plugin) -> Action {
    match plugin.headers {
        1 => Action::StopIteration,
        3 => Action::StopAllIterationAndBuffer,
        4 => Action::StopAllIterationAndWatermark,
        _ => Action::Continue,
    }
}

fn data(plugin: &Plugin) -> DataAction {
    match plugin.data {
        1 => DataAction::StopIterationAndBuffer,
        2 => DataAction::StopIterationAndWatermark,
        _ => DataAction::Continue,
    }
}

#[sluicegate::http_filter]
impl HttpFilter for Hold {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        Ok(headers(request.plugin()))
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        info!("{} of the request", body.size());
        Ok(data(body.plugin()))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        info!("{:?}", response.get(":status")?);
        Ok(headers(response.plugin()))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        info!("{} of the response", body.size());
        Ok(data(body.plugin()))
    }
}

sluicegate::plugin!(plugin: Plugin, http: Hold);

const PART: [u8; 40] = [b'x'; 40];

fn host(actions: &str) -> Host {
    Host::new(&PLUGIN).plugin_configuration(actions).buffer_limit(64)
}

fn open<'host>(host: &'host sluicegate_host::RunningHost) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    stream
}

fn lines(host: &sluicegate_host::RunningHost) -> Vec<String> {
    // Without the warning of a request that is held though nothing pends.
    let lines = host.log().into_iter().filter(|line| line.level == sluicegate_host::LogLevel::Info);
    lines.map(|line| line.text).collect()
}

#[test]
fn a_request_that_is_too_large_to_be_held_is_answered_with_413() {
    // Held by the body's callback, and by the headers', which the body's does not follow.
    for (actions, seen) in [("01", &["40 of the request", "80 of the request"][..]), ("30", &[])] {
        let host = host(actions).start();
        let stream = open(&host);
        assert_eq!(stream.request_body(PART, false), 1);
        assert_eq!(stream.held_request_body().len(), if actions == "01" { 40 } else { 0 });
        stream.request_body(PART, false);
        let reply = stream.assert_reply(413);
        assert_eq!((&*reply.details, &*reply.body), ("request_payload_too_large", &b"Payload Too Large"[..]));
        // The answer goes through the filter, and nothing after it does.
        assert_eq!(stream.request_body("", true), 3);
        assert_eq!(lines(&host)[..seen.len() + 1], [seen, &["Some(\"413\")"]].concat(), "{actions}");
        assert!(!stream.reached_upstream() || actions == "01");
    }
    let host = host("01").start();
    let stream = open(&host);
    assert_eq!((stream.request_body([PART; 2].concat(), true), stream.assert_reply(413).status), (1, 413));
}

#[test]
fn what_is_not_over_the_limit_is_held_and_goes_on() {
    let host = Host::new(&PLUGIN).plugin_configuration("01").buffer_limit(80).start();
    let stream = open(&host);
    assert_eq!((stream.request_body(PART, false), stream.request_body(PART, false)), (1, 1));
    assert_eq!((stream.reply(), stream.held_request_body().len()), (None, 80));
    host.tick();
    assert_eq!((stream.held_request_body().len(), stream.sent_request_body().len()), (0, 80));
}

#[test]
fn past_the_watermark_nothing_is_read_until_what_is_held_goes_on() {
    for (actions, read) in [
        ("02", &["40 of the request", "40 of the request", "3 of the request"][..]),
        ("10", &["80 of the request", "3 of the request"]),
        ("40", &["80 of the request", "3 of the request"]),
    ] {
        let host = host(actions).start();
        let stream = open(&host);
        for part in [&PART[..], &PART, b"six"] {
            stream.request_body(part, part.len() == 3);
        }
        stream.request_trailers(&[("a", "b")]);
        assert_eq!((stream.reply(), stream.sent_request_body()), (None, Vec::new()), "{actions}");
        assert_eq!(lines(&host).len(), if actions == "02" { 2 } else { 0 }, "{actions}");
        host.tick();
        assert_eq!(lines(&host), read, "{actions}");
        host.tick();
        // This filter has no callback of trailers: that they let go what it still held, only the
        // proxy knows.
        host.harm();
        assert_eq!((stream.sent_request_body().len(), stream.request_trailer_map().len()), (83, 1), "{actions}");
    }
}

#[test]
fn a_response_that_is_too_large_is_answered_with_500_or_reset() {
    for actions in ["30", "01"] {
        let host = host(actions).start();
        let stream = host.http_stream();
        stream.response_headers(&[(":status", "200")]);
        stream.response_body(PART, false);
        stream.response_body(PART, false);
        if actions == "30" {
            let reply = stream.assert_reply(500);
            assert_eq!((&*reply.details, &*reply.body), ("response_payload_too_large", &b"Internal Server Error"[..]));
            stream.assert_response_header(":status", "500").assert_response_body("Internal Server Error");
        } else {
            // The headers are with the client.
            assert!(stream.was_reset() && stream.reply().is_none());
            assert_eq!(lines(&host), ["Some(\"200\")", "40 of the response"]);
        }
        assert_eq!(stream.response_body("", true), 3);
    }
}
