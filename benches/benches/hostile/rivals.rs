//! The allocators, by name.

use std::alloc::{GlobalAlloc, System};

use sluicegate_alloc::Native;
use sluicegate_traces::hostile::Trace;

type Talc = talc::TalcLock<spinning_top::RawSpinlock, talc::source::GlobalAllocSource<System>>;

static TALC: Talc = talc::TalcLock::new(talc::source::GlobalAllocSource::new(System));
static RLSF: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

/// Frees nothing by itself: a region's blocks go with it.
pub(crate) const BUMPALO: &str = "bumpalo";

const GLOBALS: &[(&str, &'static (dyn GlobalAlloc + Sync))] = &[
    ("std", &System),
    ("freelist", &Native),
    ("talc", &TALC),
    ("dlmalloc", &dlmalloc::GlobalDlmalloc),
    ("rlsf", &RLSF),
    ("mimalloc", &mimalloc::MiMalloc),
    #[cfg(snmalloc)]
    ("snmalloc", &snmalloc_rs::SnMalloc),
];

/// std first.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    GLOBALS.iter().map(|(name, _)| *name).chain([BUMPALO])
}

/// The allocator of this name, if it is a global one.
pub(crate) fn global(name: &str) -> Option<&'static (dyn GlobalAlloc + Sync)> {
    GLOBALS.iter().find(|(known, _)| *known == name).map(|(_, heap)| *heap)
}

/// A bump arena has a stream's blocks or none: streams that are idle, and nothing that outlives its
/// region.
pub(crate) fn runs(name: &str, trace: &Trace) -> bool {
    name != BUMPALO || trace.title.contains("idle streams")
}
