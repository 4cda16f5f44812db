//! The request-shaped trace: allocations like those of a filter, with many requests interleaved
//! callback by callback.
//!
//! A request has a context, and a host buffer of 2–4 KiB at its headers. It has 20–60 small blocks
//! of 8–128 bytes over its callbacks, of which 60 % die with the callback. It has a table that
//! grows by realloc, and 1–4 body chunks of 4–64 KiB, of which 70 % die with the callback. It has
//! the response's headers, and a log line that grows.

use crate::block::{Block, Heap};
use crate::random::Random;
use sluicegate_alloc::region::Region;

/// The greatest number of open requests.
const MOST: usize = 1024;
/// The greatest number of small blocks that a request keeps.
const SMALL: usize = 32;

#[derive(Debug)]
struct Request {
    region: Option<Region>,
    /// The number of the next callback: create, headers, each body chunk, response headers, end.
    stage: u8,
    bodies: u8,
    kept: u8,
    context: Block,
    small: [Block; SMALL],
    body: [Block; 4],
    table: Block,
    log: Block,
}

/// The open requests.
#[derive(Debug)]
pub struct Trace {
    requests: [Request; MOST],
    random: Random,
}

const CLOSED: Request = Request {
    region: None,
    stage: 0,
    bodies: 0,
    kept: 0,
    context: Block::NONE,
    small: [Block::NONE; SMALL],
    body: [Block::NONE; 4],
    table: Block::NONE,
    log: Block::NONE,
};

impl Trace {
    /// Makes a trace without open requests.
    #[must_use]
    pub const fn new() -> Self {
        Self { requests: [const { CLOSED }; MOST], random: Random::new() }
    }

    /// Runs until `count` more requests have ended, with `open` at once, 1,024 at most.
    pub fn run(&mut self, heap: impl Heap, open: usize, count: u32) {
        let Self { requests, random } = self;
        let mut ended = 0;
        while ended < count {
            let at = random.below(open);
            let request = &mut requests[at];
            heap.enter(at);
            let region = request.region.take().unwrap_or_default();
            if region.within(|| request.step(heap, random)) {
                heap.end(at);
                ended += 1;
            } else {
                request.region = Some(region);
            }
        }
    }

    /// Begins the same sequence of requests anew. Open requests stay open.
    pub const fn rewind(&mut self) {
        self.random = Random::new();
    }

    /// Ends every open request.
    pub fn drain(&mut self, heap: impl Heap) {
        for request in &mut self.requests {
            request.end(heap);
            request.region = None;
        }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    /// Runs the next callback. Returns whether it was the last.
    fn step(&mut self, heap: impl Heap, random: &mut Random) -> bool {
        let last = 3 + self.bodies;
        match self.stage {
            0 => {
                self.bodies = random.within(1, 4) as u8;
                self.context = Block::new(heap, 192);
                self.table = Block::new(heap, 64);
                self.log = Block::new(heap, 32);
            }
            1 => {
                self.headers(heap, random);
                self.table.grow(heap, self.table.size() * 2);
            }
            stage if stage == last => {
                self.end(heap);
                return true;
            }
            stage if stage == last - 1 => {
                self.headers(heap, random);
                let longer = self.log.size() + random.within(16, 96);
                self.log.grow(heap, longer);
            }
            stage => {
                let size = random.doubling(12, 16);
                let mut chunk = Block::new(heap, size);
                self.smalls(heap, random, 4);
                if random.percent(70) {
                    chunk.free(heap);
                } else {
                    self.body[usize::from(stage - 2)] = chunk;
                }
                if random.percent(50) {
                    self.table.grow(heap, self.table.size() + 64);
                }
            }
        }
        self.stage += 1;
        false
    }

    /// Runs a header callback: allocates the host's buffer, and blocks for the values that are read
    /// from it.
    fn headers(&mut self, heap: impl Heap, random: &mut Random) {
        let mut buffer = Block::new(heap, random.within(2048, 4096));
        self.smalls(heap, random, 14);
        buffer.free(heap);
    }

    /// Allocates between `base` and twice as many small blocks, 40 % of which stay.
    fn smalls(&mut self, heap: impl Heap, random: &mut Random, base: usize) {
        let mut scratch = [Block::NONE; 32];
        let count = random.within(base, base * 2);
        for block in &mut scratch[..count] {
            *block = Block::new(heap, random.within(8, 128));
            if random.percent(40) && usize::from(self.kept) < SMALL {
                self.small[usize::from(self.kept)] = *block;
                self.kept += 1;
                *block = Block::NONE;
            }
        }
        scratch[..count].iter_mut().for_each(|block| block.free(heap));
    }

    fn end(&mut self, heap: impl Heap) {
        self.small[..usize::from(self.kept)].iter_mut().for_each(|block| block.free(heap));
        self.body.iter_mut().for_each(|block| block.free(heap));
        self.table.free(heap);
        self.log.free(heap);
        self.context.free(heap);
        (self.stage, self.kept) = (0, 0);
    }
}
