//! Traces of loads that move through the sizes and leave a little of each behind.

use super::Script;
use crate::random::Random;

/// Allocates blocks of this many sizes in turn, `bytes` of each. One block in 8 KiB stays.
pub(super) fn one_of_each_slab(script: &mut Script<'_>, sizes: usize, step: usize, bytes: usize) {
    script.measure();
    for size in (1..=sizes).map(|number| number * step) {
        let blocks: Vec<usize> = (0..bytes / size).map(|_| script.allocate(size)).collect();
        let every = 8192 / size;
        for (number, block) in blocks.into_iter().enumerate() {
            if number % every != every / 2 {
                script.free(block);
            }
        }
    }
}

/// Runs eight phases of 4 MiB of live blocks each, whose sizes rise from 16 B to 1 KiB. Of each
/// phase 2–10 % stay.
pub(super) fn moving_sizes(script: &mut Script<'_>) {
    let mut random = Random::new();
    script.measure();
    for phase in 0..8 {
        let (least, most) = (16 + phase * 126, 16 + (phase + 1) * 126);
        let (mut blocks, mut bytes) = (Vec::new(), 0);
        while bytes < 4 << 20 {
            let size = random.within(least, most);
            bytes += size;
            blocks.push(script.allocate(size));
        }
        let stay = random.within(2, 10);
        for block in blocks {
            if !random.percent(stay) {
                script.free(block);
            }
        }
    }
}
