//! Random programs through two modules in Envoy, one on this SDK and one on `proxy-wasm`: the same bytes must reach the
//! upstream and the client. The module on this SDK runs on the simulated host, too.
//!
//! Without `DRIFT_MINUTES` it plays a few hundred programs. `DRIFT_MINUTES=120 cargo test -p sluicegate-drift --test drift
//! random` plays for two hours, and `DRIFT_SEED` says with which seed it begins. A difference is shrunk before it is shown.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluicegate_build::{Build, run};
use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, Running};
use sluicegate_loadtest::{Config, Envoy as Binary, Options, Proxy, workspace};

use crate::{envoy, http, simulated};

const OURS: u16 = 20_000;
const THEIRS: u16 = 20_001;
const PATIENCE: Duration = Duration::from_secs(10);
/// How many programs are played where no time is given.
const PROGRAMS: usize = 300;
/// What differs on purpose: a step's beginning, and the reason.
const ON_PURPOSE: &str = include_str!("on_purpose.txt");

/// xorshift64*: the same programs for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or_default() % end
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

const NAMES: &[&str] = &[
    "x-a",
    "X-B",
    "x-repeated",
    "via",
    "accept",
    "cookie",
    "vary",
    "cache-control",
    "user-agent",
    "x-empty",
    "server",
    "set-cookie",
    "x-long-name-of-a-header",
];
const VALUES: &[&str] = &["", "1", "two", "a,b", "x=y", "0123456789012345678901234567890123456789"];
const PROPERTIES: &[&str] = &[
    "request.path",
    "request.method",
    "request.host",
    "request.query",
    "request.headers.x-a",
    "request.url_path",
    "response.code",
    "mine",
    "plugin_root_id",
    "request.useragent",
];

/// A request: what each callback does, and whether there is a body.
#[derive(Clone, Debug)]
struct Program {
    /// A callback's letter, and a step.
    steps: Vec<(char, String)>,
    request_body: bool,
    response_body: bool,
}

impl Program {
    fn random(random: &mut Random) -> Self {
        let count = 1 + random.below(14);
        let steps = (0..count).map(|_| step(random)).collect();
        Self { steps, request_body: random.below(2) == 0, response_body: random.below(2) == 0 }
    }

    fn text(&self) -> String {
        let parts = ['q', 'b', 'h', 'c'].map(|callback| {
            let steps = self.steps.iter().filter(|(of, _)| *of == callback);
            let steps: Vec<_> = steps.map(|(_, step)| step.as_str()).collect();
            format!("{callback}:{}", steps.join(";"))
        });
        parts.join("|")
    }

    /// The reason why the modules do not do the same.
    fn differs_on_purpose(&self) -> bool {
        let patterns = ON_PURPOSE.lines().filter_map(|line| line.split_once(" -> "));
        let patterns: Vec<_> = patterns.map(|(pattern, _)| pattern.trim()).collect();
        self.steps.iter().any(|(of, step)| {
            patterns.iter().any(|pattern| {
                let step = format!("{of}:{step}");
                // A pattern that ends with a separator is of a step whose last word is empty.
                if pattern.ends_with('~') { step == *pattern } else { step.starts_with(pattern) }
            })
        })
    }
}

fn step(random: &mut Random) -> (char, String) {
    let callback = ['q', 'q', 'h', 'h', 'b', 'c'][random.below(6)];
    let (name, value) = (random.of(NAMES), random.of(VALUES));
    let property = random.of(PROPERTIES);
    let of_all = |random: &mut Random| match random.below(12) {
        0 => Some(format!("property~{property}")),
        1 => Some(format!("set-property~mine~{value}")),
        2 if random.below(3) == 0 => Some(format!("reply~{}~{value}", random.of(&["200", "403", "503"]))),
        _ => None,
    };
    let step = of_all(random).unwrap_or_else(|| match callback {
        'q' | 'h' => match random.below(6) {
            0 | 1 => format!("add~{name}~{value}"),
            2 => format!("replace~{name}~{value}"),
            3 => format!("remove~{name}"),
            4 => format!("get~{name}"),
            _ => "pairs".to_owned(),
        },
        _ => match random.below(4) {
            0 => format!("append~{value}"),
            1 => format!("prepend~{value}"),
            2 => format!("replace-body~{value}"),
            _ => "body".to_owned(),
        },
    });
    (callback, step)
}

/// What the upstream and the client got.
type Got = [Vec<String>; 2];

struct Pair {
    proxy: Proxy,
    upstream: UnixListener,
    _folder: tempfile::TempDir,
    simulated: Running,
}

fn build(feature: &str) -> Result<PathBuf> {
    let folder = workspace::target_dir().join(format!("guests/pair-{feature}"));
    let build = Build::new(env!("CARGO_MANIFEST_DIR"), "sluicegate-drift-pair", "guest").target_dir(folder);
    let build = build.features(feature);
    let answer = run(&mut build.command()).context("cannot run cargo")?;
    ensure!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    Ok(build.module())
}

impl Pair {
    fn start() -> Result<Self> {
        let (ours, theirs) = (build("ours")?, build("theirs")?);
        let folder = tempfile::tempdir()?;
        let upstream = UnixListener::bind(folder.path().join("upstream"))?;
        upstream.set_nonblocking(true)?;
        let listeners = [listener(OURS, "ours"), listener(THEIRS, "theirs")];
        let clusters = [envoy::cluster("upstream", &folder.path().join("upstream"))];
        let config = json!({ "static_resources": { "listeners": listeners, "clusters": clusters } });
        let config = Config::from_json(config)?.with_module("ours", &ours).with_module("theirs", &theirs);
        let options = Options { component_log_level: String::new(), ..Options::default() };
        let proxy = Proxy::start(&Binary::provision()?, &config, &options)?;
        let simulated = Host::wasm(&Module::load(&ours)?).root_id("root").start();
        Ok(Self { proxy, upstream, _folder: folder, simulated })
    }

    /// Sends a request through one module.
    fn exchange(&self, port: u16, program: &Program) -> Result<Got> {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", self.proxy.port(port)))?;
        client.set_read_timeout(Some(PATIENCE))?;
        let mut request = http::request(&[]).trim_end().to_owned();
        request +=
            &format!("\r\nx-program: {}\r\nx-repeated: 1\r\nx-repeated: 2\r\nuser-agent: test\r\n", program.text());
        request +=
            if program.request_body { "transfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n" } else { "\r\n" };
        client.write_all(request.as_bytes())?;
        client.set_nonblocking(true)?;
        let (mut sent, mut got) = (Vec::new(), Vec::new());
        let deadline = Instant::now() + PATIENCE;
        let mut peer = None;
        let mut answered = false;
        // The client's connection ends with the answer.
        while Instant::now() < deadline {
            if peer.is_none() {
                peer = self.upstream.accept().ok().map(|(stream, _)| stream);
                if let Some(peer) = &peer {
                    peer.set_nonblocking(true)?;
                }
            }
            if let Some(peer) = &mut peer {
                let _ = peer.read_to_end(&mut sent);
                let whole: &[u8] = if program.request_body { b"0\r\n\r\n" } else { b"\r\n\r\n" };
                if !answered && sent.ends_with(whole) {
                    answered = true;
                    let head = "HTTP/1.1 200 OK\r\nvia: r\r\nset-cookie: a\r\nset-cookie: b\r\n";
                    let body = if program.response_body {
                        "transfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
                    } else {
                        "content-length: 0\r\n\r\n"
                    };
                    peer.write_all(format!("{head}{body}").as_bytes())?;
                }
            }
            let mut part = [0; 4096];
            match client.read(&mut part) {
                Ok(0) => return Ok([lines("upstream", &sent), lines("client", &got)]),
                Ok(size) => got.extend(&part[..size]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_micros(200));
                }
                Err(_) => return Ok([lines("upstream", &sent), lines("client", &got)]),
            }
        }
        Ok([lines("upstream", &sent), lines("client, whose answer does not end,", &got)])
    }

    /// Sends the same request through this SDK's module on the simulated host.
    fn simulate(&self, program: &Program) -> Got {
        let stream = self.simulated.http_stream();
        let text = program.text();
        let mut request = vec![(":authority", "host"), (":path", "/"), (":method", "GET"), (":scheme", "http")];
        request.extend([("x-program", &*text), ("x-repeated", "1"), ("x-repeated", "2"), ("user-agent", "test")]);
        request.push(("x-forwarded-proto", "http"));
        if program.request_body {
            stream.request_headers_with_body(&request);
            stream.request_body("one", false);
            stream.request_body("", true);
        } else {
            stream.request_headers(&request);
        }
        if stream.reply().is_none() {
            let mut response = vec![(":status", "200"), ("via", "r"), ("set-cookie", "a"), ("set-cookie", "b")];
            if program.response_body {
                response.push(("transfer-encoding", "chunked"));
                stream.response_headers(&response);
                stream.response_body("two", false);
                stream.response_body("", true);
            } else {
                response.push(("content-length", "0"));
                stream.response_headers_only(&response);
            }
        }
        let mut got = [Vec::new(), Vec::new()];
        if stream.reached_upstream() {
            got[0] = simulated::head("upstream", &stream.request_map());
            got[0].push(simulated::body("upstream", &stream.sent_request_body(), &stream.request_trailer_map()));
        }
        if stream.reached_client() {
            got[1] = simulated::head("client", &stream.response_map());
            got[1].push(simulated::body("client", &stream.sent_response_body(), &stream.response_trailer_map()));
        }
        stream.complete();
        self.simulated.harm();
        got
    }

    /// Says what differs; `None` if all is the same.
    fn difference(&self, program: &Program) -> Result<Option<String>> {
        let (mut ours, mut theirs) = (self.exchange(OURS, program)?, self.exchange(THEIRS, program)?);
        let mut simulated = self.simulate(program).map(crate::normal);
        if program.steps.iter().any(|(of, step)| *of == 'b' && step.starts_with("reply")) {
            // The headers may or may not have reached the upstream before the reply.
            (ours[0], theirs[0], simulated[0]) = Default::default();
        }
        if ours != theirs {
            return Ok(Some(format!("this SDK {ours:#?}\nproxy-wasm {theirs:#?}")));
        }
        let real = ours.map(crate::normal);
        Ok((simulated != real).then(|| format!("Envoy {real:#?}\nthe simulation {simulated:#?}")))
    }

    /// Leaves steps out as long as a difference stays.
    fn shrink(&self, mut program: Program) -> Result<Program> {
        let mut at = 0;
        while at < program.steps.len() {
            let mut smaller = program.clone();
            smaller.steps.remove(at);
            if self.difference(&smaller)?.is_some() { program = smaller } else { at += 1 }
        }
        Ok(program)
    }
}

/// The lines of a message, its chunks put together as a peer does.
fn lines(who: &str, bytes: &[u8]) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    http::received(who, bytes).into_iter().filter(|line| !line.contains(" got date: ")).collect()
}

fn listener(port: u16, module: &str) -> Value {
    envoy::http_listener(
        port,
        module,
        &json!({ "name": "envoy.filters.http.wasm", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "root_id": "root", "vm_config": {
            "vm_id": module, "runtime": "envoy.wasm.runtime.v8",
            "code": { "local": { "filename": Path::new(module).with_extension("wasm") } },
        } },
    } }),
    )
}

#[test]
fn random_programs_do_the_same_on_both_sdks() -> Result<()> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let minutes = number("DRIFT_MINUTES");
    let seed = number("DRIFT_SEED").unwrap_or(1);
    let pair = Pair::start()?;
    // The builds do not count.
    let end = Instant::now() + Duration::from_secs(60 * minutes.unwrap_or(3));
    let (mut found, mut played) = (BTreeSet::new(), 0_usize);
    while Instant::now() < end && (minutes.is_some() || played < PROGRAMS) && found.len() < 5 {
        let seed = seed.wrapping_add(played as u64);
        let program = Program::random(&mut Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1));
        played += 1;
        if !program.differs_on_purpose() && pair.difference(&program)?.is_some() {
            let smallest = pair.shrink(program)?;
            let difference = pair.difference(&smallest)?.unwrap_or_default();
            found.insert(format!("seed {seed}: {smallest:?}\n{difference}"));
        }
    }
    println!("{played} programs from seed {seed}");
    ensure!(played > 0 && found.is_empty(), "{}", found.into_iter().collect::<Vec<_>>().join("\n\n"));
    Ok(())
}
