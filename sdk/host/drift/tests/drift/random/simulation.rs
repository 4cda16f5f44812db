//! Programs on the simulated host, which says when the peers can move, and how far everything has
//! come after each move.

use sluicegate_host::{HttpStream, Map, RunningHost};

use super::message::Progress;
use super::program::{Message, Move, Program};
use crate::simulated;

/// A move of a peer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Head,
    Part(&'static str),
    End { trailers: bool },
}

/// A move that was made.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Client(Act),
    Upstream(Act),
    Answer(u32),
    Tick,
    ClientLeaves,
    UpstreamLeaves,
}

/// The progress of everything after a move.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mark {
    /// The number of lines that the module has logged.
    pub(crate) lines: usize,
    pub(crate) upstream: Progress,
    pub(crate) client: Progress,
    /// `true` if the stream was reset.
    pub(crate) reset: bool,
}

/// A program that was played.
pub(crate) struct Played {
    pub(crate) moves: Vec<(Made, Mark)>,
    pub(crate) lines: Vec<String>,
    /// The data that the upstream and the client got.
    pub(crate) peers: [Vec<String>; 2],
    pub(crate) harm: Option<String>,
    /// `true` if the upstream went away. The simulation ends there.
    pub(crate) upstream_left: bool,
    /// `true` if the stream was reset.
    pub(crate) reset: bool,
    /// `true` if the response has another length than its headers say.
    pub(crate) misleads: bool,
}

/// Returns the response of a called service to the call of a number: headers beside the status,
/// body, trailers. `None` breaks the connection.
pub(crate) type Answer =
    Option<(&'static [(&'static str, &'static str)], &'static str, &'static [(&'static str, &'static str)])>;

pub(crate) fn answer(number: u32) -> Answer {
    match number % 3 {
        1 => Some((&[("x-of", "service"), ("vary", "a")], "answer", &[("x-tail", "1"), ("x-repeated", "2")])),
        2 => Some((&[("x-of", "service"), ("set-cookie", "a"), ("set-cookie", "b")], "", &[])),
        _ => None,
    }
}

/// The trailers that the peers send.
pub(crate) const TRAILERS: &[(&str, &str)] = &[("x-tail", "1"), ("x-repeated", "1"), ("x-repeated", "2")];
/// The headers that the client sends beside the program, and those of the response.
pub(crate) const REQUEST: &[(&str, &str)] = &[("x-repeated", "1"), ("x-repeated", "2"), ("user-agent", "test")];
pub(crate) const RESPONSE: &[(&str, &str)] = &[("via", "r"), ("set-cookie", "a"), ("set-cookie", "b")];

/// The cookies of a client that sends some.
pub(crate) const COOKIES: &[(&str, &str)] = &[("cookie", "a=1; b=2")];

/// The next move of the peer that sends a message.
fn next(message: &Message, made: usize) -> Option<Act> {
    match made {
        0 => Some(Act::Head),
        _ if made >= message.moves() => None,
        _ => Some(message.parts.get(made - 1).map_or(Act::End { trailers: message.trailers }, |part| Act::Part(part))),
    }
}

/// The state of both directions, by the module's lines.
#[derive(Default)]
struct Flow {
    /// `true` for a direction whose last callback ended the message.
    ends: [bool; 2],
    /// `true` for a direction whose whole message went on.
    complete: [bool; 2],
    answers: bool,
    replied: bool,
    /// `true` if the reply took the place of a response that the filter had seen.
    replaced: bool,
}

impl Flow {
    fn read(&mut self, line: &str) {
        let mut words = line.split(' ');
        let letter = words.nth(1).and_then(|name| name.chars().next());
        let way = match letter {
            Some('q' | 'b' | 'u') => Some(0),
            Some('h' | 'c' | 't') => Some(1),
            _ => None,
        };
        self.answers |= letter == Some('h');
        if let Some(way) = way {
            self.ends[way] = words.nth(2) == Some("true:");
            self.complete[way] |= self.ends[way] && line.ends_with(" goes");
        }
        if line.contains(" replies") {
            self.replied = true;
            self.replaced |= self.answers;
        }
        for (way, word) in [" resumes-request", " resumes-response"].iter().enumerate() {
            self.complete[way] |= self.ends[way] && line.contains(word);
        }
    }
}

pub(crate) fn play(host: &RunningHost, number: u32, program: &Program) -> Played {
    let stream = host.http_stream();
    host.clear_log();
    let mut player = Player {
        host,
        stream: &stream,
        program,
        number,
        flow: Flow::default(),
        sent: [0, 0],
        lines: Vec::new(),
        unsent: false,
    };
    let mut todo = program.moves.clone();
    let mut moves: Vec<(Made, Mark)> = Vec::new();
    let mut leaves = false;
    while !player.is_over() && !leaves {
        let Some((at, made)) = todo.iter().enumerate().find_map(|(at, next)| Some((at, player.make(*next)?))) else {
            break;
        };
        todo.remove(at);
        leaves = matches!(made, Made::ClientLeaves | Made::UpstreamLeaves);
        player.read_log();
        player.look_at_the_request(moves.last().map(|(_, mark)| mark));
        moves.push((made, player.mark()));
    }
    let (lines, peers, mark) = (player.lines.clone(), player.peers(), player.mark());
    let (id, reset) = (stream.id(), mark.reset);
    let length = stream.response_header("content-length").and_then(|length| length.parse::<usize>().ok());
    let misleads = length.is_some_and(|length| length != stream.sent_response_body().len());
    stream.complete();
    let upstream_left = matches!(moves.last(), Some((Made::UpstreamLeaves, _)));
    if leaves && !upstream_left {
        // The data that still comes for a stream that is gone.
        let late = |next: &Move| match next {
            Move::Answer(number) => answer_call(host, id, *number),
            Move::Tick => Some(tick(host)),
            _ => None,
        };
        moves.extend(todo.iter().filter_map(late).map(|made| (made, mark.clone())));
    }
    Played { moves, lines, peers, harm: host.harm(), upstream_left, reset, misleads }
}

/// Answers the call of a number, if the stream has made it.
fn answer_call(host: &RunningHost, stream: u32, number: u32) -> Option<Made> {
    let path = format!("/{number}");
    let is_it = |headers: &Map| headers.get(b":path") == Some(path.as_bytes());
    // Those of other streams are another program's.
    let mine = host.pending_calls().into_iter().filter(|call| call.context == stream);
    let call = mine.into_iter().find(|call| is_it(&call.headers))?;
    match answer(number) {
        Some((headers, body, trailers)) => {
            let framing = if body.is_empty() { ("content-length", "0") } else { ("transfer-encoding", "chunked") };
            let own = [(":status", "200")];
            let headers = [&own, headers, &[framing, ("x-envoy-upstream-service-time", "0")]].concat();
            host.answer_call(call.token, &headers, body, trailers);
        }
        None => host.fail_call(call.token),
    }
    Some(Made::Answer(number))
}

fn tick(host: &RunningHost) -> Made {
    let asks = host.http_stream();
    asks.request_headers(&[(":authority", "host"), (":path", "/"), (":method", "GET"), ("x-tick", "1")]);
    asks.complete();
    host.tick();
    Made::Tick
}

struct Player<'a> {
    host: &'a RunningHost,
    stream: &'a HttpStream<'a>,
    program: &'a Program,
    number: u32,
    flow: Flow,
    /// The number of moves that the client and the upstream have made.
    sent: [usize; 2],
    lines: Vec<String>,
    /// `true` if the request was let go on and got a reply at once, before the proxy had a
    /// connection to send it on.
    unsent: bool,
}

impl Player<'_> {
    /// Returns whether nothing more comes of the stream.
    fn is_over(&self) -> bool {
        self.flow.complete[1] || self.flow.replaced || self.stream.was_reset()
    }

    /// Makes a move, if the peer can.
    fn make(&mut self, next_move: Move) -> Option<Made> {
        let (program, stream) = (self.program, self.stream);
        match next_move {
            Move::Client => {
                let act = next(&program.request, self.sent[0]).filter(|_| !self.flow.replied)?;
                self.sent[0] += 1;
                match act {
                    Act::Head => self.request_headers(),
                    Act::Part(part) => drop(stream.request_body(part, false)),
                    Act::End { trailers: true } => drop(stream.request_trailers(TRAILERS)),
                    Act::End { trailers: false } => drop(stream.request_body("", true)),
                }
                Some(Made::Client(act))
            }
            Move::Upstream => {
                let act = next(&program.response, self.sent[1])
                    .filter(|_| !self.flow.replied && stream.reached_upstream())?;
                // A response that ends before its request makes the proxy give up the request.
                let ends = matches!(act, Act::End { .. }) || !program.response.has_body();
                if ends && !self.flow.complete[0] {
                    return None;
                }
                self.sent[1] += 1;
                match act {
                    Act::Head => self.response_headers(),
                    Act::Part(part) => drop(stream.response_body(part, false)),
                    Act::End { trailers: true } => drop(stream.response_trailers(TRAILERS)),
                    Act::End { trailers: false } => drop(stream.response_body("", true)),
                }
                Some(Made::Upstream(act))
            }
            Move::Answer(number) => answer_call(self.host, stream.id(), number),
            Move::Tick => (self.sent[0] > 0).then(|| tick(self.host)),
            Move::ClientLeaves => (self.sent[0] > 0).then_some(Made::ClientLeaves),
            Move::UpstreamLeaves => {
                (stream.reached_upstream() && !self.unsent && !self.flow.replied).then_some(Made::UpstreamLeaves)
            }
        }
    }

    fn request_headers(&self) {
        let text = self.program.text(self.number);
        let mut headers = vec![(":authority", "host"), (":path", "/"), (":method", "GET"), (":scheme", "http")];
        headers.push(("x-program", &text));
        headers.extend(REQUEST);
        let cookies = if self.program.cookies { COOKIES } else { &[] };
        // HTTP/2 cuts cookies, and Envoy puts them together behind all other headers.
        let (first, last) = if self.program.http2 { (&[][..], cookies) } else { (cookies, &[][..]) };
        headers.extend(first);
        headers.push(("x-forwarded-proto", "http"));
        headers.extend(last);
        if self.program.request.has_body() {
            self.stream.request_headers_with_body(&headers);
        } else {
            self.stream.request_headers(&headers);
        }
    }

    fn response_headers(&self) {
        let mut headers = vec![(":status", "200")];
        headers.extend(RESPONSE);
        if self.program.response.has_body() {
            headers.push(("transfer-encoding", "chunked"));
            self.stream.response_headers(&headers);
        } else {
            headers.push(("content-length", "0"));
            self.stream.response_headers_only(&headers);
        }
    }

    fn read_log(&mut self) {
        let prefix = format!("{} ", self.number);
        let answers = self.flow.answers;
        for line in self.host.log().into_iter().filter(|line| line.text.starts_with(&prefix)).skip(self.lines.len()) {
            self.flow.read(&line.text);
            self.lines.push(line.text);
        }
        if !self.flow.replied && self.stream.reply().is_some() {
            // The proxy's own, because a body is over its limit.
            self.flow.replied = true;
            self.flow.replaced |= answers;
        }
    }

    /// Data goes to the upstream once there is a connection, which is after everything that comes
    /// of one move.
    fn look_at_the_request(&mut self, before: Option<&Mark>) {
        let is_new = self.stream.reached_upstream() && !before.is_some_and(|mark| mark.upstream.head);
        self.unsent |= is_new && (self.flow.replied || self.stream.was_reset());
    }

    fn mark(&self) -> Mark {
        let stream = self.stream;
        let reached = [stream.reached_upstream() && !self.unsent, stream.reached_client()];
        let sent = [stream.sent_request_body().len(), stream.sent_response_body().len()];
        let ended = [self.flow.complete[0], self.flow.complete[1] || self.flow.replaced && !stream.was_reset()];
        let of = |way: usize| Progress {
            head: reached[way],
            body: if reached[way] { sent[way] } else { 0 },
            ended: reached[way] && ended[way],
        };
        Mark { lines: self.lines.len(), upstream: of(0), client: of(1), reset: stream.was_reset() }
    }

    fn peers(&self) -> [Vec<String>; 2] {
        let (stream, mark) = (self.stream, self.mark());
        let trailers = |progress: Progress, map: Map| if progress.ended { map } else { Map::default() };
        let mut peers = [Vec::new(), Vec::new()];
        if mark.upstream.head {
            peers[0] = simulated::head("upstream", &stream.request_map());
            let trailers = trailers(mark.upstream, stream.request_trailer_map());
            peers[0].push(simulated::body("upstream", &stream.sent_request_body(), &trailers));
        }
        if mark.client.head {
            peers[1] = simulated::head("client", &stream.response_map());
            let trailers = trailers(mark.client, stream.response_trailer_map());
            peers[1].push(simulated::body("client", &stream.sent_response_body(), &trailers));
        }
        peers
    }
}
