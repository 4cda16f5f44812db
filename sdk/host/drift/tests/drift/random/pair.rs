//! Programs in Envoy: a listener for each module, and the test as the client, the upstream and the
//! called service.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use sluicegate_envoy::{Config, Envoy as Binary, Options, Proxy};

use super::ROOTS;
use super::message::{Progress, without_date};
use super::program::{Limit, Program};
use super::simulation::{self, Act, Made, Mark, TRAILERS};
use crate::bench;
use crate::http::{Framing, received};
use crate::{Pairs, envoy};

/// The time that a move may take, and the time after a move that did not have the expected result.
const PATIENCE: Duration = Duration::from_secs(2);
const IMPATIENCE: Duration = Duration::from_millis(30);
/// The interval of polling for data.
const POLL: Duration = Duration::from_micros(100);
/// The time to wait for data that should not come.
const QUIET: Duration = Duration::from_millis(3);
/// The amount of a log that is kept.
const LONG: usize = 64 << 20;
const CHUNKED: Framing = Framing::chunked();

/// A module, as the log names it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Ours,
    Theirs,
}

impl Side {
    const fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }

    /// The port of the filter's listener in the configuration.
    const fn port(self, limit: Limit, whole: bool) -> u16 {
        20_000 + self as u16 + 2 * limit as u16 + if whole { 6 } else { 0 }
    }
}

/// The port of the listener in front, which speaks HTTP/2 to this one.
const fn front(port: u16) -> u16 {
    port + 20
}

/// The data that the log, the peers and the called service got.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Got {
    pub(crate) lines: Vec<String>,
    /// The bytes that the upstream and the client got, without dates.
    pub(crate) upstream: Text,
    pub(crate) client: Text,
    /// The bytes of each call, by its number.
    calls: BTreeMap<u32, Text>,
    /// `true` if Envoy ended, or a VM.
    pub(crate) ended: bool,
}

impl Got {
    /// Returns the data that the upstream and the client got, as lines, as far as the simulation
    /// knows it.
    pub(crate) fn peers(&self) -> [Vec<String>; 2] {
        [("upstream", &self.upstream), ("client", &self.client)]
            .map(|(who, text)| if text.0.is_empty() { Vec::new() } else { received(who, &text.0) })
    }
}

/// Bytes that are mostly text.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Text(Vec<u8>);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0
            .split_inclusive(|byte| *byte == b'\n')
            .try_for_each(|line| write!(f, "\n        {}", line.escape_ascii()))
    }
}

/// Two modules in one Envoy.
pub(crate) struct Pair {
    binary: Binary,
    config: Config,
    proxy: Proxy,
    upstream: UnixListener,
    service: UnixListener,
    /// The amount of the log that was read.
    read: Cell<usize>,
    /// `true` if a VM has trapped.
    trapped: Cell<bool>,
    _folder: tempfile::TempDir,
}

pub(crate) fn build(side: Side) -> Result<PathBuf> {
    bench::build("sluicegate-drift-pair", side.name(), &format!("pair-{}", side.name()))
}

fn options() -> Options {
    Options { component_log_level: "wasm:info".into(), ..Options::default() }
}

impl Pair {
    pub(crate) fn start(ours: &Path, theirs: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let listen = |name: &str| bench::listen(folder.path(), name);
        let (upstream, service) = (listen("upstream")?, listen("service")?);
        let mut clusters = ["upstream", "service"].map(|name| envoy::cluster(name, &folder.path().join(name))).to_vec();
        let mut listeners = Vec::new();
        for (limit, bits) in Limit::ALL.into_iter().flat_map(|limit| [0, 1, 2, 3].map(|bits| (limit, bits))) {
            let (side, whole) = (if bits & 1 == 0 { Side::Ours } else { Side::Theirs }, bits & 2 == 0);
            let port = side.port(limit, whole);
            listeners.extend([listener(side, limit, whole), front_listener(port)]);
            clusters.push(http2_cluster(port));
        }
        let config = json!({ "static_resources": { "listeners": listeners, "clusters": clusters } });
        let config = Config::from_json(config)?.with_module("ours", ours).with_module("theirs", theirs);
        let binary = Binary::provision()?;
        let proxy = Proxy::start(&binary, &config, &options())?;
        Ok(Self {
            binary,
            config,
            proxy,
            upstream,
            service,
            read: Cell::new(0),
            trapped: Cell::new(false),
            _folder: folder,
        })
    }

    /// Returns whether this Envoy sends headers over HTTP/2 in the order in which the filter has
    /// them. Envoy 1.36 sends repeated headers in another one.
    pub(crate) fn keeps_order(&self) -> bool {
        !self.binary.version.starts_with("1.36.")
    }

    /// Starts another Envoy, if this one has ended, if a VM of it has, or if its log is long.
    fn restart(&mut self) -> Result<()> {
        if !self.proxy.is_running() || self.trapped.take() || self.read.get() > LONG {
            self.proxy = Proxy::start(&self.binary, &self.config, &options())?;
            self.read.set(0);
        }
        Ok(())
    }

    /// Plays a program that was played on the simulated host, through one module.
    pub(crate) fn play(
        &mut self,
        side: Side,
        number: u32,
        program: &Program,
        moves: &[(Made, Mark)],
        patience: u32,
    ) -> Result<Got> {
        self.restart()?;
        if TcpStream::connect(("127.0.0.1", self.proxy.port(side.port(Limit::Usual, false)))).is_err() {
            // It is about to end.
            std::thread::sleep(PATIENCE);
            self.restart()?;
        }
        let mut peers = Peers::new(self, side, number, program)?;
        let mut patience = PATIENCE * patience;
        let mut before = Mark::default();
        for (made, mark) in moves {
            if !peers.make(made, number, program, patience) || !peers.wait(mark, patience) {
                patience = IMPATIENCE;
            }
            if *mark == before {
                // Envoy keeps what came, and nobody sees that it has it.
                std::thread::sleep(QUIET);
            }
            before = mark.clone();
        }
        peers.rest(moves.last().is_some_and(|(_, mark)| mark.reset));
        // The client goes first: a service that goes before it is the failure of a call.
        drop(peers.client.stream.shutdown(Shutdown::Both));
        std::thread::sleep(QUIET);
        let Peers { upstreams, client, services, lines, .. } = peers;
        let upstream = upstreams.iter().flat_map(|peer| peer.got.clone()).collect();
        let calls = services.iter().filter_map(|peer| Some((call_of(&peer.got)?, Text(peer.got.clone()))));
        let (calls, client) = (calls.collect(), without_date(&client.got));
        Ok(Got {
            lines,
            upstream: Text(upstream),
            client: Text(client),
            calls,
            ended: !self.proxy.is_running() || self.trapped.get(),
        })
    }
}

/// A connection, and what came on it.
struct Peer<S> {
    stream: S,
    got: Vec<u8>,
    closed: bool,
}

impl<S: Read> Peer<S> {
    const fn new(stream: S) -> Self {
        Self { stream, got: Vec::new(), closed: false }
    }

    fn read(&mut self) {
        let mut part = [0; 4096];
        while !self.closed {
            match self.stream.read(&mut part) {
                Ok(0) => self.closed = true,
                Ok(size) => self.got.extend(&part[..size]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                // A reset is an end, too.
                Err(_) => self.closed = true,
            }
        }
    }
}

/// The ends of a program's connections.
struct Peers<'a> {
    pair: &'a Pair,
    /// The beginning of the log's lines.
    mark: String,
    client: Peer<TcpStream>,
    upstreams: Vec<Peer<UnixStream>>,
    services: Vec<Peer<UnixStream>>,
    lines: Vec<String>,
    number: u32,
    /// Of the filter's listener.
    port: u16,
}

impl<'a> Peers<'a> {
    fn new(pair: &'a Pair, side: Side, number: u32, program: &Program) -> Result<Self> {
        // The rest of an earlier program.
        for listener in [&pair.upstream, &pair.service] {
            while listener.accept().is_ok() {}
        }
        let port = side.port(program.limit(), program.whole);
        let client = if program.http2 { front(port) } else { port };
        let client = TcpStream::connect(("127.0.0.1", pair.proxy.port(client)))?;
        let port = pair.proxy.port(port);
        client.set_nodelay(true)?;
        client.set_nonblocking(true)?;
        let mark = format!(" {}: {number} ", side.name());
        let (client, lines) = (Peer::new(client), Vec::new());
        Ok(Self { pair, mark, client, upstreams: Vec::new(), services: Vec::new(), lines, number, port })
    }

    /// Reads what is there.
    fn read(&mut self) {
        for (listener, peers) in [(&self.pair.upstream, &mut self.upstreams), (&self.pair.service, &mut self.services)]
        {
            while let Ok((stream, _)) = listener.accept() {
                if stream.set_nonblocking(true).is_ok() {
                    peers.push(Peer::new(stream));
                }
            }
            peers.iter_mut().for_each(Peer::read);
        }
        self.client.read();
        let log = self.pair.proxy.log_from(self.pair.read.get());
        self.pair.read.update(|read| read + log.len());
        for line in log.lines() {
            if let Some((_, line)) = line.split_once(&self.mark) {
                self.lines.push(format!("{} {line}", self.number));
            } else if line.contains("panicked at") || line.contains("failed: Uncaught") {
                self.lines.push(line.to_owned());
                self.pair.trapped.set(true);
            }
        }
    }

    /// Waits until something is there; whether it came.
    fn until(&mut self, patience: Duration, mut there: impl FnMut(&mut Self) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            self.read();
            if there(self) {
                return true;
            }
            if Instant::now() > deadline || !self.pair.proxy.is_running() {
                return false;
            }
            std::thread::sleep(POLL);
        }
    }

    fn wait(&mut self, mark: &Mark, patience: Duration) -> bool {
        self.until(patience, |peers| {
            let upstream = peers.upstreams.first().map_or(Progress::default(), |peer| Progress::of(&peer.got));
            peers.lines.len() >= mark.lines
                && upstream.reaches(mark.upstream)
                && Progress::of(&peers.client.got).reaches(mark.client)
        })
    }

    /// Waits for what should not come, and for the end of a stream that was reset.
    fn rest(&mut self, reset: bool) {
        if reset {
            self.until(PATIENCE, |peers| peers.client.closed);
        }
        std::thread::sleep(QUIET);
        self.read();
    }

    /// Waits until nothing more comes.
    fn settle(&mut self) {
        let mut seen = 0;
        loop {
            std::thread::sleep(4 * QUIET);
            self.read();
            let sum = self.lines.len() + self.client.got.len();
            if sum == seen {
                return;
            }
            seen = sum;
        }
    }

    /// Makes a move; whether it could be made.
    fn make(&mut self, made: &Made, number: u32, program: &Program, patience: Duration) -> bool {
        match made {
            Made::Client(act) => {
                let chunked = program.request.has_body();
                let bytes = bytes(*act, chunked, || {
                    let host = format!(
                        "GET / HTTP/1.1\r\nhost: host\r\nconnection: close\r\nx-program: {}\r\n",
                        program.text(number)
                    );
                    let cookies = if program.cookies { simulation::COOKIES } else { &[] };
                    host + &fields(simulation::REQUEST)
                        + &fields(cookies)
                        + if chunked { "transfer-encoding: chunked\r\n" } else { "" }
                });
                self.client.stream.write_all(bytes.as_bytes()).is_ok()
            }
            Made::Upstream(act) => {
                if !self.until(patience, |peers| !peers.upstreams.is_empty()) {
                    return false;
                }
                let chunked = program.response.has_body();
                let bytes = bytes(*act, chunked, || {
                    let framing = if chunked { "transfer-encoding: chunked\r\n" } else { "content-length: 0\r\n" };
                    "HTTP/1.1 200 OK\r\n".to_owned() + &fields(simulation::RESPONSE) + framing
                });
                self.upstreams[0].stream.write_all(bytes.as_bytes()).is_ok()
            }
            Made::Answer(of) => {
                let find = |peers: &Self| {
                    peers
                        .services
                        .iter()
                        .position(|peer| call_of(&peer.got) == Some(*of) && Progress::of(&peer.got).ended)
                };
                if !self.until(patience, |peers| find(peers).is_some()) {
                    return false;
                }
                let Some(at) = find(self) else { return false };
                let stream = &mut self.services[at].stream;
                match simulation::answer(*of) {
                    Some((headers, body, trailers)) => {
                        let chunked = !body.is_empty();
                        let framing =
                            if chunked { "transfer-encoding: chunked\r\n\r\n" } else { "content-length: 0\r\n\r\n" };
                        let head = "HTTP/1.1 200 OK\r\n".to_owned() + &fields(headers) + framing;
                        let body = if chunked {
                            CHUNKED.part(body, false) + &Framing::trailers(trailers)
                        } else {
                            String::new()
                        };
                        stream.write_all((head + &body).as_bytes()).is_ok()
                    }
                    // Within the answer, or Envoy would answer with 503.
                    None => {
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart").is_ok() && {
                            std::thread::sleep(QUIET);
                            stream.shutdown(Shutdown::Both).is_ok()
                        }
                    }
                }
            }
            Made::Tick => ask_for_tick(self.port).is_ok(),
            Made::ClientLeaves => {
                drop(self.client.stream.shutdown(Shutdown::Both));
                // The proxy gives the request up.
                self.until(patience, |peers| peers.upstreams.iter().all(|peer| peer.closed))
            }
            Made::UpstreamLeaves => {
                if !self.until(patience, |peers| !peers.upstreams.is_empty()) {
                    return false;
                }
                drop(self.upstreams[0].stream.shutdown(Shutdown::Both));
                self.settle();
                true
            }
        }
    }
}

/// Lets the next tick run what programs have for it.
fn ask_for_tick(port: u16) -> std::io::Result<()> {
    let mut asks = TcpStream::connect(("127.0.0.1", port))?;
    asks.set_read_timeout(Some(PATIENCE))?;
    asks.write_all(b"GET / HTTP/1.1\r\nhost: host\r\nconnection: close\r\nx-tick: 1\r\n\r\n")?;
    asks.read_exact(&mut [0])
}

/// The bytes that a peer writes. The head is without its empty line.
fn bytes(act: Act, chunked: bool, head: impl FnOnce() -> String) -> String {
    debug_assert!(chunked || matches!(act, Act::Head));
    match act {
        Act::Head => head() + "\r\n",
        Act::Part(part) => CHUNKED.part(part, false),
        Act::End { trailers: true } => Framing::trailers(TRAILERS),
        Act::End { trailers: false } => CHUNKED.part("", true),
    }
}

fn fields(headers: Pairs) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// The number of a call, which is its path.
fn call_of(request: &[u8]) -> Option<u32> {
    let text = str::from_utf8(request).ok()?;
    text.strip_prefix("POST /")?.split(' ').next()?.parse().ok()
}

fn listener(side: Side, limit: Limit, whole: bool) -> Value {
    let module = side.name();
    let root = ROOTS[usize::from(whole)];
    let mut listener = envoy::http_listener(
        side.port(limit, whole),
        module,
        &json!({ "name": "envoy.filters.http.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "root_id": root, "vm_config": {
            // A VM of its own for each filter.
            "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": root },
            "vm_id": module, "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": Path::new(module).with_extension("wasm") } },
        } },
    } }),
    );
    listener["name"] = format!("{module} {root} {limit:?}").into();
    if let Some(bytes) = limit.bytes() {
        if limit == Limit::Window {
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            manager["http2_protocol_options"]["initial_stream_window_size"] = bytes.into();
        } else {
            listener["per_connection_buffer_limit_bytes"] = bytes.into();
        }
    }
    listener
}

/// A listener that passes everything on to the filter's, over HTTP/2.
fn front_listener(port: u16) -> Value {
    let pass = json!({ "name": "pass", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    } });
    let mut listener = envoy::http_listener(front(port), &format!("front {port}"), &pass);
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = port.to_string().into();
    listener
}

fn http2_cluster(port: u16) -> Value {
    json!({
        "name": port.to_string(), "connect_timeout": "1s", "type": "STATIC",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": { "http2_protocol_options": {} },
        } },
        "load_assignment": { "cluster_name": port.to_string(), "endpoints": [{ "lb_endpoints": [
            { "endpoint": { "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } } } },
        ] }] },
    })
}
