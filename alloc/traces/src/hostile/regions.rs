//! Traces of streams with regions of their own: idle ones, ones with blocks that outlive them, and
//! ones with blocks that others free.

use super::Script;
use crate::random::Random;

/// Runs requests with `others` blocks of their own and one block that stays in a ring of `ring`
/// blocks.
pub(super) fn escapes(script: &mut Script<'_>, size: usize, ring: usize, requests: usize, others: usize) {
    let mut random = Random::new();
    let mut kept: Vec<Option<usize>> = vec![None; ring];
    script.measure();
    for request in 0..requests {
        script.within(0, |script| {
            let own: Vec<usize> = (0..others).map(|_| script.allocate(random.within(16, 127))).collect();
            if let Some(old) = kept[request % ring].replace(script.allocate(size)) {
                script.free(old);
            }
            own.into_iter().for_each(|block| script.free(block));
        });
        script.close(0);
        script.request();
    }
}

/// Opens streams that hold this many blocks each, and do nothing.
pub(super) fn idle(script: &mut Script<'_>, streams: usize, blocks: usize, size: usize) {
    script.measure();
    for stream in 0..streams {
        script.within(stream, |script| {
            let scratch = script.allocate(100);
            for _ in 0..blocks {
                script.allocate(size);
            }
            script.free(scratch);
        });
        script.request();
    }
}

/// Replaces blocks of 16–127 bytes in eight slots of each of 10,000 streams. Each callback replaces
/// one of its stream's blocks. Half of the time it puts the new one into another stream's slot.
pub(super) fn changing_hands(script: &mut Script<'_>) {
    const STREAMS: usize = 10_000;
    let mut random = Random::new();
    let mut slots: Vec<[Option<usize>; 8]> = vec![[None; 8]; STREAMS];
    script.measure();
    for _ in 0..300_000 {
        let stream = random.below(STREAMS);
        let holder = if random.percent(50) { random.below(STREAMS) } else { stream };
        let slot = &mut slots[holder][random.below(8)];
        let size = random.within(16, 127);
        let ends = random.percent(2);
        script.within(stream, |script| {
            if let Some(old) = slot.replace(script.allocate(size)) {
                script.free(old);
            }
        });
        if ends {
            script.close(stream);
        }
        script.request();
    }
}
