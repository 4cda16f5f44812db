//! Scenarios that fit every filter.

use crate::drive::running::RunningHost;
use crate::model::map::Map;
use crate::model::reply::LocalReply;

/// The effects of a round of [`traffic`], as a client and an upstream see them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Observed {
    /// The filter's action for each callback.
    pub actions: Vec<u32>,
    /// The requests as the upstream saw them: headers, body, trailers.
    pub requests: [(Map, Vec<u8>, Map); 2],
    /// The responses as the client saw them: headers, body, trailers.
    pub responses: [(Map, Vec<u8>, Map); 2],
    /// The local replies.
    pub replies: [Option<LocalReply>; 2],
    /// The bytes that went through a connection, to the upstream and to the client.
    pub connection: (Vec<u8>, Vec<u8>),
}

/// Sends everything that a proxy sends through a filter, once.
///
/// There are two requests and responses with bodies: the first end with trailers, the second with
/// the last part of the body. There is a connection with data both ways, and there are ticks. Each
/// call gets its response, and the items in queues are delivered.
///
/// This function fits every filter as the scenario of a [`sweep`](crate::sweep()):
/// `sweep(&host, traffic)`. If a filter does something for certain requests only, that needs a
/// scenario of its own.
pub fn traffic(host: &RunningHost) -> Observed {
    const JSON: &str = r#"{"id": 1, "name": "x"}"#;

    let mut actions = Vec::new();
    let mut exchange = |trailers: bool| {
        let stream = host.http_stream();
        let length = JSON.len().to_string();
        let mut request = vec![
            (":method", "POST"),
            (":path", "/path?a=b"),
            (":authority", "host"),
            ("content-type", "application/json"),
        ];
        request.extend((!trailers).then_some(("content-length", &*length)));
        actions.push(stream.request_headers_with_body(&request));
        answer(host);
        host.tick();
        answer(host);
        if trailers {
            let (first, second) = JSON.split_at(10);
            actions.push(stream.request_body(first, false));
            actions.push(stream.request_body(second, false));
            actions.push(stream.request_trailers(&[("t", "1")]));
            stream.request_metadata(1);
        } else {
            actions.push(stream.request_body(JSON, true));
        }
        actions.push(stream.response_headers(&[(":status", "200"), ("content-length", "8")]));
        answer(host);
        actions.push(stream.response_body("original", !trailers));
        if trailers {
            actions.push(stream.response_trailers(&[("t", "2")]));
            stream.response_metadata(1);
        }
        host.deliver_queues();
        let request = (stream.request_map(), stream.sent_request_body(), stream.request_trailer_map());
        let response = (stream.response_map(), stream.sent_response_body(), stream.response_trailer_map());
        let reply = stream.reply();
        stream.complete();
        (request, response, reply)
    };
    let [(first_request, first_response, first_reply), (request, response, reply)] = [true, false].map(&mut exchange);

    let connection = host.tcp_connection();
    actions.push(connection.opened());
    actions.push(connection.downstream_data("from the client", false));
    actions.push(connection.upstream_data("from the upstream", true));
    let seen = (connection.sent_upstream(), connection.sent_downstream());
    connection.close_downstream();
    connection.close_upstream();
    connection.complete();
    Observed {
        actions,
        requests: [first_request, request],
        responses: [first_response, response],
        replies: [first_reply, reply],
        connection: seen,
    }
}

/// The number of streams of a many_streams, the number of parts of each body, and the bytes of a
/// part.
const STREAMS: usize = 64;
const PARTS: usize = 4;
const PART: [u8; 16 << 10] = [b'x'; 16 << 10];

/// Opens many streams at once, with bodies both ways, and connections beside them. None ends before
/// all are open, so that the filter needs memory for all of them.
pub fn many_streams(host: &RunningHost) {
    let request = [(":method", "POST"), (":path", "/"), (":authority", "host"), ("content-type", "application/json")];
    let streams: Vec<_> = (0..STREAMS).map(|_| host.http_stream()).collect();
    let connections: Vec<_> = (0..STREAMS / 4).map(|_| host.tcp_connection()).collect();
    for stream in &streams {
        stream.request_headers_with_body(&request);
    }
    for part in 1..=PARTS {
        for stream in &streams {
            stream.request_body(PART, part == PARTS);
        }
        for connection in &connections {
            connection.downstream_data(PART, false);
            connection.upstream_data(PART, false);
        }
        answer(host);
        host.tick();
    }
    for stream in &streams {
        stream.response_headers(&[(":status", "200"), ("content-length", "65536")]);
    }
    for part in 1..=PARTS {
        for stream in &streams {
            stream.response_body(PART, part == PARTS);
        }
    }
    host.deliver_queues();
    answer(host);
    for stream in streams {
        stream.complete();
    }
    for connection in connections {
        connection.close_downstream();
        connection.complete();
    }
}

/// Responds to all calls that wait.
fn answer(host: &RunningHost) {
    for call in host.pending_calls() {
        host.answer_call(call.token, &[(":status", "200"), ("server", "envoy")], "answer", &[("t", "3")]);
    }
    for grpc in host.open_grpc() {
        host.grpc_initial_metadata(grpc.token, &[("m", "1")]);
        host.grpc_message(grpc.token, "message");
        host.grpc_trailing_metadata(grpc.token, &[("m", "2")]);
        host.grpc_close(grpc.token, 0, "");
    }
}
