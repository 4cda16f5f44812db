//! The allocator alone: pairs, batches, churn, one large buffer.

use crate::Kept;
use crate::block::Block;
use crate::random::Random;

/// Allocates and frees one block at a time, of eight sizes up to 176 bytes.
#[unsafe(no_mangle)]
extern "C" fn pair(count: u32) {
    for turn in 0..count as usize {
        let mut block = Block::new(8 + (turn & 7) * 24);
        block.free();
    }
}

/// Batches of 64 blocks of 48 bytes, freed in reverse order (0) or in their own (1).
#[unsafe(no_mangle)]
extern "C" fn batch(count: u32, fifo: u32) {
    let mut blocks = [Block::NONE; 64];
    for _ in 0..count {
        for block in &mut blocks {
            *block = Block::new(48);
        }
        if fifo == 1 {
            blocks.iter_mut().for_each(Block::free);
        } else {
            blocks.iter_mut().rev().for_each(Block::free);
        }
    }
}

const LIVE: usize = 10_000;

struct Churn {
    blocks: [Block; LIVE],
    random: Random,
}

static CHURN: Kept<Churn> = Kept::new(Churn { blocks: [Block::NONE; LIVE], random: Random::new() });

/// Replaces one of `live` blocks of 8–1,000 bytes, at random.
#[unsafe(no_mangle)]
extern "C" fn churn(live: u32, count: u32) {
    CHURN.with(|churn| {
        for _ in 0..count {
            let at = churn.random.below(live as usize);
            let size = churn.random.within(8, 1000);
            churn.blocks[at].free();
            churn.blocks[at] = Block::new(size);
        }
    });
}

#[unsafe(no_mangle)]
extern "C" fn churn_drain() {
    CHURN.with(|churn| churn.blocks.iter_mut().for_each(Block::free));
}

/// One buffer, and gone.
#[unsafe(no_mangle)]
extern "C" fn big(bytes: u32) {
    Block::new(bytes as usize).free();
}
