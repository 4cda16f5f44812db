//! The scenarios in Envoy: a listener for each, and the test as its clients and upstreams.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluicegate_build::{add_target, run};
use sluicegate_envoy::{Config, Envoy as Binary, Options, Proxy};
use tempfile::TempDir;

use crate::bench;
use crate::http::{self, Framing};
use crate::{Abi, Harm, Played, Scenario, Step, scenarios};

/// The time that a line of the log or a connection may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Runs a scenario that may end Envoy. Then some lines of the simulation do not come.
const PATIENCE_WITH_HARM: Duration = Duration::from_secs(2);
/// The time that a client waits for more of its response, if the connection stays open.
const REST: Duration = Duration::from_millis(400);
/// The time to wait for data that should not come.
const QUIET: Duration = Duration::from_millis(15);

/// The filter in each version of the ABI.
pub(crate) struct Modules(pub(crate) Vec<(Abi, PathBuf)>);

impl Modules {
    pub(crate) fn build() -> Result<Self> {
        add_target(run).map_err(anyhow::Error::msg)?;
        Abi::ALL.into_iter().map(|abi| Ok((abi, build(abi)?))).collect::<Result<_>>().map(Self)
    }
}

fn build(abi: Abi) -> Result<PathBuf> {
    let folder = match abi {
        Abi::V0_2_1 => "none",
        older => older.feature(),
    };
    bench::build(env!("CARGO_PKG_NAME"), abi.feature(), folder)
}

/// Returns the filter's name in the configuration, for a version of the ABI.
pub(crate) fn stem(abi: Abi) -> String {
    format!("tracer{}", abi.feature())
}

/// Returns the Envoy to compare with: of the version that the variable `ENVOY_VERSION` names, or
/// the one that all tests use.
///
/// # Errors
///
/// When there is none.
pub(crate) fn binary() -> Result<Binary> {
    let version = std::env::var("ENVOY_VERSION").ok();
    Binary::provision_version(version.as_deref())
}

/// An Envoy with a listener and a VM for each scenario.
pub(crate) struct Envoy {
    proxy: Proxy,
    upstream: UnixListener,
    service: UnixListener,
    seen: Mutex<Seen>,
    patience: Duration,
    _folder: TempDir,
}

/// The port of a plugin of a scenario in the configuration.
fn port(at: usize, plugin: usize) -> u16 {
    20_000 + u16::try_from(at + plugin * 5_000).expect("fewer scenarios and plugins")
}

impl Envoy {
    pub(crate) fn start(binary: &Binary, modules: &Modules, scenarios: &[&Scenario]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let listen = |name: &str| bench::listen(folder.path(), name);
        let (upstream, service) = (listen("upstream")?, listen("service")?);
        let named = |abi: &Abi| scenarios.iter().any(|scenario| scenario.setup.abi == *abi);
        let modules = modules.0.iter().filter(|(abi, _)| named(abi));
        let config = Config::from_json(config(folder.path(), scenarios))?;
        let config = modules.fold(config, |config, (abi, file)| config.with_module(&stem(*abi), file));
        let proxy = {
            // One after the other: hundreds of free ports are found and let go before an Envoy has
            // them.
            static STARTS: Mutex<()> = Mutex::new(());
            let _guard = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
            Proxy::start(binary, &config, &Options::default())?
        };
        let ends = scenarios.iter().any(|scenario| scenario.setup.harm == Harm::Ends);
        let patience = if ends { PATIENCE_WITH_HARM } else { PATIENCE };
        Ok(Self { proxy, upstream, service, seen: Mutex::default(), patience, _folder: folder })
    }

    /// Returns whether another request reaches the filter. A filter that Envoy calls without an end
    /// serves none.
    pub(crate) fn serves(&self, at: usize, scenario: &Scenario) -> bool {
        let begun = || self.lines(scenario).iter().filter(|line| line.contains(" context_create ")).count();
        let before = begun();
        let sent = Peers::default()
            .client(self, at)
            .is_ok_and(|client| client.write_all(http::request(&[]).as_bytes()).is_ok());
        let deadline = Instant::now() + self.patience;
        while begun() == before && Instant::now() < deadline && self.proxy.is_running() {
            sleep(QUIET);
        }
        sent && begun() > before
    }

    pub(crate) fn play(&self, at: usize, scenario: &Scenario, marks: &[usize]) -> Result<Played> {
        let (mut peers, mut failed) = (Peers::default(), Vec::new());
        self.forget_peers();
        self.wait_for_lines(scenario, marks[0]);
        for (step, mark) in scenario.steps.iter().zip(&marks[1..]) {
            if let Err(error) = self.step(&mut peers, at, *step)
                && !is_closed(&error)
            {
                let lives = if self.proxy.is_running() { "" } else { ", and Envoy has ended" };
                failed.push(format!("{step:?} failed: {error:#}{lives}"));
                break;
            }
            self.wait_for_lines(scenario, *mark);
        }
        let received = self.finish(peers, scenario);
        self.wait_for_lines(scenario, marks[marks.len() - 1]);
        let mut lines = self.lines(scenario);
        lines.extend(failed.into_iter().chain(received));
        Ok(Played { lines, marks: Vec::new(), harm: None })
    }

    /// Drops what another client or another scenario left.
    fn forget_peers(&self) {
        for listener in [&self.upstream, &self.service] {
            while listener.accept().is_ok() {}
        }
    }

    fn step(&self, peers: &mut Peers, at: usize, step: Step) -> Result<()> {
        match step {
            Step::Request(headers, _) => {
                peers.request = Framing::of(headers);
                peers.client(self, at)?.write_all(http::request(headers).as_bytes())?;
            }
            Step::RequestBody(text, last) => {
                let part = peers.request.part(text, last);
                peers.client(self, at)?.write_all(part.as_bytes())?;
            }
            Step::RequestTrailers(trailers) => {
                peers.client(self, at)?.write_all(Framing::trailers(trailers).as_bytes())?;
            }
            Step::Response(headers, _) => {
                peers.response = Framing::of(headers);
                peers.upstream(self)?.write_all(http::response(headers).as_bytes())?;
            }
            Step::ResponseBody(text, last) => {
                let part = peers.response.part(text, last);
                peers.upstream(self)?.write_all(part.as_bytes())?;
            }
            Step::ResponseTrailers(trailers) => {
                peers.upstream(self)?.write_all(Framing::trailers(trailers).as_bytes())?;
            }
            Step::Answer(headers, body, trailers) => {
                let framing = Framing::of(headers);
                let mut message = http::response(headers) + &framing.part(body, trailers.is_empty());
                if !trailers.is_empty() {
                    message += &Framing::trailers(trailers);
                }
                let mut service = accept(&self.service)?;
                read_head(&mut service)?;
                service.write_all(message.as_bytes())?;
                peers.services.push(service);
            }
            Step::Break => {
                let mut service = accept(&self.service)?;
                read_head(&mut service)?;
                service.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart")?;
                sleep(QUIET);
                service.shutdown(Shutdown::Both)?;
            }
            Step::TimeOut => {
                let mut service = accept(&self.service)?;
                read_head(&mut service)?;
                peers.services.push(service);
            }
            Step::GrpcAnswer(message) => {
                let mut service = accept(&self.service)?;
                read_head(&mut service)?;
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\nx-of: service\r\n";
                write!(service, "{head}content-length: {}\r\n\r\n{message}", message.len())?;
                peers.services.push(service);
            }
            Step::GrpcGarbage => {
                let mut service = accept(&self.service)?;
                read_head(&mut service)?;
                service.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nno")?;
                peers.services.push(service);
            }
            Step::Connect => drop(peers.client(self, at)?),
            Step::FromClient(text) => peers.client(self, at)?.write_all(text.as_bytes())?,
            Step::FromUpstream(text) => peers.upstream(self)?.write_all(text.as_bytes())?,
            Step::CloseClient | Step::Leave => peers.close_client()?,
            Step::Again => {
                *peers = Peers::default();
                self.forget_peers();
            }
            Step::Of(plugin) => {
                *peers = Peers { plugin, ..Peers::default() };
                self.forget_peers();
            }
            Step::CloseUpstream => peers.upstream(self)?.shutdown(Shutdown::Both)?,
            Step::Unreachable | Step::Tick => {}
        }
        Ok(())
    }

    /// Returns the data that the peers got, when nothing more comes.
    fn finish(&self, mut peers: Peers, scenario: &Scenario) -> Vec<String> {
        let mut lines = Vec::new();
        if matches!(scenario.steps.first(), Some(Step::Connect) | None) {
            return lines;
        }
        peers.upstream = peers.upstream.or_else(|| {
            sleep(QUIET);
            self.upstream.accept().ok().map(|(stream, _)| stream)
        });
        // A request that is sent twice comes by another connection.
        let more = std::iter::from_fn(|| self.upstream.accept().ok().map(|(stream, _)| stream));
        for mut upstream in peers.upstream.into_iter().chain(more) {
            let mut bytes = Vec::new();
            // Returns the data that has come, and does not wait.
            let _ = upstream.set_nonblocking(true);
            let _ = upstream.read_to_end(&mut bytes);
            if !bytes.is_empty() {
                lines.extend(http::received("upstream", &bytes));
            }
        }
        if let Some(mut client) = peers.client {
            let mut bytes = Vec::new();
            let _ = client.set_read_timeout(Some(REST));
            // A reset is an end, too.
            let _ = client.read_to_end(&mut bytes);
            lines.extend(http::received("client", &bytes));
        }
        lines
    }

    /// Returns the lines that the worker's VM of a scenario logged. The other VMs are those of the
    /// main thread.
    fn lines(&self, scenario: &Scenario) -> Vec<String> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.read(&self.proxy);
        seen.lines.get(scenario.name).cloned().unwrap_or_default()
    }

    fn count(&self, scenario: &Scenario) -> usize {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.read(&self.proxy);
        seen.lines.get(scenario.name).map_or(0, Vec::len)
    }

    fn wait_for_lines(&self, scenario: &Scenario, wanted: usize) {
        let deadline = Instant::now() + self.patience;
        while self.count(scenario) < wanted && Instant::now() < deadline && self.proxy.is_running() {
            sleep(Duration::from_millis(2));
        }
        sleep(QUIET);
    }
}

/// The thread of a line: `[date][thread][level]…`.
fn thread(line: &str) -> &str {
    line.split(['[', ']']).nth(3).unwrap_or_default()
}

/// The part of Envoy's log that was read.
#[derive(Default)]
pub(crate) struct Seen {
    read: usize,
    /// The thread that logs first, whose VMs serve no stream.
    main: Option<String>,
    /// The lines that the worker's VMs logged, by the names of the scenarios.
    lines: HashMap<String, Vec<String>>,
}

impl Seen {
    /// Returns what the worker's VMs of this name have logged.
    pub(crate) fn of(&self, name: &str) -> &[String] {
        self.lines.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Reads what has come since, and no line twice: a log of hundreds of scenarios is long.
    pub(crate) fn read(&mut self, proxy: &Proxy) {
        let text = proxy.log_from(self.read);
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        self.read += whole;
        for line in text[..whole].lines() {
            let thread = thread(line);
            if thread.is_empty() {
                continue;
            }
            let main = self.main.get_or_insert_with(|| thread.to_owned());
            let Some((_, told)) = line.split_once(" wasm log ").filter(|_| thread != main) else { continue };
            let Some((whose, text)) = told.split_once(": ") else { continue };
            let name = whose.split(' ').next_back().unwrap_or_default();
            self.lines.entry(name.to_owned()).or_default().push(text.to_owned());
        }
    }
}

/// The ends of a scenario's connections.
#[derive(Default)]
struct Peers {
    /// The place of the plugin among those of the VM.
    plugin: usize,
    client: Option<TcpStream>,
    upstream: Option<UnixStream>,
    services: Vec<UnixStream>,
    request: Framing,
    response: Framing,
}

impl Peers {
    fn client(&mut self, envoy: &Envoy, at: usize) -> Result<&mut TcpStream> {
        if self.client.is_none() {
            let client = TcpStream::connect(("127.0.0.1", envoy.proxy.port(port(at, self.plugin))))?;
            client.set_nodelay(true)?;
            self.client = Some(client);
        }
        self.client.as_mut().context("a client")
    }

    fn upstream(&mut self, envoy: &Envoy) -> Result<&mut UnixStream> {
        if self.upstream.is_none() {
            self.upstream = Some(accept(&envoy.upstream)?);
        }
        self.upstream.as_mut().context("an upstream")
    }

    fn close_client(&mut self) -> Result<()> {
        let client = self.client.take().context("a client")?;
        client.shutdown(Shutdown::Both)?;
        Ok(())
    }
}

/// Returns whether Envoy closed the connection: the filter wanted it.
fn is_closed(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind.is_some_and(|kind| [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset].contains(&kind))
}

fn accept(listener: &UnixListener) -> Result<UnixStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error).context("Envoy did not connect"),
        }
    }
}

fn read_head(stream: &mut UnixStream) -> Result<()> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(())
}

fn config(folder: &Path, scenarios: &[&Scenario]) -> Value {
    let mut listeners = Vec::new();
    for (at, scenario) in scenarios.iter().enumerate() {
        listeners.push(listener(port(at, 0), scenario, scenario.name, scenario.script));
        for (place, (root_id, script)) in scenario.setup.others.iter().enumerate() {
            listeners.push(listener(port(at, place + 1), scenario, root_id, script));
        }
    }
    listeners.push(bridge(&folder.join("grpc")));
    let mut clusters = vec![
        cluster("upstream", &folder.join("upstream")),
        cluster("service", &folder.join("service")),
        cluster("nowhere", &folder.join("nowhere")),
        json!({ "name": "nobody", "connect_timeout": "1s", "type": "STATIC", "load_assignment": { "cluster_name": "nobody" } }),
    ];
    let grpc = folder.join("grpc");
    clusters.extend(["grpc"].iter().chain(scenarios::grpc::NAMES).map(|name| grpc_cluster(name, &grpc)));
    json!({ "static_resources": { "listeners": listeners, "clusters": clusters } })
}

/// A gRPC server: it makes the bodies that the service answers gRPC messages, with their frames and
/// trailers.
fn bridge(path: &Path) -> Value {
    json!({
        "name": "grpc",
        "address": { "pipe": { "path": path.display().to_string() } },
        "filter_chains": [{ "filters": [{ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
            "@type":
                "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "grpc",
            "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
                { "match": { "prefix": "/" }, "route": { "cluster": "service" } },
            ] }] },
            "http_filters": [
                { "name": "envoy.filters.http.grpc_http1_reverse_bridge", "typed_config": {
                    "@type":
                        "type.googleapis.com/envoy.extensions.filters.http.grpc_http1_reverse_bridge.v3.FilterConfig",
                    "content_type": "application/x-protobuf",
                    "withhold_grpc_frames": true,
                } },
                { "name": "envoy.filters.http.router", "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                } },
            ],
        } }] }],
    })
}

fn grpc_cluster(name: &str, path: &Path) -> Value {
    let mut cluster = cluster(name, path);
    cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"] =
        json!({ "http2_protocol_options": {} });
    cluster
}

/// A cluster whose connections are used once.
pub(crate) fn cluster(name: &str, path: &Path) -> Value {
    json!({
        "name": name, "connect_timeout": "1s", "type": "STATIC",
        "metadata": { "filter_metadata": { "istio": { "services": [{ "host": "a", "name": "b" }, { "namespace": "c" }] } } },
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": { "max_requests_per_connection": 1 },
            "explicit_http_config": { "http_protocol_options": { "enable_trailers": true } },
        } },
        "load_assignment": { "cluster_name": name, "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": { "pipe": { "path": path.display().to_string() } } } },
        ] }] },
    })
}

fn listener(port: u16, scenario: &Scenario, root_id: &str, script: &str) -> Value {
    let filters = if matches!(scenario.steps.first(), Some(Step::Connect)) {
        json!([plugin("network", scenario, root_id, script), {
            "name": "envoy.tcp_proxy",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
                "stat_prefix": "tcp", "cluster": "upstream",
            },
        }])
    } else {
        http_filters(&plugin("http", scenario, root_id, script))
    };
    let mut listener = json!({
        "name": format!("{} {root_id}", scenario.name),
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": filters }],
    });
    if let Some(limit) = scenario.setup.limit {
        listener["per_connection_buffer_limit_bytes"] = limit.into();
    }
    listener
}

fn plugin(kind: &str, scenario: &Scenario, root_id: &str, script: &str) -> Value {
    json!({ "name": format!("envoy.filters.{kind}.wasm"), "typed_config": {
        "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
        "config": {
            "root_id": root_id,
            "failure_policy": scenario.setup.failure,
            "allow_on_headers_stop_iteration": scenario.setup.shows_body,
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": script },
            "vm_config": {
                "vm_id": scenario.name,
                "runtime": "envoy.wasm.runtime.v8",
                "code": { "local": { "filename": format!("{}.wasm", stem(scenario.setup.abi)) } },
            },
        },
    } })
}

/// The network filters of a listener for HTTP, with a filter before the router.
fn http_filters(filter: &Value) -> Value {
    json!([{ "name": "envoy.filters.network.http_connection_manager", "typed_config": {
        "@type":
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "http_protocol_options": { "enable_trailers": true },
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "prefix": "/" }, "route": { "cluster": "upstream" } },
        ] }] },
        "http_filters": [filter, { "name": "envoy.filters.http.router", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        } }],
    } }])
}

/// A listener for HTTP with one filter.
pub(crate) fn http_listener(port: u16, name: &str, filter: &Value) -> Value {
    json!({
        "name": name,
        "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
        "filter_chains": [{ "filters": http_filters(filter) }],
    })
}
