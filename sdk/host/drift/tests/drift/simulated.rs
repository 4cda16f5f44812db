//! The scenarios on the simulated host.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, HttpStream, Map, OpenGrpc, Plugin, RunningHost, TcpConnection};

use crate::{Abi, Pairs, Played, Scenario, Step, envoy, scenarios};

/// The message of Envoy's bridge for a server that does not speak gRPC.
const GARBAGE: &str =
    "envoy reverse bridge: upstream responded with unsupported content-type text/plain, status code 200";

/// When everything happens.
const DATE: &str = "Thu, 01 Jan 1970 00:00:00 GMT";

/// The beginning of a message on the wire.
const FRAME: usize = 5;

/// The filter in each version of the ABI.
pub(crate) struct Modules(Vec<(Abi, Module)>);

impl Modules {
    pub(crate) fn load(files: &envoy::Modules) -> Result<Self> {
        let load = |(abi, file): &(Abi, PathBuf)| Ok((*abi, Module::load(file)?));
        files.0.iter().map(load).collect::<Result<_>>().map(Self)
    }

    fn of(&self, abi: Abi) -> &Module {
        self.0.iter().find(|(of, _)| *of == abi).map(|(_, module)| module).expect("a module of each version")
    }

    /// The state that the VMs of all scenarios share, as those in one Envoy do.
    pub(crate) fn process(&self) -> RunningHost {
        Host::wasm(self.of(Abi::V0_2_1)).start()
    }
}

pub(crate) fn play(modules: &Modules, process: &RunningHost, scenario: &Scenario) -> Played {
    let mut host = Host::wasm(modules.of(scenario.setup.abi))
        .vm_id(scenario.name)
        .root_id(scenario.name)
        .plugin_configuration(scenario.script)
        .clusters(["upstream", "service", "nowhere", "grpc", "nobody"].iter().chain(scenarios::grpc::NAMES).copied())
        .cluster_without_hosts("nobody");
    if let Some(limit) = scenario.setup.limit {
        host = host.buffer_limit(limit);
    }
    if scenario.setup.shows_body {
        host = host.allow_on_headers_stop_iteration();
    }
    host = match scenario.setup.failure {
        "FAIL_OPEN" => host.fail_open(),
        "FAIL_RELOAD" => host.fail_reload(),
        _ => host,
    };
    let host = host.start_in_same_proxy(process);
    if scenario.setup.failure == "FAIL_RELOAD" {
        // Envoy's VMs are as old when their scenario comes.
        host.advance(Duration::from_secs(2));
    }
    for (place, part, value) in [("0", "host", "a"), ("0", "name", "b"), ("1", "namespace", "c")] {
        let path = ["xds", "cluster_metadata", "filter_metadata", "istio", "services", place, part];
        host.set_property(&path, value);
    }
    let others = scenario.setup.others.iter().map(|(root_id, script)| host.add_plugin(*root_id, *script));
    let plugins: Vec<_> = std::iter::once(host.plugin()).chain(others).collect();
    let mut marks = vec![host.log().len()];
    let mut peers = Peers { host: &host, plugins: &plugins, plugin: plugins[0], http: None, tcp: None };
    for step in scenario.steps {
        peers.step(*step);
        host.deliver_queues();
        marks.push(host.log().len());
    }
    let received = peers.finish();
    marks.push(host.log().len());
    // Some filters trap, and some do harm.
    host.trapped();
    let harm = host.harm();
    let mut lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    lines.extend(received);
    Played { lines, marks, harm }
}

struct Peers<'host> {
    host: &'host RunningHost,
    plugins: &'host [Plugin<'host>],
    /// The plugin whose streams and ticks come.
    plugin: Plugin<'host>,
    http: Option<HttpStream<'host>>,
    tcp: Option<TcpConnection<'host>>,
}

impl<'host> Peers<'host> {
    fn http(&mut self) -> &HttpStream<'host> {
        self.http.get_or_insert_with(|| self.plugin.http_stream())
    }

    fn tcp(&mut self) -> &TcpConnection<'host> {
        self.tcp.get_or_insert_with(|| self.plugin.tcp_connection())
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Request(headers, true) => drop(self.http().request_headers(&as_envoy_has_them(headers))),
            Step::Request(headers, false) => drop(self.http().request_headers_with_body(&as_envoy_has_them(headers))),
            Step::RequestBody(text, last) => drop(self.http().request_body(text, last)),
            Step::RequestTrailers(trailers) => drop(self.http().request_trailers(trailers)),
            Step::Response(headers, true) => drop(self.http().response_headers_only(headers)),
            Step::Response(headers, false) => drop(self.http().response_headers(headers)),
            Step::ResponseBody(text, last) => drop(self.http().response_body(text, last)),
            Step::ResponseTrailers(trailers) => drop(self.http().response_trailers(trailers)),
            Step::Answer(headers, body, trailers) => {
                let headers = [headers, &[("x-envoy-upstream-service-time", "0")]].concat();
                self.host.answer_call(self.call(), &headers, body, trailers);
            }
            Step::Break => self.host.fail_call(self.call()),
            Step::Unreachable => match self.host.pending_calls().first() {
                Some(call) => self.host.refuse_call(call.token),
                None => self.host.refuse_grpc(self.host.open_grpc().first().expect("a call").token),
            },
            Step::TimeOut => self.host.advance(Duration::from_millis(50)),
            Step::GrpcAnswer(message) => self.grpc_answer(message),
            Step::GrpcGarbage => {
                let grpc = self.grpc();
                if grpc.timeout.is_none() {
                    let trailing = [
                        (":status", "200"),
                        ("content-type", "application/grpc"),
                        ("grpc-status", "2"),
                        ("grpc-message", GARBAGE),
                        ("date", DATE),
                        ("server", "envoy"),
                        ("x-envoy-upstream-service-time", "0"),
                    ];
                    self.host.grpc_initial_metadata(grpc.token, &[]);
                    self.host.grpc_trailing_metadata(grpc.token, &trailing);
                }
                self.host.grpc_close(grpc.token, 2, GARBAGE);
            }
            Step::Tick => self.plugin.tick(),
            Step::Connect => drop(self.tcp().opened()),
            Step::FromClient(text) => drop(self.tcp().downstream_data(text, false)),
            Step::FromUpstream(text) => drop(self.tcp().upstream_data(text, false)),
            Step::CloseClient => self.tcp().close_downstream(),
            Step::CloseUpstream => self.tcp().close_upstream(),
            Step::Of(plugin) => {
                self.step(Step::Again);
                self.tcp.take().into_iter().for_each(TcpConnection::complete);
                self.plugin = self.plugins[plugin];
            }
            Step::Again | Step::Leave => self.http.take().into_iter().for_each(HttpStream::complete),
        }
    }

    fn grpc(&self) -> OpenGrpc {
        self.host.open_grpc().first().expect("a gRPC call or stream").clone()
    }

    /// A service that answers one message and is done.
    fn grpc_answer(&self, message: &str) {
        let grpc = self.grpc();
        if grpc.timeout.is_some() {
            return self.host.grpc_message(grpc.token, message);
        }
        let length = (FRAME + message.len()).to_string();
        let initial = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("x-of", "service"),
            ("content-length", &*length),
            ("date", DATE),
            ("server", "envoy"),
            ("x-envoy-upstream-service-time", "0"),
        ];
        self.host.grpc_initial_metadata(grpc.token, &initial);
        self.host.grpc_message(grpc.token, message);
        self.host.grpc_trailing_metadata(grpc.token, &[("grpc-status", "0")]);
        self.host.grpc_close(grpc.token, 0, "via_upstream");
    }

    fn call(&self) -> u32 {
        self.host.pending_calls().first().expect("a call").token
    }

    /// Ends everything; what the peers got.
    fn finish(self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(stream) = self.http {
            if stream.reached_upstream() {
                lines.extend(head("upstream", &stream.request_map()));
                lines.push(body("upstream", &stream.sent_request_body(), &stream.request_trailer_map()));
            }
            if stream.reached_client() {
                lines.extend(head("client", &stream.response_map()));
            }
            lines.push(body("client", &stream.sent_response_body(), &stream.response_trailer_map()));
            stream.complete();
        }
        if let Some(connection) = self.tcp {
            connection.complete();
        }
        lines
    }
}

/// Envoy's order, and what it adds.
fn as_envoy_has_them(headers: Pairs) -> Vec<(&'static str, &'static str)> {
    let value = |wanted: &str, otherwise| {
        headers.iter().find(|(name, _)| *name == wanted).map_or(otherwise, |(_, value)| *value)
    };
    let mut all = vec![(":authority", value(":authority", "host")), (":path", value(":path", "/"))];
    all.push((":method", value(":method", "GET")));
    all.push((":scheme", "http"));
    all.extend(headers.iter().filter(|(name, _)| !name.starts_with(':') && *name != "transfer-encoding"));
    all.push(("x-forwarded-proto", "http"));
    all
}

/// A head as it is on the wire of HTTP/1.1.
pub(crate) fn head(who: &str, map: &Map) -> Vec<String> {
    let text = map.to_text();
    let value = |wanted: &str| text.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value);
    let first = match value(":status") {
        "" => format!("{} {} HTTP/1.1", value(":method"), value(":path")),
        status => format!("HTTP/1.1 {status}"),
    };
    let host = Some(value(":authority")).filter(|host| !host.is_empty()).map(|host| format!("{who} got host: {host}"));
    let fields = text.iter().filter(|(name, _)| !name.starts_with(':'));
    let fields = fields.map(|(name, value)| format!("{who} got {name}: {value}"));
    let lines = [format!("{who} got {first}")].into_iter().chain(host).chain(fields);
    // As a peer reads them.
    lines
        .map(|line| line.replace("\r\n", "\n").replace('\n', &format!("\n{who} got ")))
        .flat_map(|lines| lines.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

pub(crate) fn body(who: &str, body: &[u8], trailers: &Map) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    let trailers: Vec<_> = trailers.to_text().iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if !trailers.is_empty() {
        text += &format!(" and {}", trailers.join("\r\n"));
    }
    format!("{who} got body {text:?}")
}
