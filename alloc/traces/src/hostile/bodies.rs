//! Traces of bodies that are collected in one buffer.

use super::Script;
use crate::random::Random;

/// Grows buffers in turn, each by exactly one step.
pub(super) fn grown(script: &mut Script<'_>, bodies: usize, most: usize, step: usize) {
    script.measure();
    let bodies: Vec<usize> = (0..bodies).map(|_| script.allocate(step)).collect();
    for size in (step..=most).step_by(step).skip(1) {
        for &body in &bodies {
            script.resize(body, size);
        }
        script.request();
    }
}

/// Doubles a buffer.
pub(super) fn doubled(script: &mut Script<'_>) {
    script.measure();
    let body = script.allocate(64 << 10);
    for log in 17..=25 {
        script.resize(body, 1 << log);
        script.request();
    }
}

/// Lets each of sixteen streams read its whole body again with each chunk: a new buffer is
/// allocated, and the old one is freed after it. A body that ends makes room for the next.
pub(super) fn read_again(script: &mut Script<'_>) {
    let mut random = Random::new();
    let mut bodies = [(None, 0); 16];
    script.measure();
    for _ in 0..4_000 {
        let (body, size) = &mut bodies[random.below(16)];
        *size += random.within(4 << 10, 16 << 10);
        let longer = if *size > 1 << 20 { None } else { Some(script.allocate(*size)) };
        if longer.is_none() {
            *size = 0;
        }
        if let Some(old) = core::mem::replace(body, longer) {
            script.free(old);
        }
        script.request();
    }
}
