//! The sampled heap profile, with the feature `profile`. It shows which callback of which filter
//! allocated the live blocks.
//!
//! About one block for each 512 KiB of allocations is sampled. Each allocated byte has the same
//! chance to have its block sampled (a Poisson process). A sample has a [`Site`], and is removed
//! when its block is freed. So the samples stand for the live blocks: a block of `s` bytes is
//! sampled with probability `1 - exp(-s / interval)`, and counts for the inverse of this
//! probability.
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
//! **When the table is full** (256 samples, which stand for 128 MiB of live blocks), the interval
//! doubles, and each sample stays with the probability that it has at the new interval. About half
//! of the samples of small blocks are removed. The profile stays correct, and becomes coarser. The
//! interval never becomes smaller again by itself.
//!
//! **Cost:** 10 KiB of memory. The allocation and the free of a block that is not sampled take 22
//! to 31 more instructions. A sample takes some hundred instructions. Without the feature there is
//! no cost.

mod math;
mod pprof;
mod program;
mod sampler;
mod site;
mod text;

pub use program::{profile, profile_each};
pub(crate) use sampler::Sampler;
pub use site::{Site, current, within};

/// The number of sites of a profile. Blocks of further sites count for the first site, which has no
/// names.
pub(crate) const SITES: usize = 48;

/// The default of the average number of bytes between two samples. [`profile_each`] changes it.
pub const INTERVAL: usize = 512 * 1024;

/// Returns the name of a plugin by its number, as the host calls the plugin. A plugin without a
/// name is shown by its number.
pub type Names<'a> = dyn Fn(u32) -> Option<&'a str> + 'a;

/// The live bytes by site, at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    interval: usize,
    thinned: u32,
    sites: [Live; SITES],
}

/// The live bytes of one site. The figures are estimates from [`samples`](Self::samples): with `n`
/// samples the relative error is about one over the square root of `n`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Live {
    /// The site that allocated the blocks.
    pub site: Site,
    /// The requested bytes of the live blocks.
    pub bytes: u64,
    /// The number of live blocks.
    pub blocks: u64,
    /// The number of samples behind the estimates.
    pub samples: u32,
}

impl Profile {
    pub(crate) const NEW: Self = Self { interval: INTERVAL, thinned: 0, sites: [Live::NONE; SITES] };

    /// Returns the figures of each site that has a sample.
    pub fn sites(&self) -> impl Iterator<Item = &Live> {
        self.sites.iter().filter(|live| live.samples > 0)
    }

    /// Returns the average number of bytes between two samples.
    #[must_use]
    pub const fn interval(&self) -> usize {
        self.interval
    }

    /// Returns the number of times that the table of samples was full and the interval doubled.
    #[must_use]
    pub const fn thinned(&self) -> u32 {
        self.thinned
    }
}

impl Live {
    const NONE: Self = Self { site: Site::NONE, bytes: 0, blocks: 0, samples: 0 };
}
