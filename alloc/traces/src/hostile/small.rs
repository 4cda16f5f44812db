//! Traces of heaps of a few KiB, as most filters have.

use super::Script;
use crate::random::Random;

/// Allocates one block of each size: in steps of 16 bytes up to 128 bytes, and of eight sizes in
/// each doubling above, up to 1 KiB.
pub(super) fn one_of_each(script: &mut Script<'_>) {
    script.measure();
    for size in (16..=128).step_by(16) {
        script.allocate(size);
    }
    for log in 7..10 {
        for eighth in 1..=8 {
            script.allocate((1 << log) + eighth * ((1 << log) / 8));
        }
    }
    script.request();
}

/// Replaces live blocks of 16 bytes and more at random.
pub(super) fn live(script: &mut Script<'_>, blocks: usize, most: usize) {
    let mut random = Random::new();
    let mut kept: Vec<usize> = (0..blocks).map(|_| script.allocate(random.within(16, most))).collect();
    script.measure();
    for _ in 0..20_000 {
        let block = &mut kept[random.below(blocks)];
        script.free(*block);
        *block = script.allocate(random.within(16, most));
        script.request();
    }
}
