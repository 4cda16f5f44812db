//! The sampled heap profile, with the feature `profile`: which callback of which filter allocated
//! what lives.
//!
//! About one block in 512 KiB of allocations is sampled: each byte is as likely as any other to be
//! the one that has its block noted (a Poisson process). A sample names its [`Site`], and leaves
//! when its block is freed. So the samples stand for what lives, in proportion: a block of `s`
//! bytes is sampled with probability `1 - exp(-s / interval)`, and counts for the inverse of that.
//!
//! ```
//! use sluicegate_alloc::profile::{self, Site};
//! use sluicegate_alloc::{Freelist, Global, source::Platform};
//! use std::alloc::{GlobalAlloc, Layout};
//!
//! static MINE: Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new()));
//!
//! MINE.profile_each(1024);
//! let layout = Layout::new::<[u8; 100_000]>();
//! // SAFETY: the size is not zero.
//! let block = profile::within(Site::new(1, "Filter", "request_headers"), || unsafe { MINE.alloc(layout) });
//! let (mut folded, profile) = (String::new(), MINE.profile());
//! profile.folded(&|plugin| (plugin == 1).then_some("tagger"), &mut folded).unwrap();
//! assert_eq!(folded, "tagger;Filter;request_headers 100000\n");
//! // SAFETY: the block is live, of this layout.
//! unsafe { MINE.dealloc(block, layout) };
//! ```
//!
//! **When the table is full** (256 samples, which is 128 MiB of live blocks) the interval doubles,
//! and each sample stays with the probability that it would have been taken with: about every other
//! one of small blocks goes. The profile stays right, and becomes coarser. The interval does not
//! become smaller again by itself.
//!
//! **Cost:** 10 KiB of memory. A pair of blocks that is not sampled takes 22 to 31 instructions
//! more; a sample takes some hundreds. Without the feature nothing of it is there.

mod math;
mod pprof;
mod sampler;
mod site;
mod text;

pub(crate) use sampler::Sampler;
pub use site::{Site, current, within};

use crate::installed::{Installed, installed};

/// Sites that a profile tells apart. What is allocated at another one counts for the first, which
/// has no names.
pub(crate) const SITES: usize = 48;

/// Bytes from one sample to the next, on average, unless [`profile_each`] says otherwise.
pub const INTERVAL: usize = 512 * 1024;

/// Names of plugins by their numbers: for what the host calls them. A plugin without one is told by
/// its number.
pub type Names<'a> = dyn Fn(u32) -> Option<&'a str> + 'a;

/// The live bytes by site, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    interval: usize,
    thinned: u32,
    sites: [Live; SITES],
}

/// The live bytes of one site: estimates, of which [`samples`](Self::samples) says how good they
/// are. With `n` samples the error is about one in the square root of `n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Live {
    /// The site that allocated it.
    pub site: Site,
    /// Bytes in live blocks, as they were asked for.
    pub bytes: u64,
    /// Live blocks.
    pub blocks: u64,
    /// Samples that this rests on.
    pub samples: u32,
}

impl Profile {
    pub(crate) const NEW: Self = Self { interval: INTERVAL, thinned: 0, sites: [Live::NONE; SITES] };

    /// Returns what lives, for each site of which anything was sampled.
    pub fn sites(&self) -> impl Iterator<Item = &Live> {
        self.sites.iter().filter(|live| live.samples > 0)
    }

    /// Returns the bytes from one sample to the next, on average.
    #[must_use]
    pub const fn interval(&self) -> usize {
        self.interval
    }

    /// Returns how often the table of samples was full, and the interval doubled.
    #[must_use]
    pub const fn thinned(&self) -> u32 {
        self.thinned
    }
}

impl Live {
    const NONE: Self = Self { site: Site::NONE, bytes: 0, blocks: 0, samples: 0 };
}

/// Returns the profile of the program's allocator; empty if this crate does not know it. It
/// allocates nothing, and needs 3 KiB of stack.
///
/// **Cost:** some 100 instructions for each sample, of which there are 256 at most.
#[must_use]
pub fn profile() -> Profile {
    installed().map_or(Profile::NEW, Installed::profile)
}

/// Sets how many bytes the program's allocator lets pass from one sample to the next, on average;
/// at least one. Samples that there are go: they were taken otherwise.
pub fn profile_each(bytes: usize) {
    if let Some(heap) = installed() {
        heap.profile_each(bytes);
    }
}
