//! Traces of heaps that are full except for blocks of the wrong sizes.

use super::{Cap, Script};
use crate::random::Random;

/// Allocates blocks of one size, `bytes` in all, of which one in each 8 KiB stays. Then memory is
/// capped at its size, and the rest of it is filled.
fn fill(script: &mut Script<'_>, bytes: usize, size: usize, sizes_after: &[usize]) {
    let blocks: Vec<usize> = (0..bytes / size).map(|_| script.allocate(size)).collect();
    let every = 8192 / size;
    for (number, block) in blocks.into_iter().enumerate() {
        if number % every != every / 2 {
            script.free(block);
        }
    }
    for &size in sizes_after {
        let block = script.allocate(size);
        script.free(block);
    }
    script.cap(Cap::Beyond(0));
    for size in [40_000, 20_000, 5_000, 2_000] {
        let mut most = 4_000;
        while most > 0 {
            let block = script.allocate(size);
            most = if script.lives(block) { most - 1 } else { 0 };
        }
    }
}

/// Allocates blocks of eight classes in turn, eight of each class and then one.
pub(super) fn classes_in_turn(script: &mut Script<'_>, lifted: bool) {
    fill(script, 8 << 20, 16, &[300]);
    if lifted {
        script.cap(Cap::Lifted);
    }
    script.measure();
    for _ in 0..10 {
        for size in (300..620).step_by(40) {
            let blocks = [0; 8].map(|_| script.allocate(size));
            blocks.into_iter().for_each(|block| script.free(block));
            script.request();
        }
        for size in (300..620).step_by(40) {
            let block = script.allocate(size);
            script.free(block);
            script.request();
        }
    }
}

/// Allocates blocks in a region that may not grow, beside regions that open and close.
pub(super) fn region_at_its_cap(script: &mut Script<'_>, mebibytes: usize) {
    let mut random = Random::new();
    script.within(0, |script| {
        let first = script.allocate(48);
        script.free(first);
    });
    fill(script, mebibytes << 20, 48, &[]);
    script.measure();
    for _ in 0..50 {
        let blocks = {
            let mut blocks = Vec::new();
            script.within(0, |script| blocks.extend([0; 20].map(|_| script.allocate(48))));
            blocks
        };
        script.request();
        for region in 1..5 {
            let mut kept = 0;
            script.within(region, |script| kept = script.allocate(random.within(16, 120)));
            script.within(region, |script| script.free(kept));
            script.close(region);
            script.request();
        }
        blocks.into_iter().step_by(2).for_each(|block| script.free(block));
    }
}
