//! The filter's script: lines of `callback: step; step`. `callback#2: …` is for the second run of
//! the callback. `callback@3: …` and `callback@3#2: …` are for the context with that number alone,
//! and come first.
//!
//! A step is the word for a host call, and its arguments. `return` sets the value that the callback
//! returns. `-` is an empty text, `%0d` is the byte with that number in hexadecimal digits, a dot
//! in a path ends a segment, and pairs are `name=value,name=value`.

use std::fmt::Write as _;
use std::str::{FromStr, SplitWhitespace};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{raw, version};

/// The queue that was registered last. Queues are numbered over all queues of a proxy.
static LAST: AtomicU32 = AtomicU32::new(0);

/// Runs the steps of a callback. Returns the value that it must return, or `None` if the script
/// sets none.
pub(crate) fn run(script: &str, context: u32, callback: &str, run: usize) -> Option<u32> {
    let of = |key: &str| script.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    let steps = of(&format!("{callback}@{context}#{run}"))
        .or_else(|| of(&format!("{callback}@{context}")))
        .or_else(|| of(&format!("{callback}#{run}")))
        .or_else(|| of(callback))?;
    let mut answer = None;
    for step in steps.split(';').map(str::trim) {
        match step.strip_prefix("return ") {
            Some(number) => answer = number.parse().ok(),
            None => raw::log(&format!("  {step} -> {}", perform(step))),
        }
    }
    answer
}

struct Words<'a>(SplitWhitespace<'a>);

impl<'a> Words<'a> {
    fn text(&mut self) -> &'a str {
        Some(self.0.next().unwrap_or_default()).filter(|word| *word != "-").unwrap_or_default()
    }

    fn number<N: FromStr + Default>(&mut self) -> N {
        self.text().parse().unwrap_or_default()
    }

    /// Takes a queue's number. `last` is the queue that was registered last.
    fn queue(&mut self) -> u32 {
        match self.text() {
            "last" => LAST.load(Ordering::Relaxed),
            number => number.parse().unwrap_or_default(),
        }
    }

    fn bytes(&mut self) -> Vec<u8> {
        unescaped(self.text())
    }

    fn path(&mut self) -> Vec<u8> {
        self.text().replace('.', "\0").into_bytes()
    }

    fn pairs(&mut self) -> Vec<u8> {
        let text = self.text();
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<_> = pairs.map(|(name, value)| (unescaped(name), unescaped(value))).collect();
        raw::encode(&pairs)
    }
}

/// Decodes `%` with two hexadecimal digits; any other `%` is itself.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes.extend(rest.as_bytes());
    bytes
}

fn perform(step: &str) -> String {
    let mut words = Words(step.split_whitespace());
    let w = &mut words;
    match w.text() {
        "get" => block(raw::value(w.number(), &w.bytes())),
        "pairs" => pairs(raw::pairs(w.number())),
        "size" => number(raw::map_size(w.number())),
        "add" => raw::add(w.number(), &w.bytes(), &w.bytes()).to_string(),
        "replace" => raw::replace(w.number(), &w.bytes(), &w.bytes()).to_string(),
        "remove" => raw::remove(w.number(), &w.bytes()).to_string(),
        "set" => raw::set_pairs(w.number(), &w.pairs()).to_string(),
        "body" => block(raw::buffer(w.number(), w.number(), w.number())),
        "status-of" => number(raw::buffer_size(w.number())),
        "write" => raw::set_buffer(w.number(), w.number(), w.number(), &w.bytes()).to_string(),
        "property" => block(raw::property(&w.path())),
        "keep" => raw::set_property(&w.path(), &w.bytes()).to_string(),
        "configuration" => block(version::configuration()),
        "reroute" => version::clear_route_cache().to_string(),
        "resume" => version::resume(w.number()).to_string(),
        "close" => version::close(w.number()).to_string(),
        "reply" => raw::reply(w.number(), &w.bytes(), &w.bytes(), &w.pairs(), w.number()).to_string(),
        "call" => number(raw::call(&w.bytes(), &w.pairs(), &w.bytes(), &w.pairs(), w.number())),
        "grpc" => number(raw::grpc(&w.bytes(), &w.bytes(), &w.bytes(), &w.bytes(), w.number())),
        "stream" => number(raw::grpc_stream(&w.bytes(), &w.bytes(), &w.bytes(), &w.pairs())),
        "send" => raw::grpc_send(w.number(), &w.bytes(), w.number()).to_string(),
        "finish" => raw::grpc_close(w.number()).to_string(),
        "cancel" => raw::grpc_cancel(w.number()).to_string(),
        "answer" => {
            let (status, code, text) = raw::status();
            format!("{status} {code} {}", text.escape_ascii())
        }
        "shared" => {
            let (status, value, written) = raw::shared(&w.bytes());
            format!("{status} {} {}", value.escape_ascii(), written)
        }
        "share" => raw::share(&w.bytes(), &w.bytes(), w.number()).to_string(),
        "register" => {
            let (status, queue) = raw::register(&w.bytes());
            LAST.store(queue, Ordering::Relaxed);
            status.to_string()
        }
        "resolve" => number(raw::resolve(&w.bytes(), &w.bytes())),
        "enqueue" => raw::enqueue(w.queue(), &w.bytes()).to_string(),
        "dequeue" => block(raw::dequeue(w.queue())),
        "metric" => number(raw::define(w.number(), &w.bytes())),
        "increment" => raw::increment(w.number(), w.number()).to_string(),
        "record" => raw::record(w.number(), w.number()).to_string(),
        "read" => number(raw::metric(w.number())),
        "effective" => raw::effective(w.number()).to_string(),
        "tick" => raw::tick(w.number()).to_string(),
        "done" => raw::done().to_string(),
        "log" => raw::log_at(w.number(), &w.bytes()).to_string(),
        // Tells only whether the time is more than fifty years after 1970, so that each run logs
        // the same.
        "time" => {
            let (status, time) = raw::time();
            format!("{status} {}", time > 50 * 365 * 86_400 * 1_000_000_000)
        }
        "level" => number(version::level()),
        "trap" => core::arch::wasm32::unreachable(),
        "foreign" => block(raw::foreign(&w.bytes(), &w.bytes())),
        unknown => format!("no step is called {unknown}"),
    }
}

fn number<N: ToString>((status, number): (u32, N)) -> String {
    // If the call failed, the number is not the host's.
    if status == 0 { format!("0 {}", number.to_string()) } else { status.to_string() }
}

fn block((status, block): (u32, Vec<u8>)) -> String {
    if status == 0 { format!("0 {}", block.escape_ascii()) } else { status.to_string() }
}

fn pairs((status, block): (u32, Vec<u8>)) -> String {
    let mut text = status.to_string();
    for (name, value) in raw::decode(&block) {
        // Writing to a string does not fail.
        let _ = write!(text, " {}={}", name.escape_ascii(), value.escape_ascii());
    }
    text
}
