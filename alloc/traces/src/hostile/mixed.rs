//! Traces of alignments among gaps that nearly fit, and of everything at random.

use super::{Cap, Script};
use crate::random::Random;

/// Leaves 20,000 gaps of 5,000 bytes, and asks for blocks of 4,096 bytes that are aligned to 4,096.
/// Few of the gaps have room for one.
pub(super) fn aligned(script: &mut Script<'_>) {
    let mut random = Random::new();
    let blocks: Vec<usize> =
        (0..40_000).map(|number| script.allocate(if number % 2 == 0 { 5_000 } else { 40 })).collect();
    blocks.into_iter().step_by(2).for_each(|block| script.free(block));
    script.measure();
    for _ in 0..100 {
        script.aligned(4_096, 4_096);
        script.request();
    }
    for _ in 0..400 {
        let align = 1 << random.within(5, 16);
        let block = script.aligned(random.within(16, 8_192), align);
        script.request();
        if random.percent(70) {
            script.free(block);
        }
    }
}

/// Leaves 20,000 gaps of one size at a cap, and asks for blocks that are a little larger. The list
/// of the gaps has none that fits.
pub(super) fn too_small(script: &mut Script<'_>) {
    let blocks: Vec<usize> =
        (0..40_000).map(|number| script.allocate(if number % 2 == 0 { 1_200 } else { 40 })).collect();
    blocks.into_iter().step_by(2).for_each(|block| script.free(block));
    script.cap(Cap::Beyond(0));
    let mut most = 4_000;
    while most > 0 {
        let block = script.allocate(1_216);
        most = if script.lives(block) { most - 1 } else { 0 };
    }
    script.measure();
    for turn in 0..300 {
        let block = script.aligned(1_204 + turn % 60, [8, 8, 64][turn % 3]);
        script.request();
        let small = script.allocate(600);
        script.free(small);
        script.free(block);
        script.request();
    }
}

/// Allocates, resizes and frees blocks of all sizes and alignments in any order, in regions and
/// outside. With `caps`, memory is bounded and unbounded in between, and some sizes are ones that
/// no memory has.
pub(super) fn random(script: &mut Script<'_>, seed: u32, caps: bool) {
    const STEPS: usize = 40_000;
    const REGIONS: usize = 40;
    let mut random = Random::new();
    (0..seed * 1_000).for_each(|_| _ = random.next());
    let mut kept: Vec<usize> = Vec::new();
    // The number of blocks rises to a target and falls to another.
    let mut target = 2_000;
    script.measure();
    for step in 0..STEPS {
        if step % 2_000 == 0 {
            target = random.within(50, 4_000);
            if caps {
                let pages = random.within(0, 40);
                script.cap(if random.percent(70) { Cap::Beyond(pages) } else { Cap::Lifted });
            }
        }
        let region = random.below(REGIONS * 2);
        let fills = kept.len() < target;
        if region < REGIONS {
            script.within(region, |script| operations(script, &mut random, &mut kept, fills, caps));
            if random.percent(10) {
                script.close(region);
            }
        } else {
            operations(script, &mut random, &mut kept, fills, caps);
        }
        script.request();
    }
    kept.into_iter().for_each(|block| script.free(block));
}

/// Does the work of one callback: one to eight steps.
fn operations(script: &mut Script<'_>, random: &mut Random, kept: &mut Vec<usize>, fills: bool, absurd: bool) {
    for _ in 0..random.within(1, 8) {
        match random.below(100) {
            0..60 if fills => kept.push(block(script, random, absurd)),
            0..10 => kept.push(block(script, random, absurd)),
            60..75 if !kept.is_empty() => {
                let which = kept[random.below(kept.len())];
                let size = size(random, absurd);
                script.resize(which, size);
            }
            _ if !kept.is_empty() => {
                let which = random.below(kept.len());
                script.free(kept.swap_remove(which));
            }
            _ => {}
        }
    }
}

fn block(script: &mut Script<'_>, random: &mut Random, absurd: bool) -> usize {
    let size = size(random, absurd);
    match random.below(20) {
        0 => script.aligned(size, 1 << random.within(5, 17)),
        1 | 2 => script.zeroed(size),
        align => script.aligned(size, 1 << (align % 5)),
    }
}

/// Returns a size: mostly small, some to 64 KiB, few to 1 MiB. With `absurd` some are ones that no
/// memory has, to 2 GiB less a page.
fn size(random: &mut Random, absurd: bool) -> usize {
    match random.below(200) {
        0 if absurd => random.within(1 << 30, (1 << 31) - (1 << 18)),
        0..2 => random.doubling(16, 20),
        2..20 => random.doubling(11, 16),
        20..60 => random.doubling(7, 11),
        _ => random.within(1, 160),
    }
}
