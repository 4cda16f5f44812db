//! Streams that wait for each other, in a real Envoy: whichever callback tells them, all of them go
//! on.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::proxy::example;
use sluicegate_envoy::{Config, Envoy, Options, Proxy};
use sluicegate_workspace::{Allocator, guest};

use super::PATIENCE;
use super::ends::{ACK, DATA, END_HEADERS, END_STREAM, HEADERS, SETTINGS, fields, frame};

const MAIN: u16 = 18000;
const CONNECTIONS: u16 = 18001;
const ANSWERS: u16 = 18002;

/// Kinds of frames of HTTP/2.
const RST_STREAM: u8 = 3;
const GO_AWAY: u8 = 7;

/// Where streams wait, and the status of the answer.
const WAITS: [(&str, u16); 4] = [("request", 200), ("reply", 418), ("body", 200), ("response", 200)];

/// The callbacks that tell: all kinds that a plugin and its streams have.
const TELLS: [&str; 15] = [
    "request-headers",
    "request-body",
    "response-headers",
    "response-body",
    "log",
    "done",
    "delete",
    "drop",
    "answer",
    "grpc",
    "task",
    "queue",
    "tick",
    "timer",
    "close",
];

#[test]
fn wakes_of_every_callback_let_all_streams_go_on() -> Result<()> {
    let proxy = start_wakes()?;
    for tells in TELLS {
        tell(&proxy, tells).with_context(|| format!("{tells} tells:\n{}", told(&proxy.log())))?;
    }
    let log = proxy.log();
    ensure!(!log.contains("[error]") && !log.contains("[critical]"), "{log}");
    Ok(())
}

/// Returns the lines that the filter has written to the log.
fn told(log: &str) -> String {
    log.lines().filter(|line| line.contains("wasm log") || line.contains("[error]")).collect::<Vec<_>>().join("\n")
}

/// Lets one stream of each kind wait, and then one callback tell them.
fn tell(proxy: &Proxy, tells: &str) -> Result<()> {
    let before = proxy.log().len();
    thread::scope(|scope| {
        let mut waiting: Vec<_> = WAITS
            .iter()
            .map(|(at, status)| {
                scope.spawn(move || -> Result<()> {
                    let path = format!("/wait/{at}");
                    let response = match *at {
                        "body" => proxy.request("POST", MAIN, &path, &[], b"body")?,
                        _ => proxy.get(MAIN, &path)?,
                    };
                    ensure!(response.status == *status, "{at}: {response:?}");
                    Ok(())
                })
            })
            .collect();
        waiting.push(scope.spawn(|| {
            let mut client = connect(proxy)?;
            client.write_all(b"echo")?;
            let mut answer = [0; 4];
            client.read_exact(&mut answer).context("no answer to a connection")?;
            ensure!(answer == *b"echo", "{answer:?}");
            Ok(())
        }));
        let kinds = WAITS.iter().map(|(at, _)| *at).chain(["connection"]);
        let all_wait = kinds.map(|at| format!("waits: {at}")).collect::<Vec<_>>();
        let deadline = Instant::now() + PATIENCE;
        while !all_wait.iter().all(|line| proxy.log_from(before).contains(line)) {
            ensure!(Instant::now() < deadline, "not all wait:\n{}", told(&proxy.log_from(before)));
            thread::sleep(Duration::from_millis(5));
        }
        ensure!(!proxy.log_from(before).contains("told: "), "told before");
        match tells {
            "close" => drop(connect(proxy)?),
            "request-body" => drop(proxy.request("POST", MAIN, "/tell/request-body", &[], b"body")?),
            _ => {
                let response = proxy.get(MAIN, &format!("/tell/{tells}"))?;
                ensure!(response.status == 200, "{response:?}");
            }
        }
        for client in waiting {
            let answered = client.join().expect("a client panicked");
            answered?;
        }
        Ok(())
    })?;
    ensure!(proxy.log_from(before).contains(&format!("told: {tells}")), "another callback told");
    // The end of the connection tells, too, and is not for the next ones.
    let deadline = Instant::now() + PATIENCE;
    let connections = if tells == "close" { 2 } else { 1 };
    while proxy.log_from(before).matches("told: close").count() < connections {
        ensure!(Instant::now() < deadline, "a connection is not closed");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn connect(proxy: &Proxy) -> Result<TcpStream> {
    let client = TcpStream::connect(("127.0.0.1", proxy.port(CONNECTIONS)))?;
    client.set_read_timeout(Some(PATIENCE))?;
    Ok(client)
}

/// Requests and connections go through one VM, as they name one.
fn start_wakes() -> Result<Proxy> {
    let wasm = |kind: &str, configuration: &str| {
        json!({
            "@type": format!("type.googleapis.com/envoy.extensions.filters.{kind}.wasm.v3.Wasm"),
            "config": {
                "configuration": { "@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration },
                "allow_on_headers_stop_iteration": true,
                "vm_config": {
                    "vm_id": "wakes",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": { "local": { "filename": "wakes.wasm" } },
                },
            },
        })
    };
    let listener = |port: u16, filters: Value| {
        json!({
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": port } },
            "filter_chains": [{ "filters": filters }],
        })
    };
    let http = |filter: Option<Value>| {
        let router = json!({
            "name": "router",
            "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
        });
        let filters: Vec<_> = filter
            .map(|filter| json!({ "name": "wasm", "typed_config": filter }))
            .into_iter()
            .chain([router])
            .collect();
        json!([{
            "name": "http",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "http",
                "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": [{
                    "match": { "prefix": "/" },
                    "direct_response": { "status": 200, "body": { "inline_string": "answer\n" } },
                }] }] },
                "http_filters": filters,
            },
        }])
    };
    let connections = json!([
        { "name": "wasm", "typed_config": wasm("network", "tcp") },
        { "name": "echo", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo" } },
    ]);
    let config = Config::from_json(json!({ "static_resources": {
        "listeners": [
            listener(MAIN, http(Some(wasm("http", "")))),
            listener(CONNECTIONS, connections),
            listener(ANSWERS, http(None)),
        ],
        "clusters": [{
            "name": "answers",
            "connect_timeout": "1s",
            "load_assignment": { "cluster_name": "answers", "endpoints": [{ "lb_endpoints": [{ "endpoint": {
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": ANSWERS } },
            } }] }] },
        }],
    } }))?;
    let module = guest::build("guest-wakes", Some(Allocator::Freelist))?;
    let config = config.with_module("wakes", &module);
    Proxy::start(&Envoy::provision()?, &config, &Options::default())
}

/// Thousands of requests wait for one token, without a timer and without being polled, and all of
/// them go on when it comes.
#[test]
fn async_token_lets_thousands_of_requests_wait_for_one_token() -> Result<()> {
    const CONNECTIONS: u32 = 4;
    const EACH: u32 = 1000;
    let config = example("async_token", Some(Allocator::Freelist))?
        .with_each("stat_prefix", |manager| {
            manager.insert("http2_protocol_options".into(), json!({ "max_concurrent_streams": EACH }));
            // The token comes when most requests wait.
            if manager["stat_prefix"] == "tokens" {
                let fault = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
                let delay = json!({ "fixed_delay": "0.5s", "percentage": { "numerator": 100 } });
                let delay = json!({ "name": "fault", "typed_config": { "@type": fault, "delay": delay } });
                manager["http_filters"].as_array_mut().expect("a list of filters").insert(0, delay);
            }
        })
        // The proxy answers by itself: how many requests another cluster takes is not what is
        // looked at.
        .with_each("route", |route| {
            route.remove("route");
            route.insert("direct_response".into(), json!({ "status": 200 }));
        });
    let quiet = Options { component_log_level: String::new(), ..Options::default() };
    let proxy = Proxy::start(&Envoy::provision()?, &config, &quiet)?;
    let start = Instant::now();
    let took = thread::scope(|scope| {
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| wait_for_answers(&proxy, EACH))).collect();
        clients.into_iter().map(|client| client.join().expect("a client panicked")).collect::<Result<Vec<_>>>()
    });
    let took = took.with_context(|| told(&proxy.log()))?;
    let answers = took.iter().flatten().map(|at| at.duration_since(start));
    println!("{} requests: answered after {:?} to {:?}", CONNECTIONS * EACH, answers.clone().min(), answers.max());
    assert_eq!(proxy.log().matches("a token for 60 s").count(), 1, "{}", proxy.log());
    Ok(())
}

/// Sends requests at once over HTTP/2, and waits until each is answered with 200. Returns when.
fn wait_for_answers(proxy: &Proxy, requests: u32) -> Result<Vec<Instant>> {
    /// The status 200, as HPACK writes it.
    const OK: u8 = 0x88;
    let mut client = TcpStream::connect(("127.0.0.1", proxy.port(MAIN)))?;
    client.set_read_timeout(Some(PATIENCE))?;
    let head = fields(&[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]);
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(SETTINGS, 0, 0, b""));
    sent.extend(frame(SETTINGS, ACK, 0, b""));
    for number in 0..requests {
        sent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head));
    }
    client.write_all(&sent)?;
    let (mut client, mut answers) = (BufReader::new(client), Vec::new());
    while answers.len() < requests as usize {
        let mut head = [0; 9];
        client.read_exact(&mut head).with_context(|| format!("{} of {requests} were answered", answers.len()))?;
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        client.read_exact(&mut payload)?;
        ensure!(![DATA, RST_STREAM, GO_AWAY].contains(&kind), "a frame of kind {kind}: {payload:?}");
        if kind == HEADERS {
            // The first answer may set the size of the table.
            let status = payload.iter().find(|byte| **byte >> 5 != 1);
            ensure!(status == Some(&OK) && flags & END_STREAM != 0, "answered with {payload:?}");
            answers.push(Instant::now());
        }
    }
    Ok(answers)
}
