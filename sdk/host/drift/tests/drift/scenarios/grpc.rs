//! Targets of gRPC calls: the messages that hosts parse first.

use super::*;

/// Names of clusters, of which many happen to be messages: sent bare, they end Envoy.
pub(crate) const NAMES: &[&str] = &[
    "users",
    "empty",
    "xy",
    "api",
    "auth",
    "authz",
    "a",
    "b1",
    "backend",
    "cache",
    "cart",
    "catalog",
    "config",
    "db",
    "dev",
    "e2e",
    "echo",
    "edge",
    "events",
    "files",
    "frontend",
    "geo",
    "health",
    "hr",
    "http2",
    "idp",
    "jobs",
    "jwt",
    "keys",
    "kv",
    "ldap",
    "logs",
    "mail",
    "opa",
    "orders",
    "payments",
    "pdp",
    "prod",
    "proxy",
    "queue",
    "ratelimit",
    "redis",
    "search",
    "sso",
    "token",
    "ui",
    "uid",
    "vault",
    "web",
    "z9",
];

/// Returns the scenario in which a call goes to each of these clusters, one after the other.
pub(crate) fn names() -> Scenario {
    let call = |name: &str| {
        let (len, outer) = (name.len(), name.len() + 2);
        format!("grpc %0a%{outer:02x}%0a%{len:02x}{name} Service Method hello 5000")
    };
    let mut script = format!("request_headers: {}; return 1", call(NAMES[0]));
    for (run, name) in NAMES.iter().enumerate().skip(1) {
        script += &format!("\ngrpc_receive#{run}: {}", call(name));
    }
    script += &format!("\ngrpc_receive#{}: body 5 0 99; effective 2; resume 0", NAMES.len());
    let answers = [GrpcAnswer("message")].repeat(NAMES.len());
    let steps = [vec![Request(GET, true)], answers, vec![Response(EMPTY, true)]].concat();
    Scenario { name: "grpc_to_every_name", setup: Setup::DEFAULT, script: script.leak(), steps: steps.leak() }
}

scenarios! {
    grpc_call_to_a_message:
        "request_headers: grpc %0a%06%0a%04grpc Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_stream_to_a_message:
        "request_headers: stream %0a%06%0a%04grpc Service Method a=b; send 6 hello 1; return 1
         grpc_receive_initial_metadata: pairs 4
         grpc_receive: body 5 0 99
         grpc_receive_trailing_metadata: pairs 5
         grpc_close: answer; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_to_a_message_with_a_timeout:
        "request_headers: grpc %0a%06%0a%04grpc%1a%02%08%01 Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_to_a_message_with_an_unknown_field:
        "request_headers: grpc %0a%06%0a%04grpc%f8%7f%01 Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_to_a_message_with_an_authority:
        "request_headers: grpc %0a%0d%0a%04grpc%12%05other Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
    grpc_call_to_two_messages_of_which_the_last_counts:
        "request_headers: grpc %0a%09%0a%07unknown%0a%06%0a%04grpc Service Method hello 1000; return 1
         grpc_receive: body 5 0 99; effective 2; resume 0",
        [Request(GET, true), GrpcAnswer("message"), Response(EMPTY, true)];
}
