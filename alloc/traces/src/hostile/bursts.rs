//! Traces of a crowd of streams that leaves few blocks behind, and of the load after it.

use super::{Cap, Script};
use crate::random::Random;

/// The number of blocks of a stream.
const EACH: usize = 60;

/// Opens this many streams of 60 blocks of 16–127 bytes at once, and ends them. One block in a
/// hundred stays.
fn burst(script: &mut Script<'_>, random: &mut Random, streams: usize) {
    let blocks: Vec<usize> = (0..streams * EACH).map(|_| script.allocate(random.within(16, 127))).collect();
    for block in blocks {
        if !random.percent(1) {
            script.free(block);
        }
    }
}

/// Allocates, after a burst, bodies of 60 kB that stay.
pub(super) fn then_bodies(script: &mut Script<'_>, streams: usize) {
    let mut random = Random::new();
    burst(script, &mut random, streams);
    script.measure();
    for turn in 0..200 {
        if turn % 2 == 0 {
            script.allocate(60_000);
        } else {
            script.zeroed(60_000);
        }
        script.request();
    }
}

/// Runs, after a burst, ordinary requests: four strings that grow to 1 KiB at most, and one body of
/// 1–64 KiB into a cache of 200.
pub(super) fn then_requests(script: &mut Script<'_>, streams: usize) {
    let mut random = Random::new();
    burst(script, &mut random, streams);
    script.measure();
    let mut cache = [None; 200];
    for _ in 0..4_000 {
        let strings = [0; 4].map(|_| {
            let most = random.within(64, 1_024);
            let mut size = 16;
            let string = script.allocate(size);
            while size < most {
                size = most.min(size * 2);
                script.resize(string, size);
            }
            string
        });
        let entry = &mut cache[random.below(200)];
        if let Some(old) = entry.replace(script.allocate(random.doubling(10, 16))) {
            script.free(old);
        }
        strings.into_iter().for_each(|string| script.free(string));
        script.request();
    }
}

/// Ends all of a burst, the youngest block first. Then one body asks for the memory that the burst
/// left.
pub(super) fn then_one_body(script: &mut Script<'_>) {
    let mut random = Random::new();
    let blocks: Vec<usize> = (0..4_000 * EACH).map(|_| script.allocate(random.within(16, 127))).collect();
    blocks.into_iter().rev().for_each(|block| script.free(block));
    script.measure();
    script.allocate(8 << 20);
    script.request();
}

/// Bounds memory after a burst, and allocates bodies until one is refused. Then it asks for more
/// bodies, beside small blocks that are granted.
pub(super) fn then_refusals(script: &mut Script<'_>, streams: usize) {
    let mut random = Random::new();
    burst(script, &mut random, streams);
    script.cap(Cap::Beyond(0));
    let mut most = 1_000;
    while most > 0 {
        let body = script.allocate(60_000);
        most = if script.lives(body) { most - 1 } else { 0 };
    }
    script.measure();
    for turn in 0..200 {
        let strings = [0; 4].map(|_| script.allocate(random.within(16, 500)));
        let body = if turn % 2 == 0 { script.allocate(60_000) } else { script.allocate(16 << 20) };
        script.free(body);
        let grown = script.allocate(1_000);
        script.resize(grown, 200_000);
        script.free(grown);
        strings.into_iter().for_each(|string| script.free(string));
        script.request();
    }
}
