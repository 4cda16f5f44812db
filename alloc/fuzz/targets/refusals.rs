//! The first sixteen bytes say which growths are refused, and before which someone else takes a page; the rest are operations.
//! `cargo +nightly fuzz run refusals --fuzz-dir alloc/fuzz`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_alloc::{Freelist, Heap, Shared, Talc, Worker};
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Op, Regions, run, usual};

const PAGES: usize = 1024;

fuzz_target!(|input: (u64, u64, &[u8])| {
    let (refuse, steal, bytes) = input;
    let ops: Vec<Op> = Op::decode_all(bytes).collect();
    let mut region = Region::new(PAGES);
    let bound = |peak| usual(peak) * 2;
    run(&mut Heap::new(Moody::new(region.source(), refuse, steal)), &ops, bound).unwrap();
    run(&mut Talc::new(Moody::new(region.source(), refuse, steal)), &ops, bound).unwrap();
    run(&mut Freelist::new(Moody::new(region.source(), refuse, steal)), &ops, bound).unwrap();
    run(&mut Regions::new(Moody::new(region.source(), refuse, steal)), &ops, bound).unwrap();
    let shared = Shared::new(Moody::new(region.source(), refuse, steal));
    run(&mut Worker::new(&shared), &ops, |peak| usual(peak) * 2 + 192).unwrap();
});
