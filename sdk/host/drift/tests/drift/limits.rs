//! Bodies about the proxy's limit, behind headers that a filter holds: each is judged as a whole,
//! or refused, and none hangs.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::{Config, Envoy as Binary, Options, Proxy};

use crate::bench::{self, drain};
use crate::envoy;

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_micros(200);
/// The time that a peer that cannot write waits before the service responds: the proxy reads no
/// more.
const FULL: Duration = Duration::from_millis(4);

/// The listeners: each with its limit, and whether the proxy and the filter speak HTTP/2.
const LISTENERS: [(u16, usize, bool); 3] = [(20_010, SMALL, false), (20_011, SMALL, true), (20_012, LARGE, false)];
const SMALL: usize = 64 << 10;
const LARGE: usize = 1 << 20;

/// The holder of the headers.
const HOLDERS: [&str; 3] = ["closure", "task", "pause"];

/// The way in which a body is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Length,
    Chunked,
    Trailers,
}

/// A message whose headers are held.
#[derive(Clone, Copy, Debug)]
struct Case {
    is_request: bool,
    holder: &'static str,
    framing: Framing,
    size: usize,
    /// `true` if the headers go on when half of the body has come.
    early: bool,
    /// `true` if the filter refuses the body.
    bad: bool,
}

/// The end of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
enum End {
    /// The peer got the whole body.
    Passed,
    /// The client got an answer of this status in place of the message.
    Answered(String),
    /// The proxy closed the connection of the client.
    Cut,
    Hangs,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self:?}")
    }
}

struct Bench {
    proxy: Proxy,
    upstream: UnixListener,
    service: UnixListener,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn start() -> Result<Self> {
        let module = bench::build("sluicegate-drift-pair", "bodies", "pair-bodies")?;
        let folder = tempfile::tempdir()?;
        let listen = |name: &str| bench::listen(folder.path(), name);
        let (upstream, service) = (listen("upstream")?, listen("service")?);
        let mut clusters = ["upstream", "service"].map(|name| envoy::cluster(name, &folder.path().join(name))).to_vec();
        let mut listeners = Vec::new();
        for (port, limit, is_http2) in LISTENERS {
            let mut filter = listener(if is_http2 { port + 10 } else { port });
            filter["per_connection_buffer_limit_bytes"] = limit.into();
            listeners.push(filter);
            if is_http2 {
                listeners.push(front(port));
                clusters.push(http2_cluster(port + 10));
            }
        }
        let config = json!({ "static_resources": { "listeners": listeners, "clusters": clusters } });
        let config = Config::from_json(config)?.with_module("bodies", &module);
        let proxy = Proxy::start(&Binary::provision()?, &config, &Options::default())?;
        Ok(Self { proxy, upstream, service, _folder: folder })
    }

    /// Sends a message through the filter. Returns its end, and how much of the body the peer got.
    fn play(&self, port: u16, case: Case) -> Result<(End, usize)> {
        for listener in [&self.upstream, &self.service] {
            while listener.accept().is_ok() {}
        }
        let mut client = TcpStream::connect(("127.0.0.1", self.proxy.port(port)))?;
        client.set_nodelay(true)?;
        client.set_nonblocking(true)?;
        let (mut upstream, mut service) = (None::<UnixStream>, None::<UnixStream>);
        let (mut at_client, mut at_upstream, mut asked) = (Vec::new(), Vec::new(), Vec::new());
        let message = case.message();
        let half = message.len() - case.size / 2;
        let mut to_send =
            if case.is_request { &*message } else { b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" };
        let (mut sent, mut went, mut answered, mut responded) = (0, Instant::now(), false, false);
        let end = Instant::now() + PATIENCE;
        let peer = |at_client: &[u8], at_upstream: &[u8]| {
            let got = if case.is_request { at_upstream } else { at_client };
            got.iter().filter(|byte| **byte == b'~').count()
        };
        while Instant::now() < end {
            accept(&self.upstream, &mut upstream)?;
            accept(&self.service, &mut service)?;
            let is_open = drain(&mut client, &mut at_client);
            if let Some(upstream) = &mut upstream {
                drain(upstream, &mut at_upstream);
            }
            let passed = peer(&at_client, &at_upstream);
            if passed == case.size {
                return Ok((End::Passed, passed));
            }
            if !at_client.starts_with(b"HTTP/1.1 200") && at_client.len() > 12 {
                return Ok((End::Answered(String::from_utf8_lossy(&at_client[9..12]).into_owned()), passed));
            }
            if !is_open {
                return Ok((End::Cut, passed));
            }
            if !case.is_request && !responded && at_upstream.ends_with(b"\r\n\r\n") {
                (to_send, sent, went, responded) = (&message, 0, Instant::now(), true);
            }
            let pauses = case.early && !answered && (case.is_request || responded);
            let until = if pauses { half.max(sent) } else { to_send.len() };
            let written = match &mut upstream {
                Some(upstream) if responded => upstream.write(&to_send[sent..until]),
                _ => client.write(&to_send[sent..until]),
            };
            match written {
                Ok(0) => {}
                Ok(size) => (sent, went) = (sent + size, Instant::now()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // The proxy has closed: what it sent before is read in the next round.
                Err(_) => sent = to_send.len(),
            }
            if let Some(service) = &mut service {
                drain(service, &mut asked);
                if !answered && asked.ends_with(b"\r\n\r\n") && went.elapsed() > FULL {
                    service.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
                    answered = true;
                }
            }
            sleep(POLL);
        }
        Ok((End::Hangs, peer(&at_client, &at_upstream)))
    }
}

impl Case {
    /// Returns whether a message of which nothing passed may end so. The client has the headers of
    /// a response that was judged, so the proxy can only cut it off.
    fn allows(self, end: &End, limit: usize) -> bool {
        let is_over = self.size > limit;
        match end {
            End::Answered(status) if self.is_request => is_over && status == "413" || self.bad && status == "403",
            End::Answered(status) => is_over && status == "500",
            End::Cut => !self.is_request && (is_over || self.bad),
            End::Passed | End::Hangs => false,
        }
    }

    fn message(self) -> Vec<u8> {
        let start = if self.is_request { "POST / HTTP/1.1\r\nhost: a\r\n" } else { "HTTP/1.1 200 OK\r\n" };
        let length = match self.framing {
            Framing::Length => format!("content-length: {}", self.size),
            Framing::Chunked | Framing::Trailers => "transfer-encoding: chunked".to_owned(),
        };
        let mut message = format!("{start}x-hold: {}\r\n{length}\r\n\r\n", self.holder).into_bytes();
        let mut body = vec![b'~'; self.size];
        if self.bad {
            // The filter refuses it. The peer counts the other bytes.
            body[..3].copy_from_slice(b"bad");
        }
        if self.framing == Framing::Length {
            message.extend(body);
            return message;
        }
        for chunk in body.chunks(10_000) {
            message.extend(format!("{:x}\r\n", chunk.len()).bytes());
            message.extend(chunk);
            message.extend(b"\r\n");
        }
        message.extend(if self.framing == Framing::Trailers { &b"0\r\nx-end: 1\r\n\r\n"[..] } else { b"0\r\n\r\n" });
        message
    }
}

fn accept(listener: &UnixListener, stream: &mut Option<UnixStream>) -> Result<()> {
    if let Ok((accepted, _)) = listener.accept() {
        accepted.set_nonblocking(true)?;
        *stream = Some(accepted);
    }
    Ok(())
}

/// Reads what is there. Returns whether the connection is open.
fn listener(port: u16) -> Value {
    let filter = json!({ "name": "envoy.filters.http.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "root_id": "judge", "vm_config": {
            "vm_id": "judge", "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": Path::new("bodies.wasm") } },
        } },
    } });
    envoy::http_listener(port, &format!("judge {port}"), &filter)
}

/// A listener that passes everything on to the filter's, over HTTP/2.
fn front(port: u16) -> Value {
    let pass = json!({ "name": "pass", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
    } });
    let mut listener = envoy::http_listener(port, &format!("front {port}"), &pass);
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] = (port + 10).to_string().into();
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

#[test]
fn a_body_about_the_limit_behind_held_headers_is_judged_or_refused() -> Result<()> {
    let bench = Bench::start()?;
    let (mut wrong, mut played) = (Vec::new(), 0);
    for (port, limit, is_http2) in LISTENERS {
        let sizes = [limit - 1, limit, limit + 1, 3 * limit];
        for (number, size) in sizes.iter().enumerate() {
            for bits in 0..36 {
                let case = Case {
                    is_request: bits & 1 == 0,
                    early: bits & 2 == 0,
                    holder: HOLDERS[bits / 4 % 3],
                    framing: [Framing::Length, Framing::Chunked, Framing::Trailers][bits / 12],
                    size: *size,
                    bad: (bits + number) % 5 == 0,
                };
                // Each property with each other one, and over HTTP/1 all bodies over the limit.
                let one_in = if limit == LARGE {
                    9
                } else if is_http2 || number < 2 {
                    3
                } else {
                    1
                };
                if (bits / 4 + bits + number) % one_in != 0 {
                    continue;
                }
                let (end, passed) = bench.play(port, case)?;
                played += 1;
                let is_right = if passed > 0 { end == End::Passed && !case.bad } else { case.allows(&end, limit) };
                if !is_right {
                    wrong.push(format!("limit {limit}, HTTP/2 {is_http2}: {case}: {end:?}, {passed} passed"));
                }
            }
        }
    }
    ensure!(bench.proxy.is_running(), "Envoy has ended");
    ensure!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
