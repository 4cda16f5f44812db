//! The status of a callback goes to the host as the host's number for it.

use sluicegate::prelude::*;
use sluicegate_host::Host;

/// Returns the status that the header `answer` names.
fn asked<R: Copy>(answers: &[R], headers: Option<ByteStr<'_>>) -> Result<R> {
    let place: usize = headers.and_then(|answer| answer.to_str().ok()?.parse().ok()).unwrap_or_default();
    answers.get(place).copied().ok_or(Error::new("no such answer"))
}

const HEADERS: [Action; 5] = [
    Action::Continue,
    Action::StopIteration,
    Action::ContinueAndEndStream,
    Action::StopAllIterationAndBuffer,
    Action::StopAllIterationAndWatermark,
];

const DATA: [DataAction; 4] = [
    DataAction::Continue,
    DataAction::StopIterationAndBuffer,
    DataAction::StopIterationAndWatermark,
    DataAction::StopIterationNoBuffer,
];

const FLOWS: [FilterStatus; 2] = [FilterStatus::Continue, FilterStatus::StopIteration];

/// Could resume what the filter pauses.
#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        asked(&HEADERS, request.get("answer")?)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        asked(&HEADERS, response.get("answer")?)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        asked(&DATA, Some(ByteStr::new(&body.read(0, body.size())?)))
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        asked(&DATA, Some(ByteStr::new(&body.read(0, body.size())?)))
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        asked(&FLOWS, trailers.get("answer")?)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        asked(&FLOWS, trailers.get("answer")?)
    }
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = ();

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
        asked(&FLOWS, Some(ByteStr::new(&data.read(0, data.size())?)))
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_>) -> Result<FilterStatus> {
        asked(&FLOWS, Some(ByteStr::new(&data.read(0, data.size())?)))
    }
}

sluicegate::plugin! {
    root "http" { plugin: Plugin, http: Filter }
    root _ { tcp: Connection }
}

#[test]
fn what_headers_are_answered_with() {
    let host = Host::new(&PLUGIN).root_id("http").start();
    for answer in ["0", "1", "2", "3", "4"] {
        let number = answer.parse().unwrap();
        assert_eq!(host.http_stream().request_headers(&[("answer", answer)]), number);
        assert_eq!(host.http_stream().response_headers(&[("answer", answer)]), number);
    }
    assert_eq!((Action::Pause, DataAction::Pause, FilterStatus::Pause), (HEADERS[1], DATA[1], FLOWS[1]));
}

#[test]
fn what_a_body_is_answered_with() {
    let host = Host::new(&PLUGIN).root_id("http").start();
    for answer in ["0", "1", "2", "3"] {
        let number = answer.parse().unwrap();
        assert_eq!(host.http_stream().request_body(answer, true), number);
        assert_eq!(host.http_stream().response_body(answer, true), number);
    }
}

#[test]
fn what_trailers_and_a_connections_data_are_answered_with() {
    let host = Host::new(&PLUGIN).root_id("http").start();
    for answer in ["0", "1"] {
        let number = answer.parse().unwrap();
        assert_eq!(host.http_stream().request_trailers(&[("answer", answer)]), number);
        assert_eq!(host.http_stream().response_trailers(&[("answer", answer)]), number);
    }
    let connections = Host::new(&PLUGIN).start();
    for answer in ["0", "1"] {
        let number: u32 = answer.parse().unwrap();
        assert_eq!(connections.tcp_connection().downstream_data(answer, false), number);
        assert_eq!(connections.tcp_connection().upstream_data(answer, false), number);
    }
}
