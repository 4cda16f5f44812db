//! The traffic of a moment, through the simulated host.

use sluicegate_host::{HttpStream, RunningHost, TcpConnection};
use sluicegate_phases::Moment;
use sluicegate_phases::moment::{Kind, Setting, Step};

use crate::script;

const TRAILERS: [(&str, &str); 1] = [("x-trailer", "one")];
const ANSWER: [(&str, &str); 1] = [(":status", "200")];
const UPGRADE: [(&str, &str); 6] = [
    (":method", "GET"),
    (":path", "/"),
    (":authority", "host"),
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("x-gone", "yes"),
];
const SWITCH: [(&str, &str); 3] = [(":status", "101"), ("connection", "upgrade"), ("upgrade", "websocket")];
const TUNNEL: [(&str, &str); 2] = [(":method", "CONNECT"), (":authority", "host:80")];

/// Plays the moves of a moment; ticks come at once where they are asked for, as they do in the
/// table's Envoys.
pub(crate) fn play(host: &RunningHost, moment: &Moment) {
    if moment.setting == Setting::Logger {
        // An entry is told when its request is over.
        host.access_log().request_headers(&UPGRADE).response_headers(&ANSWER).log();
        return;
    }
    let mut peers = Peers { host, http: None, tcp: None, responds: false };
    for step in moment.steps {
        match moment.kind {
            Kind::Http => peers.http(*step),
            Kind::Tcp => peers.tcp(*step),
        }
        settle(host);
    }
    peers.http.into_iter().for_each(HttpStream::complete);
    if let Some(connection) = peers.tcp {
        connection.close_downstream();
        connection.complete();
    }
}

/// Lets happen what is due.
fn settle(host: &RunningHost) {
    host.deliver_queues();
    for _ in 0..5 {
        if !script::ticks() {
            break;
        }
        host.tick();
    }
}

struct Peers<'host> {
    host: &'host RunningHost,
    http: Option<HttpStream<'host>>,
    tcp: Option<TcpConnection<'host>>,
    /// `true` if the upstream sends a response.
    responds: bool,
}

impl<'host> Peers<'host> {
    fn http(&mut self, step: Step) {
        let request =
            |method: &'static str| [(":method", method), (":path", "/"), (":authority", "host"), ("x-gone", "yes")];
        match (step, &self.http) {
            (Step::Request, None) => {
                let stream = self.http.insert(self.host.http_stream());
                stream.request_headers_with_body(&request("POST"));
            }
            (Step::Get, None) => {
                let stream = self.http.insert(self.host.http_stream());
                stream.request_headers(&request("GET"));
            }
            (Step::Upgrade, None) => {
                let stream = self.http.insert(self.host.http_stream());
                stream.request_headers_with_body(&UPGRADE);
            }
            (Step::Tunnel, None) => {
                let stream = self.http.insert(self.host.http_stream());
                stream.request_headers_with_body(&TUNNEL);
            }
            (Step::Unload, _) => {
                self.http.take().into_iter().for_each(HttpStream::complete);
                self.host.finish();
            }
            (Step::Answer, _) => {
                if let Some(call) = self.host.pending_calls().first() {
                    self.host.answer_call(call.token, &ANSWER, "answer", &TRAILERS);
                }
            }
            (Step::GrpcAnswer, _) => self.grpc_answer(),
            (Step::Leave, Some(_)) => self.http.take().into_iter().for_each(HttpStream::complete),
            (_, Some(stream)) => {
                // The upstream answers what reached it.
                let responds =
                    self.responds || stream.reached_upstream() && stream.reply().is_none() && !stream.was_reset();
                match step {
                    Step::Metadata => stream.request_metadata(1),
                    Step::BackMetadata if self.responds => stream.response_metadata(1),
                    Step::Part(part) => drop(stream.request_body(part, false)),
                    Step::End => drop(stream.request_body("", true)),
                    Step::Trailers => drop(stream.request_trailers(&TRAILERS)),
                    Step::Response | Step::Empty if responds => {
                        self.responds = true;
                        let head = [(":status", "200"), ("x-gone", "yes")];
                        if step == Step::Empty {
                            stream.response_headers_only(&head)
                        } else {
                            stream.response_headers(&head)
                        };
                    }
                    Step::Switch | Step::Grant if responds => {
                        self.responds = true;
                        stream.response_headers(if step == Step::Switch { &SWITCH[..] } else { &ANSWER });
                    }
                    Step::FromClient(part) => drop(stream.request_body(part, false)),
                    Step::FromUpstream(part) if self.responds => drop(stream.response_body(part, false)),
                    Step::Back(part) if self.responds => drop(stream.response_body(part, false)),
                    Step::BackEnd if self.responds => drop(stream.response_body("", true)),
                    Step::BackTrailers if self.responds => drop(stream.response_trailers(&TRAILERS)),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// A service that answers one message and is done, to a client that may leave before.
    fn grpc_answer(&self) {
        let open = || self.host.open_grpc().first().map(|grpc| grpc.token);
        let Some(token) = open() else { return };
        self.host.grpc_initial_metadata(token, &ANSWER);
        if open() == Some(token) {
            self.host.grpc_message(token, "answer");
        }
        if open() == Some(token) {
            self.host.grpc_trailing_metadata(token, &[("grpc-status", "0")]);
        }
        if open() == Some(token) {
            self.host.grpc_close(token, 0, "");
        }
    }

    fn tcp(&mut self, step: Step) {
        match (step, &self.tcp) {
            (Step::Connect, None) => drop(self.tcp.insert(self.host.tcp_connection()).opened()),
            (Step::FromClient(part), Some(connection)) => drop(connection.downstream_data(part, false)),
            (Step::FromUpstream(part), Some(connection)) => drop(connection.upstream_data(part, false)),
            (Step::CloseUpstream, Some(connection)) => connection.close_upstream(),
            (Step::Answer, _) => self.http(step),
            _ => {}
        }
    }
}
