//! The sampled profile: that it tells what lives, to within what so many samples can; that samples
//! leave; that the table has a bound; and that what is written can be read.
#![cfg(feature = "profile")]
#![allow(unsafe_code, reason = "allocators are driven through their raw interface")]

use std::alloc::{GlobalAlloc, Layout};

use prost::Message;
use sluicegate_alloc::profile::{Profile, Site, within};
use sluicegate_alloc::testing::Fixed;
use sluicegate_alloc::{Freelist, Global, Heap};
use sluicegate_alloc_model::sources::Region;

type Lists = Global<Freelist<Fixed>>;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn allocate(heap: &impl GlobalAlloc, size: usize) -> *mut u8 {
    // SAFETY: no test asks for an empty size.
    let block = unsafe { heap.alloc(layout(size)) };
    assert!(!block.is_null());
    block
}

fn release(heap: &impl GlobalAlloc, block: *mut u8, size: usize) {
    // SAFETY: the tests free each block once, with its size.
    unsafe { heap.dealloc(block, layout(size)) };
}

/// A site of each callback's name, in one plugin.
fn site(callback: &'static str) -> Site {
    Site::new(1, "Filter", callback)
}

/// Bytes, blocks and samples of a callback.
fn of(profile: &Profile, callback: &str) -> (u64, u64, u32) {
    let sites = profile.sites().filter(|live| live.site.callback() == Some(callback));
    sites.fold((0, 0, 0), |sum, live| (sum.0 + live.bytes, sum.1 + live.blocks, sum.2 + live.samples))
}

/// Returns whether a figure is right within a tolerance.
fn about(found: u64, expected: u64, part: f64) -> bool {
    found.abs_diff(expected) as f64 <= expected as f64 * part
}

#[test]
fn what_lives_is_told_by_who_allocated_it() {
    let mut region = Region::new(2000);
    let heap: Lists = Global::new(Freelist::new(region.source()));
    heap.profile_each(256 * 1024);
    let (small, large): (Vec<_>, Vec<_>) = (0..40_000)
        .map(|turn| {
            // Blocks that come and go leave nothing in the profile.
            let passing = within(site("passing"), || allocate(&heap, 300));
            let small = within(site("small"), || allocate(&heap, 100));
            let large = (turn % 10 == 0).then(|| within(site("large"), || allocate(&heap, 20_000)));
            release(&heap, passing, 300);
            (small, large)
        })
        .unzip();
    let profile = heap.profile();
    let live = [("small", 40_000 * 100, 40_000), ("large", 4_000 * 20_000, 4_000)];
    for (callback, bytes, blocks) in live {
        let (found, found_blocks, samples) = of(&profile, callback);
        // Four times what the number of samples leaves open; the generator is seeded, so this does
        // not flicker.
        let part = 4.0 / f64::from(samples).sqrt();
        assert!(
            samples > 8 && about(found, bytes, part) && about(found_blocks, blocks, part),
            "{callback}: {profile:?}"
        );
    }
    assert_eq!(of(&profile, "passing"), (0, 0, 0));
    for block in small {
        release(&heap, block, 100);
    }
    let profile = heap.profile();
    assert_eq!(of(&profile, "small"), (0, 0, 0), "a sample leaves with its block");
    assert!(of(&profile, "large").2 > 0);
    for block in large.into_iter().flatten() {
        release(&heap, block, 20_000);
    }
    assert_eq!(heap.profile().sites().count(), 0);
}

/// Of blocks as large as the interval about two in three are sampled, and each of those counts for
/// one and a half.
#[test]
fn blocks_of_any_size_are_told_without_a_bias() {
    let mut region = Region::new(4000);
    let heap: Lists = Global::new(Freelist::new(region.source()));
    for size in [64 * 1024, 16 * 1024, 1024, 40] {
        heap.profile_each(64 * 1024);
        let count = (150 << 16) / size;
        let blocks: Vec<_> = (0..count).map(|_| within(site("all"), || allocate(&heap, size))).collect();
        let profile = heap.profile();
        let (bytes, found, samples) = of(&profile, "all");
        assert!(profile.thinned() == 0 && (80..=200).contains(&samples), "{size}: {samples} samples");
        assert!(
            about(bytes, (count * size) as u64, 0.3) && about(found, count as u64, 0.3),
            "{size}: {bytes}, {found}"
        );
        for block in blocks {
            release(&heap, block, size);
        }
        assert_eq!(heap.profile().sites().count(), 0, "{size}");
    }
}

#[test]
fn a_full_table_becomes_coarser_and_stays_right() {
    let mut region = Region::new(2000);
    let heap: Lists = Global::new(Freelist::new(region.source()));
    heap.profile_each(1);
    let blocks: Vec<_> = (0..30_000).map(|_| within(site("all"), || allocate(&heap, 1000))).collect();
    let profile = heap.profile();
    let (bytes, _, samples) = of(&profile, "all");
    assert!(profile.thinned() > 10 && profile.interval() > 30_000, "{}", profile.interval());
    assert!((100..=256).contains(&samples) && about(bytes, 30_000_000, 0.3), "{bytes}, {samples}");
    for block in &blocks {
        release(&heap, *block, 1000);
    }
    assert_eq!(heap.profile().sites().count(), 0, "no sample is lost in the table");
    // A block that is far larger than any interval and never freed is sampled too.
    heap.profile_each(1);
    let before = heap.profile().interval();
    for _ in 0..300 {
        allocate(&heap, 200_000);
    }
    let profile = heap.profile();
    assert!(profile.interval() > before && of(&profile, "all") == (0, 0, 0));
    let (bytes, samples) = profile.sites().fold((0, 0), |sum, live| (sum.0 + live.bytes, sum.1 + live.samples));
    assert!(samples <= 256 && about(bytes, 60_000_000, 0.3), "{bytes}, {samples}");
}

#[test]
fn a_block_that_is_resized_is_one_of_who_resized_it() {
    let mut region = Region::new(500);
    let heap = Global::new(Heap::new(region.source()));
    heap.profile_each(1);
    let block = within(site("first"), || allocate(&heap, 5000));
    // SAFETY: the block is live, of this layout.
    let block = within(site("second"), || unsafe { heap.realloc(block, layout(5000), 90_000) });
    let profile = heap.profile();
    assert_eq!((of(&profile, "first"), of(&profile, "second")), ((0, 0, 0), (90_000, 1, 1)));
    // SAFETY: the new size is not one that there is memory for.
    assert!(unsafe { heap.realloc(block, layout(90_000), 1 << 40) }.is_null());
    assert_eq!(of(&heap.profile(), "second"), (90_000, 1, 1), "a refusal changes nothing");
    release(&heap, block, 90_000);
    assert_eq!(heap.profile().sites().count(), 0);
}

/// By default: some of what passes 512 KiB is noted, and what was never at a site has no names.
#[test]
fn the_first_sample_comes_by_itself() {
    let mut region = Region::new(500);
    let heap: Lists = Global::new(Freelist::new(region.source()));
    let blocks: Vec<_> = (0..200).map(|_| allocate(&heap, 64 * 1024)).collect();
    let profile = heap.profile();
    assert_eq!(profile.interval(), 512 * 1024);
    let [live] = profile.sites().copied().collect::<Vec<_>>()[..] else { panic!("{profile:?}") };
    assert_eq!((live.site.plugin(), live.site.filter(), live.site.callback()), (0, None, None));
    assert!((12..=45).contains(&live.samples), "{live:?}");
    for block in blocks {
        release(&heap, block, 64 * 1024);
    }
}

/// The necessary part of `perftools.profiles`, by the numbers of its fields in pprof's
/// `profile.proto`.
#[derive(Clone, PartialEq, Message)]
struct Pprof {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
}

/// Stacks, outermost first, with blocks and bytes; everything that a reader looks up must be there.
fn stacks(pprof: &Pprof) -> Vec<(Vec<String>, Vec<i64>)> {
    let name = |id: &u64| {
        let location = pprof.location.iter().find(|location| location.id == *id).expect("a location");
        let function = pprof.function.iter().find(|function| function.id == location.line[0].function_id);
        pprof.string_table[usize::try_from(function.expect("a function").name).unwrap()].clone()
    };
    let stack = |sample: &Sample| (sample.location_id.iter().rev().map(name).collect(), sample.value.clone());
    pprof.sample.iter().map(stack).collect()
}

#[test]
fn pprof_reads_what_is_written() {
    let mut region = Region::new(500);
    let heap: Lists = Global::new(Freelist::new(region.source()));
    heap.profile_each(100);
    // Two plugins of one name are one frame; a plugin without a name is told by its number.
    let sites = [
        Site::new(1, "Filter", "request_headers"),
        Site::new(2, "Filter", "request_headers"),
        Site::new(1, "Filter", "response_body"),
        Site::new(40_017, "Other", "request_headers"),
        Site::default(),
    ];
    for (site, size) in sites.into_iter().zip([100_000, 200_000, 300_000, 400_000, 500_000]) {
        within(site, || allocate(&heap, size));
    }
    let names = |plugin| (plugin == 1 || plugin == 2).then_some("tagger; the first");
    let (profile, mut bytes) = (heap.profile(), Vec::new());
    let write = profile.pprof(&names, &mut |part| {
        bytes.extend_from_slice(part);
        Ok(())
    });
    write.unwrap();
    let pprof = Pprof::decode(&*bytes).unwrap();
    assert_eq!(pprof.string_table[0], "");
    let text = |at: i64| &*pprof.string_table[usize::try_from(at).unwrap()];
    let types: Vec<_> = pprof.sample_type.iter().map(|of| (text(of.kind), text(of.unit))).collect();
    assert_eq!(types, [("inuse_objects", "count"), ("inuse_space", "bytes")]);
    assert_eq!((pprof.period, text(pprof.default_sample_type)), (100, "inuse_space"));
    assert_eq!(pprof.period_type.map(|of| (text(of.kind), text(of.unit))), Some(("space", "bytes")));
    let expected = [
        (["tagger; the first", "Filter", "request_headers"], 100_000),
        (["tagger; the first", "Filter", "request_headers"], 200_000),
        (["tagger; the first", "Filter", "response_body"], 300_000),
        (["plugin 40017", "Other", "request_headers"], 400_000),
        (["(no plugin)", "(no filter)", "(no callback)"], 500_000),
    ];
    let expected = expected.map(|(stack, bytes)| (stack.map(str::to_owned).to_vec(), vec![1, bytes]));
    // Sites are told in the order in which they were seen first; the first place is that of no
    // site.
    let mut found = stacks(&pprof);
    found.sort_by_key(|(_, values)| values[1]);
    assert_eq!(found, expected);
    // Plugins 1 and 2, callbacks and filters that are the same: one location each.
    assert_eq!(pprof.location.len(), 3 + 3 + 3);
    assert_eq!(pprof.location.len(), pprof.function.len());

    let mut folded = String::new();
    profile.folded(&names, &mut folded).unwrap();
    let mut lines: Vec<_> = folded.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "(no_plugin);(no_filter);(no_callback) 500000",
            "plugin_40017;Other;request_headers 400000",
            "tagger__the_first;Filter;request_headers 100000",
            "tagger__the_first;Filter;request_headers 200000",
            "tagger__the_first;Filter;response_body 300000",
        ]
    );
}
