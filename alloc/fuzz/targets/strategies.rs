//! Any bytes as operations, on every strategy. `.ci/fuzz 60 strategies`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_alloc::testing::{Shared, Worker};
use sluicegate_alloc::{Freelist, Heap, Talc};
use sluicegate_alloc_model::sources::Region;
use sluicegate_alloc_model::{Op, Plain, Regions, run, usual};

const PAGES: usize = 1024;

/// The fuzzer looks for the worst order of frees: twice what random ones take.
fn bound(peak: usize) -> usize {
    usual(peak) * 2
}

/// A thread keeps 4 MiB, and memory grows by up to twice that rather than be trimmed again.
fn threaded(peak: usize) -> usize {
    bound(peak) + 192
}

fuzz_target!(|bytes: &[u8]| {
    let ops: Vec<Op> = Op::decode_all(bytes).collect();
    let mut region = Region::new(PAGES);
    run(&mut Heap::new(region.source()), &ops, bound).unwrap();
    run(&mut Plain(Talc::new(region.source())), &ops, bound).unwrap();
    run(&mut Freelist::new(region.source()), &ops, bound).unwrap();
    run(&mut Regions::new(region.source()), &ops, bound).unwrap();
    run(&mut Worker::new(&Shared::new(region.source())), &ops, threaded).unwrap();
});
