//! Bodies in Envoy, through filters of this SDK that judge and rewrite them: what passes is what
//! was judged, every byte of it, however a message ends and whatever its peers do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::{Config, Envoy as Binary, Options, Proxy};

use crate::bench::{self, drain};
use crate::envoy;
use crate::http::{Framing, received};

const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_micros(500);
/// The time to wait for data that should not come, and for parts to be parts of their own.
const QUIET: Duration = Duration::from_millis(3);

const JUDGE: u16 = 20_000;
const REWRITE: u16 = 20_001;
const TRAILERS: &[(&str, &str)] = &[("x-end", "1")];
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// An Envoy with a listener for each filter.
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
        let clusters = ["upstream", "service"].map(|name| envoy::cluster(name, &folder.path().join(name)));
        let listeners = [listener(JUDGE, "judge"), listener(REWRITE, "rewrite")];
        let config = json!({ "static_resources": { "listeners": listeners, "clusters": clusters } });
        let config = Config::from_json(config)?.with_module("bodies", &module);
        let proxy = Proxy::start(&Binary::provision()?, &config, &Options::default())?;
        Ok(Self { proxy, upstream, service, _folder: folder })
    }

    fn talk(&self, port: u16) -> Result<Talk<'_>> {
        // The rest of an earlier one.
        for listener in [&self.upstream, &self.service] {
            while listener.accept().is_ok() {}
        }
        let client = TcpStream::connect(("127.0.0.1", self.proxy.port(port)))?;
        client.set_nodelay(true)?;
        client.set_nonblocking(true)?;
        Ok(Talk { bench: self, client, upstreams: Vec::new(), at_client: Vec::new(), at_upstream: Vec::new() })
    }
}

/// A listener whose clients may ask for another protocol.
fn listener(port: u16, root_id: &str) -> Value {
    let filter = json!({ "name": "envoy.filters.http.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "root_id": root_id, "vm_config": {
            "vm_id": root_id, "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": Path::new("bodies.wasm") } },
        } },
    } });
    let mut listener = envoy::http_listener(port, root_id, &filter);
    let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    manager["upgrade_configs"] = json!([{ "upgrade_type": "websocket" }, { "upgrade_type": "CONNECT" }]);
    manager["route_config"]["virtual_hosts"][0]["routes"] = json!([
        { "match": { "connect_matcher": {} }, "route": { "cluster": "upstream" } },
        { "match": { "prefix": "/" }, "route": { "cluster": "upstream" } },
    ]);
    listener
}

/// A client, and the upstreams and the service behind the proxy.
struct Talk<'a> {
    bench: &'a Bench,
    client: TcpStream,
    upstreams: Vec<UnixStream>,
    at_client: Vec<u8>,
    at_upstream: Vec<u8>,
}

impl Talk<'_> {
    /// Reads what is there. Tells whether the client's connection is open.
    fn read(&mut self) -> bool {
        while let Ok((stream, _)) = self.bench.upstream.accept() {
            if stream.set_nonblocking(true).is_ok() {
                self.upstreams.push(stream);
            }
        }
        for stream in &mut self.upstreams {
            drain(stream, &mut self.at_upstream);
        }
        drain(&mut self.client, &mut self.at_client)
    }

    fn until(&mut self, what: &str, mut there: impl FnMut(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let open = self.read();
            if there(self) {
                return Ok(());
            }
            let (client, upstream) = (self.at_client.escape_ascii(), self.at_upstream.escape_ascii());
            ensure!(open && Instant::now() < end, "{what} did not come: client {client}, upstream {upstream}");
            sleep(POLL);
        }
    }

    fn upstream(&mut self) -> Result<&mut UnixStream> {
        self.until("a request", |talk| !talk.upstreams.is_empty())?;
        self.upstreams.last_mut().context("an upstream")
    }

    /// The service lets held headers go on, when everything that was sent has come.
    fn answer_the_call(&mut self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut service = loop {
            match self.bench.service.accept() {
                Ok((stream, _)) => break stream,
                Err(error) => ensure!(Instant::now() < end, "no call: {error}"),
            }
            sleep(POLL);
        };
        sleep(QUIET);
        service.set_nonblocking(false)?;
        service.set_read_timeout(Some(PATIENCE))?;
        let mut head = [0; 1024];
        let _ = service.read(&mut head)?;
        service.write_all(OK.as_bytes())?;
        // Until the answer has come, the connection stays.
        sleep(QUIET);
        Ok(())
    }

    /// The data that the client and the upstream got of a body, and of its trailers.
    fn client_body(&self) -> String {
        received("client", &self.at_client).pop().unwrap_or_default()
    }

    fn upstream_body(&self) -> String {
        received("upstream", &self.at_upstream).pop().unwrap_or_default()
    }
}

/// Reads what is there; whether the connection is open.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let end = format!("\r\n{}", Framing::trailers(TRAILERS));
    text.ends_with(&end) || text.ends_with("\r\n0\r\n\r\n") || text.starts_with(OK)
}

/// A message of the matrix.
#[derive(Clone, Copy, Debug)]
struct Message {
    is_request: bool,
    body: &'static str,
    /// The size of its parts.
    cut: usize,
    trailers: bool,
    /// `true` if the filter holds the headers until all has come.
    held: bool,
    /// A header that says more.
    also: &'static str,
}

impl Message {
    /// All messages with a body: both ways, cut in several ways, ended in both, and held or not.
    fn all(body: &'static str, also: &'static str) -> Vec<Self> {
        let mut all = Vec::new();
        for number in 0..16 {
            let bit = |place: u32| number >> place & 1 == 1;
            let cut = if bit(1) { 3 } else { body.len().max(1) };
            all.push(Self { is_request: bit(0), body, cut, trailers: bit(2), held: bit(3), also });
        }
        all
    }

    fn send(self, to: &mut impl Write) -> Result<()> {
        let hold = if self.held { "x-hold: 1\r\n" } else { "" };
        let head =
            if self.is_request { "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n" } else { "HTTP/1.1 200 OK\r\n" };
        write!(to, "{head}{hold}{}transfer-encoding: chunked\r\n\r\n", self.also)?;
        let chunked = Framing::chunked();
        for part in self.body.as_bytes().chunks(self.cut) {
            to.write_all(chunked.part(str::from_utf8(part)?, false).as_bytes())?;
            sleep(QUIET);
        }
        let end = if self.trailers { Framing::trailers(TRAILERS) } else { chunked.part("", true) };
        Ok(to.write_all(end.as_bytes())?)
    }

    /// The number of calls that hold it, one after the other.
    fn calls(self) -> usize {
        usize::from(self.held) + usize::from(self.also.contains("x-swap"))
    }

    /// The view of a peer on a body.
    fn as_seen(self, body: &str) -> String {
        let who = if self.is_request { "upstream" } else { "client" };
        let end = if self.trailers { " and x-end: 1" } else { "" };
        format!("{who} got body {:?}", format!("{body}{end}"))
    }

    /// Sends it through a filter, and returns what the peer got of the body: nothing if it was
    /// refused.
    fn play(self, bench: &Bench, port: u16) -> Result<String> {
        let mut talk = bench.talk(port)?;
        if self.is_request {
            self.send(&mut talk.client)?;
            for _ in 0..self.calls() {
                talk.answer_the_call()?;
            }
            talk.until("the request, or an answer", |talk| is_whole(&talk.at_upstream) || !talk.at_client.is_empty())?;
            if talk.at_client.is_empty() {
                // A copy of anything would come before the answer.
                sleep(QUIET);
                talk.upstream()?.write_all(OK.as_bytes())?;
                talk.until("the response", |talk| talk.at_client.starts_with(b"HTTP/1.1 200"))?;
            }
            talk.read();
            return Ok(talk.upstream_body());
        }
        talk.client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        talk.until("the request", |talk| talk.at_upstream.ends_with(b"\r\n\r\n"))?;
        self.send(talk.upstream()?)?;
        for _ in 0..self.calls() {
            talk.answer_the_call()?;
        }
        let end = Instant::now() + PATIENCE;
        // Until the proxy closes: what it cuts off ends so as well.
        while talk.read() && Instant::now() < end {
            sleep(POLL);
        }
        Ok(talk.client_body())
    }
}

#[test]
fn a_rewritten_body_loses_nothing_and_repeats_nothing() -> Result<()> {
    let bench = Bench::start()?;
    let mut played = 0;
    for (body, rewritten) in [
        ("a cat on the mat", "a tiger on the mat"),
        ("elephant elephants", "ant ants"),
        ("dog", "god"),
        // The bytes that the closure leaves until the end.
        ("cat, dog, elephant, ele", "tiger, god, ant, ele"),
    ] {
        for message in Message::all(body, "") {
            let got = message.play(&bench, REWRITE).with_context(|| format!("{message:?}"))?;
            assert_eq!(got, message.as_seen(rewritten), "{message:?}");
            played += 1;
        }
    }
    assert_eq!(played, 64);
    for (body, also, judged) in [
        ("good", "", Some("good")),
        ("good", "x-edit: 1\r\n", Some("[good]")),
        ("so bad", "", None),
        // Nobody is asked.
        ("so bad", "x-pass: 1\r\n", Some("so bad")),
    ] {
        for message in Message::all(body, also) {
            let got = message.play(&bench, JUDGE).with_context(|| format!("{message:?}"))?;
            match judged {
                Some(body) => assert_eq!(got, message.as_seen(body), "{message:?}"),
                None => assert!(!got.contains("bad") && !got.contains("so "), "{message:?}: {got}"),
            }
        }
    }
    for message in Message::all("good", "x-swap: 1\r\n") {
        let got = message.play(&bench, JUDGE).with_context(|| format!("{message:?}"))?;
        if message.trailers {
            // Envoy takes no bytes any more, so the filter refuses the message.
            assert!(!got.contains("good") && !got.contains("swapped"), "{message:?}: {got}");
        } else {
            assert_eq!(got, message.as_seen("swapped"), "{message:?}");
        }
    }
    a_large_body_passes_unjudged(&bench)?;
    another_protocol_passes_once_it_is_agreed(&bench)?;
    nobody_slips_past_the_judge(&bench)?;
    ensure!(bench.proxy.is_running(), "Envoy has ended");
    Ok(())
}

/// Above the proxy's limit for what it keeps, which is 1 MiB.
fn a_large_body_passes_unjudged(bench: &Bench) -> Result<()> {
    const SIZE: usize = 3 << 20;
    for (also, passes) in [("x-pass: 1\r\n", true), ("", false)] {
        let mut talk = bench.talk(JUDGE)?;
        let mut client = talk.client.try_clone()?;
        let writer = std::thread::spawn(move || -> std::io::Result<()> {
            let mut rest = format!("POST / HTTP/1.1\r\nhost: a\r\n{also}content-length: {SIZE}\r\n\r\n").into_bytes();
            rest.extend(vec![b'x'; SIZE]);
            let (mut at, end) = (0, Instant::now() + PATIENCE);
            while at < rest.len() && Instant::now() < end {
                match client.write(&rest[at..]) {
                    Ok(size) => at += size,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(POLL),
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        let came = |talk: &Talk<'_>| talk.at_upstream.iter().filter(|byte| **byte == b'x').count();
        talk.until("the body, or an answer", |talk| came(talk) >= SIZE || !talk.at_client.is_empty())?;
        assert_eq!(came(&talk) >= SIZE, passes, "{also}");
        if !passes {
            assert!(talk.at_client.starts_with(b"HTTP/1.1 413 "), "{}", talk.at_client.escape_ascii());
        }
        drop(talk.client.shutdown(Shutdown::Both));
        drop(writer.join());
    }
    Ok(())
}

fn another_protocol_passes_once_it_is_agreed(bench: &Bench) -> Result<()> {
    let websocket = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let agreed = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let tunnel = "CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n";
    for (asks, agrees) in [(websocket, agreed), (tunnel, "HTTP/1.1 200 OK\r\n\r\n")] {
        let mut talk = bench.talk(JUDGE)?;
        // Data that is sent too early waits.
        write!(talk.client, "{asks}bad early")?;
        talk.until("the request", |talk| talk.at_upstream.ends_with(b"\r\n\r\n"))?;
        sleep(QUIET);
        talk.read();
        assert!(!talk.at_upstream.ends_with(b"early"), "{asks}");
        talk.upstream()?.write_all(agrees.as_bytes())?;
        talk.until("what was early", |talk| talk.at_upstream.ends_with(b"bad early"))?;
        talk.upstream()?.write_all(b"bad back")?;
        talk.until("the upstream's data", |talk| talk.at_client.ends_with(b"bad back"))?;
        talk.client.write_all(b"bad again")?;
        talk.until("the client's data", |talk| talk.at_upstream.ends_with(b"bad again"))?;

        // A client that only claims to want another protocol is judged.
        let mut talk = bench.talk(JUDGE)?;
        write!(talk.client, "{asks}bad early")?;
        talk.until("the request", |talk| talk.at_upstream.ends_with(b"\r\n\r\n"))?;
        let refused = "HTTP/1.1 400 No\r\ntransfer-encoding: chunked\r\n\r\n7\r\nbad one\r\n0\r\n\r\n";
        talk.upstream()?.write_all(refused.as_bytes())?;
        let end = Instant::now() + Duration::from_millis(200);
        while talk.read() && Instant::now() < end {
            sleep(POLL);
        }
        assert!(!talk.at_upstream.ends_with(b"early"), "{asks}");
        assert!(!talk.client_body().contains("bad"), "{asks}: {}", talk.client_body());
    }
    Ok(())
}

/// Pieces that a client writes one after the other, so that something bad may pass.
const ATTACKS: &[&[&str]] = &[
    &["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n", "bad"],
    &["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nba", "d", "..."],
    &["POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n", "0\r\nx: 1\r\n\r\n"],
    &["POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;a=b\r\nb\r\n", "2\r\nad\r\n", "0\r\n\r\n"],
    &["POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n", "bad"],
    &["GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nbad"],
    &["HEAD / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\n\r\n"],
    &["OPTIONS * HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nbad"],
    // Two requests in one piece, and one within what looks like the other's body.
    &["GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nbad"],
    &[concat!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\ngood",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nbad",
    )],
    // It ends in the middle.
    &["POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nbad", ""],
    &["POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n", ""],
    // The headers are held meanwhile.
    &["POST / HTTP/1.1\r\nhost: a\r\nx-hold: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\nx: 1\r\n\r\n"],
    &["POST / HTTP/1.1\r\nhost: a\r\nx-hold: 1\r\ncontent-length: 3\r\n\r\nbad"],
    // An upgrade that nobody agrees to, and one that is none.
    &["GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\ncontent-length: 3\r\n\r\nbad"],
    &["POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: other\r\ncontent-length: 3\r\n\r\nbad"],
];

/// Upstreams, each of which sends data that should not come to the client.
const RESPONSES: &[&[&str]] = &[
    &["HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", "bad"],
    &["HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"],
    &[
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nb\r\n2\r\nad\r\n0\r\nx: 1\r\n\r\n",
    ],
    &["HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbad", ""],
    &["HTTP/1.1 200 OK\r\n\r\nbad", ""],
    &["HTTP/1.1 500 No\r\nx-hold: 1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbad\r\n0\r\nx: 1\r\n\r\n"],
    &["HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nbad"],
];

fn nobody_slips_past_the_judge(bench: &Bench) -> Result<()> {
    for pieces in ATTACKS {
        let mut talk = bench.talk(JUDGE)?;
        for piece in *pieces {
            if piece.is_empty() {
                talk.client.shutdown(Shutdown::Write)?;
            }
            // The proxy may have closed the connection.
            let _ = talk.client.write_all(piece.as_bytes());
            sleep(QUIET);
        }
        if pieces[0].contains("x-hold") {
            talk.answer_the_call()?;
        }
        let (end, mut answered) = (Instant::now() + Duration::from_millis(60), 0);
        while talk.read() && Instant::now() < end {
            while answered < talk.upstreams.len() {
                let _ = talk.upstreams[answered].write_all(OK.as_bytes());
                answered += 1;
            }
            sleep(POLL);
        }
        let got = String::from_utf8_lossy(&talk.at_upstream).into_owned();
        assert!(!got.contains("bad") && !got.contains("\r\n1\r\nb"), "{pieces:?}: {got}");
    }
    for pieces in RESPONSES {
        let mut talk = bench.talk(JUDGE)?;
        talk.client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")?;
        for piece in *pieces {
            if piece.is_empty() {
                talk.upstream()?.shutdown(Shutdown::Write)?;
            }
            let _ = talk.upstream()?.write_all(piece.as_bytes());
            sleep(QUIET);
        }
        if pieces[0].contains("x-hold") {
            talk.answer_the_call()?;
        }
        let end = Instant::now() + Duration::from_millis(60);
        while talk.read() && Instant::now() < end {
            sleep(POLL);
        }
        let got = String::from_utf8_lossy(&talk.at_client).into_owned();
        assert!(!got.contains("bad") && !got.contains("\r\n1\r\nb"), "{pieces:?}: {got}");
    }
    Ok(())
}
