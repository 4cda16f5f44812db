//! The first bytes say which growths are refused, and after which someone else takes a page, or
//! within which; the rest are operations. `.ci/fuzz 60 refusals`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sluicegate_alloc::testing::{Shared, Worker};
use sluicegate_alloc::{Freelist, Heap, Talc};
use sluicegate_alloc_model::sources::{Moody, Region};
use sluicegate_alloc_model::{Bound, Op, Plain, Regions, run, usual};

const PAGES: usize = 1024;

fuzz_target!(|input: (u64, u64, u64, &[u8])| {
    let (refuse, steal, snatch, bytes) = input;
    let ops: Vec<Op> = Op::decode_all(bytes).collect();
    let mut region = Region::new(PAGES);
    let moody = |source| Moody::new(source, refuse, steal).snatching(snatch);
    let bound: Bound = if snatch == 0 { |peak| usual(peak) * 3 } else { |_| PAGES };
    run(&mut Heap::new(moody(region.source())), &ops, bound).unwrap();
    run(&mut Plain(Talc::new(moody(region.source()))), &ops, bound).unwrap();
    run(&mut Freelist::new(moody(region.source())), &ops, bound).unwrap();
    run(&mut Regions::new(moody(region.source())), &ops, bound).unwrap();
    let shared = Shared::new(moody(region.source()));
    run(&mut Worker::new(&shared), &ops, if snatch == 0 { |peak| usual(peak) * 2 + 192 } else { bound }).unwrap();
});
