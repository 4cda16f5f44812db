//! Random programs: what the callbacks do, and what the peers do meanwhile. They are drawn from a
//! seed, and made smaller.

use std::fmt;

/// The intended differences: the beginning of a step, and the reason.
const ON_PURPOSE: &str = include_str!("../on_purpose.txt");

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
    "x-tail",
];
const VALUES: &[&str] = &["", "1", "two", "a,b", "x=y", "0123456789012345678901234567890123456789"];
const PARTS: &[&str] = &["x", "one", "two and more", "0123456789abcdef", "0123456789012345678901234567890123456789"];
/// A part of which several pass the limit over HTTP/2. It comes in one frame of HTTP/2.
const LARGE: &str = match str::from_utf8(&[b'x'; 12_000]) {
    Ok(part) => part,
    Err(_) => "",
};
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
/// The callbacks, as often as steps are drawn for them.
const CALLBACKS: &[&str] = &[
    "q1", "q1", "q1", "h1", "h1", "h1", "b1", "b1", "b2", "b3", "c1", "c1", "c2", "c3", "u1", "u1", "t1", "t1", "a1",
    "a1", "a2", "a3", "k1", "k1", "k2",
];

/// xorshift64*: the same programs for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap_or_default() % end
    }

    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }
}

/// A request or a response.
#[derive(Clone, Default)]
pub(crate) struct Message {
    pub(crate) parts: Vec<&'static str>,
    pub(crate) trailers: bool,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter().map(|part| if *part == LARGE { "(large)" } else { part });
        f.debug_struct("Message").field("parts", &parts.collect::<Vec<_>>()).field("trailers", &self.trailers).finish()
    }
}

impl Message {
    /// Puts large parts among the others, so that the body of a message is about the limit over
    /// HTTP/2. Returns their number.
    fn enlarge(&mut self, random: &mut Random) -> usize {
        if self.parts.is_empty() || random.once_in(4) {
            return 0;
        }
        let number = 4 + random.below(3);
        for _ in 0..number {
            let at = random.below(self.parts.len() + 1);
            self.parts.insert(at, LARGE);
        }
        number
    }

    fn random(random: &mut Random) -> Self {
        if random.once_in(3) {
            return Self::default();
        }
        let parts = (0..random.below(4)).map(|_| random.of(PARTS)).collect();
        Self { parts, trailers: random.once_in(2) }
    }

    /// Returns whether something follows the headers.
    pub(crate) fn has_body(&self) -> bool {
        !self.parts.is_empty() || self.trailers
    }

    /// Returns the number of moves of the peer that sends it.
    pub(crate) fn moves(&self) -> usize {
        1 + if self.has_body() { self.parts.len() + 1 } else { 0 }
    }
}

/// Returns the next move of a peer, if it has one.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Move {
    /// The client sends what follows of the request.
    Client,
    /// The upstream sends what follows of the response.
    Upstream,
    /// The service answers the call of this number.
    Answer(u32),
    /// The plugin ticks.
    Tick,
    /// The client goes away. Answers and ticks may still come.
    ClientLeaves,
    /// The upstream goes away, and nothing comes any more.
    UpstreamLeaves,
}

/// The bytes of a body that the proxy keeps.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Limit {
    /// 1 MiB.
    Usual,
    /// Less than two of the longest parts: the limit of a connection.
    Connection,
    /// The window of a stream over HTTP/2, which is several large parts.
    Window,
}

impl Limit {
    pub(crate) const ALL: [Self; 3] = [Self::Usual, Self::Connection, Self::Window];

    /// Returns the bytes of a low limit.
    pub(crate) const fn bytes(self) -> Option<usize> {
        match self {
            Self::Usual => None,
            Self::Connection => Some(64),
            Self::Window => Some(65_535),
        }
    }
}

/// A request, its response, and what the filter does with them.
#[derive(Clone)]
pub(crate) struct Program {
    /// A callback's name, and a step.
    steps: Vec<(String, String)>,
    pub(crate) request: Message,
    pub(crate) response: Message,
    /// The order in which the peers move: the first that can moves.
    pub(crate) moves: Vec<Move>,
    /// `true` if the filter gets the request over HTTP/2.
    pub(crate) http2: bool,
    /// `true` if the proxy keeps little of a body.
    pub(crate) limited: bool,
    /// `true` if the filter sees bodies when they are complete.
    pub(crate) whole: bool,
    /// The client sends cookies if this is set.
    pub(crate) cookies: bool,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {}", self.text(0))?;
        writeln!(f, "{}", self.rest())
    }
}

impl Program {
    pub(crate) fn random(random: &mut Random) -> Self {
        let mut calls = 0;
        let mut steps = Vec::new();
        for _ in 0..1 + random.below(16) {
            step(random, &mut steps, &mut calls);
        }
        steps.retain(|(callback, step)| !differs_on_purpose(callback, step));
        let (mut request, mut response) = (Message::random(random), Message::random(random));
        let mut moves = vec![Move::Client; request.moves()];
        moves.extend(vec![Move::Upstream; response.moves()]);
        moves.extend((1..=calls).map(Move::Answer));
        moves.extend(vec![Move::Tick; random.below(3)]);
        if moves.last() != Some(&Move::Tick) && steps.iter().any(|(callback, _)| callback == "k1") {
            moves.push(Move::Tick);
        }
        if random.once_in(5) {
            moves.push(if random.once_in(2) { Move::ClientLeaves } else { Move::UpstreamLeaves });
        }
        for at in (1..moves.len()).rev() {
            moves.swap(at, random.below(at + 1));
        }
        let (http2, limited, whole) = (random.once_in(4), random.once_in(3), random.once_in(3));
        let cookies = random.once_in(3);
        if limited {
            steps.retain(|(callback, step)| !is_beyond_limits(callback, step));
        }
        if limited && http2 {
            // Their lines would be as long as the bodies.
            steps.retain(|(_, step)| step != "body");
            for (message, of) in [(&mut request, Move::Client), (&mut response, Move::Upstream)] {
                for _ in 0..message.enlarge(random) {
                    moves.insert(random.below(moves.len() + 1), of);
                }
            }
        }
        Self { steps, request, response, moves, http2, limited, whole, cookies }
    }

    /// Returns the limit of the listener.
    pub(crate) fn limit(&self) -> Limit {
        match (self.limited, self.http2) {
            (false, _) => Limit::Usual,
            (true, false) => Limit::Connection,
            (true, true) => Limit::Window,
        }
    }

    /// Returns the text of the request's header.
    pub(crate) fn text(&self, number: u32) -> String {
        let mut callbacks: Vec<&str> = Vec::new();
        for (callback, _) in &self.steps {
            if !callbacks.contains(&callback.as_str()) {
                callbacks.push(callback);
            }
        }
        let parts = callbacks.into_iter().map(|callback| {
            let steps = self.steps.iter().filter(|(of, _)| of == callback);
            let steps: Vec<_> = steps.map(|(_, step)| step.as_str()).collect();
            format!("|{callback}:{}", steps.join(";"))
        });
        format!("{number}{}", parts.collect::<String>())
    }

    /// Returns the programs that are smaller by one thing, the greatest things first.
    pub(crate) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        let messages: [fn(&mut Self) -> &mut Message; 2] =
            [|program| &mut program.request, |program| &mut program.response];
        for which in messages {
            let mut without_body = self.clone();
            *which(&mut without_body) = Message::default();
            let mut without_trailers = self.clone();
            which(&mut without_trailers).trailers = false;
            let mut fewer_parts = self.clone();
            which(&mut fewer_parts).parts.pop();
            smaller.extend([without_body, without_trailers, fewer_parts]);
        }
        smaller.extend([
            Self { http2: false, ..self.clone() },
            Self { limited: false, ..self.clone() },
            Self { whole: false, ..self.clone() },
            Self { cookies: false, ..self.clone() },
        ]);
        for (at, of) in self.moves.iter().enumerate() {
            if !matches!(of, Move::Client | Move::Upstream) {
                let mut without = self.clone();
                without.moves.remove(at);
                smaller.push(without);
            }
        }
        for at in 0..self.steps.len() {
            let mut without = self.clone();
            without.steps.remove(at);
            smaller.push(without);
        }
        let mut ordered = self.clone();
        ordered.moves.sort_unstable();
        smaller.push(ordered);
        for at in 1..self.moves.len() {
            if self.moves[at - 1] > self.moves[at] {
                let mut swapped = self.clone();
                swapped.moves.swap(at - 1, at);
                smaller.push(swapped);
            }
        }
        smaller
            .into_iter()
            .map(Self::fitted)
            .filter(|smaller| smaller.text(0) != self.text(0) || smaller.rest() != self.rest())
            .collect()
    }

    fn rest(&self) -> String {
        let Self { request, response, moves, http2, limited, whole, cookies, .. } = self;
        let how = format!("http2 {http2} limited {limited} whole {whole} cookies {cookies}");
        format!("request {request:?}\nresponse {response:?}\nmoves {moves:?}\n{how}")
    }

    /// Returns the program with as many moves as the messages need.
    fn fitted(mut self) -> Self {
        for (of, wanted) in [(Move::Client, self.request.moves()), (Move::Upstream, self.response.moves())] {
            while self.moves.iter().filter(|other| **other == of).count() > wanted {
                let last = self.moves.iter().rposition(|other| *other == of).unwrap_or_default();
                self.moves.remove(last);
            }
        }
        self
    }
}

/// Returns whether the table says that the modules do not do the same with a step.
fn differs_on_purpose(callback: &str, step: &str) -> bool {
    let patterns = ON_PURPOSE.lines().filter_map(|line| line.split_once(" -> "));
    patterns.filter_map(|(pattern, _)| pattern.trim().split_once(':')).any(|(of, pattern)| {
        // A pattern that ends with a separator is of a step whose last word is empty.
        let is_it = if pattern.ends_with('~') { step == pattern } else { step.starts_with(pattern) };
        (of == "*" || callback.starts_with(of)) && is_it
    })
}

/// Returns whether a step may bring the kept data over the proxy's limit in a way that is not
/// simulated. If an edit makes a kept body grow past the limit, Envoy replies within the host call.
/// A body that is past the limit behind held headers is not refused when the filter keeps it.
fn is_beyond_limits(callback: &str, step: &str) -> bool {
    let edits = ["append", "prepend", "replace-"].iter().any(|edit| step.starts_with(edit));
    edits && callback.starts_with(['b', 'c'])
        || callback.starts_with(['q', 'h']) && (step == "pause" || step.starts_with("hold"))
}

/// Draws a step, and what goes with it.
fn step(random: &mut Random, steps: &mut Vec<(String, String)>, calls: &mut u32) {
    let callback = random.of(CALLBACKS);
    let (name, value) = (random.of(NAMES), random.of(VALUES));
    let mut push = |callback: &str, step: String| steps.push((callback.to_owned(), step));
    let of_map = |random: &mut Random| match random.below(6) {
        0 | 1 => format!("add~{name}~{value}"),
        2 => format!("replace~{name}~{value}"),
        3 => format!("remove~{name}"),
        4 => format!("get~{name}"),
        _ => "pairs".to_owned(),
    };
    let of_body = |random: &mut Random| match random.below(6) {
        0 => format!("append~{value}"),
        1 => format!("prepend~{value}"),
        2 => format!("replace-body~{value}"),
        3 => format!("replace-start~{}~{value}", random.below(8)),
        4 => format!("part~{}~{}", random.below(5), random.below(9)),
        _ => "body".to_owned(),
    };
    let way = if ["q", "b", "u"].iter().any(|letter| callback.starts_with(letter)) { "request" } else { "response" };
    let is_between = callback.starts_with(['a', 'k']);
    match random.below(14) {
        0 => push(callback, format!("property~{}", random.of(PROPERTIES))),
        1 => push(callback, format!("set-property~mine~{value}")),
        2 if random.once_in(3) => push(callback, format!("reply~{}~{value}", random.of(&["200", "403", "503"]))),
        3 if !callback.starts_with('k') && *calls < 3 => {
            *calls += 1;
            push(callback, format!("{}~{calls}", random.of(&["call", "hold", "hold"])));
        }
        4 | 5 if !is_between => {
            push(callback, "pause".to_owned());
            // Most of them go on again.
            match random.below(4) {
                0 | 1 => push(random.of(&["k1", "k2"]), format!("resume~{way}")),
                2 if *calls < 3 => {
                    *calls += 1;
                    push(callback, format!("call~{calls}"));
                    push(&format!("a{calls}"), format!("resume~{way}"));
                }
                _ => {}
            }
        }
        6 if is_between => push(callback, format!("resume~{}", random.of(&["request", "response"]))),
        7 if is_between => push(callback, "pause".to_owned()),
        8..=11 if is_between => {
            let (map, step) = (random.of(&["q", "h", "u", "t", "z"]), of_map(random));
            push(callback, format!("in~{map};{step};in~"));
        }
        _ if callback.starts_with(['b', 'c']) => push(callback, of_body(random)),
        _ if random.once_in(5) => push(callback, "body".to_owned()),
        _ => push(callback, of_map(random)),
    }
}
