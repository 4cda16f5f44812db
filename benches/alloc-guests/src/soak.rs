//! The soaks: four loads that break allocators. Their result is the number of pages.

use crate::{Kept, Tested};
use sluicegate_alloc::region::{self, Region};
use sluicegate_traces::block::Block;
use sluicegate_traces::random::Random;

/// The largest number of open contexts.
const MOST: usize = 2048;
/// The number of entries of the plugin's cache, which requests fill.
const KEYS: usize = 4096;

struct Open {
    region: Option<Region>,
    context: Block,
    headers: Block,
    body: Block,
    target: usize,
}

const CLOSED: Open = Open { region: None, context: Block::NONE, headers: Block::NONE, body: Block::NONE, target: 0 };

struct Soak {
    open: [Open; MOST],
    cache: [Block; KEYS],
    /// `true` if the plugin makes its entries outside of the region of the request that they come
    /// from.
    outside: bool,
    random: Random,
}

static SOAK: Kept<Soak> = Kept::new(Soak {
    open: [const { CLOSED }; MOST],
    cache: [Block::NONE; KEYS],
    outside: false,
    random: Random::new(),
});

/// Plays `open` interleaved contexts, each in a region of its own, with bodies of 64 B to 2^`log`
/// that arrive in pieces of 16 KiB. One request in eight leaves an entry of 32–1,000 B in a cache
/// of 4,096.
#[unsafe(no_mangle)]
extern "C" fn contexts(open: u32, log: u32, count: u32) {
    SOAK.with(|Soak { open: contexts, cache, outside, random }| {
        let mut ended = 0;
        while ended < count {
            let context = &mut contexts[random.below(open as usize)];
            let region = context.region.take().unwrap_or_default();
            if region.within(|| context.step(cache, *outside, random, log)) {
                ended += 1;
            } else {
                context.region = Some(region);
            }
        }
    });
}

/// Sets whether the entries of the plugin's cache are made outside of regions (1), as the crate
/// advises, or in those of their requests (0).
#[unsafe(no_mangle)]
extern "C" fn cache_outside(outside: u32) {
    SOAK.with(|soak| soak.outside = outside == 1);
}

/// Ends the contexts from `from` on.
#[unsafe(no_mangle)]
extern "C" fn contexts_drain(from: u32) {
    SOAK.with(|soak| soak.open[from as usize..].iter_mut().for_each(Open::end));
}

/// Begins the same sequence of contexts again. Open contexts stay open. Live bytes soon reach their
/// maximum, so another page belongs to the allocator.
#[unsafe(no_mangle)]
extern "C" fn contexts_rewind() {
    SOAK.with(|soak| soak.random = Random::new());
}

/// Loses a block, which a soak must notice.
#[unsafe(no_mangle)]
extern "C" fn lose(bytes: u32) {
    let _lost = Block::new(Tested, bytes as usize);
}

/// Drops the plugin's cache.
#[unsafe(no_mangle)]
extern "C" fn cache_drain() {
    SOAK.with(|soak| soak.cache.iter_mut().for_each(|block| block.free(Tested)));
}

impl Open {
    /// Runs the next callback of a context. Returns `true` if it was the last.
    fn step(&mut self, cache: &mut [Block; KEYS], outside: bool, random: &mut Random, log: u32) -> bool {
        if self.target == 0 {
            self.context = Block::new(Tested, 192);
            self.headers = Block::new(Tested, random.within(800, 3000));
            self.target = random.doubling(6, log);
            if random.percent(12) {
                let entry = &mut cache[random.below(KEYS)];
                entry.free(Tested);
                let size = random.within(32, 1000);
                let make = || Block::new(Tested, size);
                *entry = if outside { region::outside(make) } else { make() };
            }
        } else if self.body.size() < self.target {
            let size = self.target.min(self.body.size() + 16 * 1024);
            if self.body.size() == 0 {
                self.body = Block::new(Tested, size);
            } else {
                self.body.grow(Tested, size);
            }
        } else {
            self.end();
            return true;
        }
        false
    }

    fn end(&mut self) {
        self.body.free(Tested);
        self.headers.free(Tested);
        self.context.free(Tested);
        *self = CLOSED;
    }
}

/// Plays one context: buffers of i pages less 16 bytes, each allocated before the previous one is
/// freed, and then sizes of about a page beside a retained block.
#[unsafe(no_mangle)]
extern "C" fn ratchet(steps: u32) {
    Region::new().within(|| {
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
    });
}

/// Plays `count` buffers at once, each in a region of its own. Each grows by 16 KiB to between 64
/// KiB and 1 MiB, and then begins again.
#[unsafe(no_mangle)]
extern "C" fn growing(count: u32, restarts: u32) {
    SOAK.with(|Soak { open, random, .. }| {
        let mut done = 0;
        while done < restarts {
            let buffer = &mut open[random.below(count as usize)];
            let mut region = buffer.region.take().unwrap_or_default();
            if buffer.body.size() >= buffer.target {
                region.within(|| buffer.end());
                region = Region::new();
                buffer.target = random.doubling(16, 20);
                region.within(|| buffer.body = Block::new(Tested, 16 * 1024));
                done += 1;
            } else {
                let longer = buffer.body.size() + 16 * 1024;
                region.within(|| buffer.body.grow(Tested, longer));
            }
            buffer.region = Some(region);
        }
    });
}
