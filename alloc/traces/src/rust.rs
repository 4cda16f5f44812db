//! A trace of ordinary Rust code: a filter that decodes headers into owned strings, keeps a map,
//! formats a line and collects a body.

use core::fmt::Write;
use std::collections::HashMap;

use crate::random::Random;
use sluicegate_alloc::region::Region;

#[derive(Debug)]
struct Stream {
    headers: Vec<(String, String)>,
    seen: HashMap<String, Vec<u8>>,
    body: Vec<u8>,
    line: String,
    stage: u8,
}

/// The open streams.
#[derive(Debug)]
pub struct Trace {
    streams: Vec<(Region, Option<Box<Stream>>)>,
    random: Random,
    sum: usize,
}

impl Trace {
    /// Makes a trace without open streams.
    #[must_use]
    pub const fn new() -> Self {
        Self { streams: Vec::new(), random: Random::new(), sum: 0 }
    }

    /// Runs until `count` more streams have ended, with `open` at once. The result depends on
    /// everything that the streams did.
    pub fn run(&mut self, open: usize, count: u32) -> usize {
        self.streams.resize_with(open, || (Region::new(), None));
        let mut ended = 0;
        while ended < count {
            let at = self.random.below(open);
            let (region, stream) = &mut self.streams[at];
            if region.within(|| step(stream, &mut self.random, &mut self.sum)) {
                *region = Region::new();
                ended += 1;
            }
        }
        self.sum
    }

    /// Ends every open stream.
    pub fn drain(&mut self) {
        self.streams = Vec::new();
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns bytes like those of a host's headers: 12–24 lines of `name: value`.
fn wire(random: &mut Random) -> Vec<u8> {
    let lines = random.within(12, 24);
    let mut bytes = Vec::with_capacity(lines * 80);
    for line in 0..lines {
        bytes.extend_from_slice(b"x-header-");
        bytes.push(b'a' + line as u8);
        bytes.push(b':');
        let length = random.within(8, 56);
        bytes.resize(bytes.len() + length, b'v');
        bytes.push(b'\n');
    }
    bytes
}

fn decode(wire: &[u8]) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for line in wire.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let line = String::from_utf8_lossy(line);
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    headers
}

/// Runs the next callback of a stream. Returns whether it was the last.
fn step(slot: &mut Option<Box<Stream>>, random: &mut Random, sum: &mut usize) -> bool {
    let Some(stream) = slot else {
        *slot = Some(Box::new(Stream {
            headers: decode(&wire(random)),
            seen: HashMap::new(),
            body: Vec::new(),
            line: String::new(),
            stage: 0,
        }));
        return false;
    };
    stream.stage += 1;
    match stream.stage {
        1 => {
            for (name, value) in stream.headers.iter().step_by(3) {
                stream.seen.insert(format!("{name}-seen"), value.as_bytes().to_vec());
            }
        }
        2 | 3 => {
            let chunk = vec![7; random.within(500, 6000)];
            stream.body.extend_from_slice(&chunk);
            let _ = write!(stream.line, "{} bytes, ", stream.body.len());
        }
        4 => {
            let response = decode(&wire(random));
            for (name, value) in &response {
                if let Some(seen) = stream.seen.get_mut(name.as_str()) {
                    seen.extend_from_slice(value.as_bytes());
                }
            }
            let _ = write!(stream.line, "{} response headers", response.len());
            stream.headers.extend(response.into_iter().take(4));
        }
        _ => {
            *sum += stream.line.len() + stream.body.len() + stream.seen.len() + stream.headers.len();
            *slot = None;
            return true;
        }
    }
    false
}
