//! Traces of the allocator alone: pairs, batches, churn, growing buffers.

use crate::block::{Block, Heap};
use crate::random::Random;

/// Allocates and frees one block at a time, of eight sizes up to 176 bytes.
pub fn pair(heap: impl Heap, count: u32) {
    for turn in 0..count as usize {
        let mut block = Block::new(heap, 8 + (turn & 7) * 24);
        block.free(heap);
    }
}

/// Allocates batches of 64 blocks of 48 bytes, and frees them in reverse order or in their own.
pub fn batch(heap: impl Heap, count: u32, fifo: bool) {
    let mut blocks = [Block::NONE; 64];
    for _ in 0..count {
        for block in &mut blocks {
            *block = Block::new(heap, 48);
        }
        if fifo {
            blocks.iter_mut().for_each(|block| block.free(heap));
        } else {
            blocks.iter_mut().rev().for_each(|block| block.free(heap));
        }
    }
}

const LIVE: usize = 10_000;

/// Blocks that are replaced one by one.
#[derive(Debug)]
pub struct Churn {
    blocks: [Block; LIVE],
    random: Random,
}

impl Churn {
    /// Makes a churn without blocks.
    #[must_use]
    pub const fn new() -> Self {
        Self { blocks: [Block::NONE; LIVE], random: Random::new() }
    }

    /// Replaces one of `live` blocks of 8–1,000 bytes, at random.
    pub fn run(&mut self, heap: impl Heap, live: usize, count: u32) {
        for _ in 0..count {
            let at = self.random.below(live);
            let size = self.random.within(8, 1000);
            self.blocks[at].free(heap);
            self.blocks[at] = Block::new(heap, size);
        }
    }

    /// Replaces one of `live` blocks of 8 bytes to 64 KiB, at random, with each doubling as likely
    /// as another.
    pub fn mixed(&mut self, heap: impl Heap, live: usize, count: u32) {
        for _ in 0..count {
            let at = self.random.below(live);
            let size = self.random.doubling(3, 16);
            self.blocks[at].free(heap);
            self.blocks[at] = Block::new(heap, size);
        }
    }

    /// Grows one of `live` buffers by half, at random. A buffer that has passed its limit of 256
    /// bytes to 256 KiB starts anew.
    pub fn growing(&mut self, heap: impl Heap, live: usize, count: u32) {
        for _ in 0..count {
            let buffer = &mut self.blocks[self.random.below(live)];
            let size = buffer.size();
            if size == 0 {
                *buffer = Block::new(heap, 64);
            } else if size > self.random.doubling(8, 18) {
                buffer.free(heap);
            } else {
                buffer.grow(heap, size + size / 2);
            }
        }
    }

    /// Frees every block.
    pub fn drain(&mut self, heap: impl Heap) {
        self.blocks.iter_mut().for_each(|block| block.free(heap));
    }
}

impl Default for Churn {
    fn default() -> Self {
        Self::new()
    }
}
