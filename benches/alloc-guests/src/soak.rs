//! The soaks: four loads that break allocators. What counts is the pages.

use crate::{Kept, Tested};
use sluicegate_traces::block::Block;
use sluicegate_traces::random::Random;

/// Contexts open at most.
const MOST: usize = 2048;
/// Entries of the plugin-wide cache that requests fill.
const KEYS: usize = 4096;

#[derive(Clone, Copy)]
struct Open {
    context: Block,
    headers: Block,
    body: Block,
    target: usize,
}

const CLOSED: Open = Open { context: Block::NONE, headers: Block::NONE, body: Block::NONE, target: 0 };

struct Soak {
    open: [Open; MOST],
    cache: [Block; KEYS],
    random: Random,
}

static SOAK: Kept<Soak> = Kept::new(Soak { open: [CLOSED; MOST], cache: [Block::NONE; KEYS], random: Random::new() });

/// `open` interleaved contexts with bodies of 64 B to 2^`log` that arrive in pieces of 16 KiB; one request in eight leaves an entry
/// of 32–1,000 B in a cache of 4,096.
#[unsafe(no_mangle)]
extern "C" fn contexts(open: u32, log: u32, count: u32) {
    SOAK.with(|Soak { open: contexts, cache, random }| {
        let mut ended = 0;
        while ended < count {
            let context = &mut contexts[random.below(open as usize)];
            if context.target == 0 {
                *context = Open {
                    context: Block::new(Tested, 192),
                    headers: Block::new(Tested, random.within(800, 3000)),
                    body: Block::NONE,
                    target: random.doubling(6, log),
                };
                if random.percent(12) {
                    let entry = &mut cache[random.below(KEYS)];
                    entry.free(Tested);
                    *entry = Block::new(Tested, random.within(32, 1000));
                }
            } else if context.body.size() < context.target {
                let size = context.target.min(context.body.size() + 16 * 1024);
                if context.body.size() == 0 {
                    context.body = Block::new(Tested, size);
                } else {
                    context.body.grow(Tested, size);
                }
            } else {
                context.end();
                ended += 1;
            }
        }
    });
}

/// Ends the contexts from `from` on.
#[unsafe(no_mangle)]
extern "C" fn contexts_drain(from: u32) {
    SOAK.with(|soak| soak.open[from as usize..].iter_mut().for_each(Open::end));
}

/// Begins the same sequence of contexts anew; what is open stays open. Live bytes soon rise no higher, so a page more is the allocator's.
#[unsafe(no_mangle)]
extern "C" fn contexts_rewind() {
    SOAK.with(|soak| soak.random = Random::new());
}

/// Loses a block: what a soak must notice.
#[unsafe(no_mangle)]
extern "C" fn lose(bytes: u32) {
    let _lost = Block::new(Tested, bytes as usize);
}

/// Drops the plugin-wide cache.
#[unsafe(no_mangle)]
extern "C" fn cache_drain() {
    SOAK.with(|soak| soak.cache.iter_mut().for_each(|block| block.free(Tested)));
}

impl Open {
    fn end(&mut self) {
        self.body.free(Tested);
        self.headers.free(Tested);
        self.context.free(Tested);
        *self = CLOSED;
    }
}

/// Buffers of i pages less 16 bytes, each allocated before the previous is freed; then sizes about a page beside a pinned block.
#[unsafe(no_mangle)]
extern "C" fn ratchet(steps: u32) {
    let mut last = Block::NONE;
    for step in 1..=steps as usize {
        let mut next = Block::new(Tested, step * 65_536 - 16);
        core::mem::swap(&mut last, &mut next);
        next.free(Tested);
    }
    last.free(Tested);
    let mut pin = Block::new(Tested, 64);
    for _ in 0..20 {
        for size in 65_504..=65_552 {
            Block::new(Tested, size).free(Tested);
        }
    }
    pin.free(Tested);
}

/// `count` buffers at once, grown by 16 KiB to between 64 KiB and 1 MiB, then begun anew.
#[unsafe(no_mangle)]
extern "C" fn growing(count: u32, restarts: u32) {
    SOAK.with(|Soak { open, random, .. }| {
        let mut done = 0;
        while done < restarts {
            let buffer = &mut open[random.below(count as usize)];
            if buffer.body.size() >= buffer.target {
                buffer.end();
                buffer.target = random.doubling(16, 20);
                buffer.body = Block::new(Tested, 16 * 1024);
                done += 1;
            } else {
                let longer = buffer.body.size() + 16 * 1024;
                buffer.body.grow(Tested, longer);
            }
        }
    });
}
