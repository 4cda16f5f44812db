//! Which blocks are sampled, and the table of them.
//!
//! The table is open-addressed by the block's address. A free looks at the one slot where a sample
//! of its block would be first: it is empty nearly always, and then there is none.

use super::math::{chance, ln};
use super::{INTERVAL, Live, Profile, SITES, Site, current};

/// Slots, and how many are in use at the most.
const SLOTS: usize = 512;
const MOST: usize = SLOTS / 2;

/// A sampled block; a free slot if the address is zero. On wasm it is as large as a block is
/// aligned, so that the place of a slot follows from an address by one mask.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Sample {
    block: usize,
    size: usize,
    site: u8,
}

const EMPTY: Sample = Sample { block: 0, size: 0, site: 0 };

/// The sampler of one allocator's blocks. All zero at first, so a static of it takes no room in
/// a module.
pub(crate) struct Sampler {
    /// Bytes to the next sample; zero before the first block.
    left: isize,
    samples: [Sample; SLOTS],
    used: usize,
    /// Zero until a block was seen.
    interval: usize,
    random: u32,
    thinned: u32,
    sites: [Site; SITES],
    known: usize,
}

/// The first slot of a block's sample.
#[inline(always)]
const fn slot(block: usize) -> usize {
    block / size_of::<Sample>() % SLOTS
}

impl Sampler {
    pub(crate) const fn new() -> Self {
        Self {
            left: 0,
            samples: [EMPTY; SLOTS],
            used: 0,
            interval: 0,
            random: 0,
            thinned: 0,
            sites: [Site::NONE; SITES],
            known: 0,
        }
    }

    /// Notes that a block of so many bytes is live; or none, if it is null.
    #[inline(always)]
    pub(crate) fn made(&mut self, block: *mut u8, size: usize) {
        self.left = self.left.wrapping_sub_unsigned(size);
        if self.left < 0 {
            self.sample(block.addr(), size);
        }
    }

    /// Notes that a block is gone.
    #[inline(always)]
    pub(crate) fn released(&mut self, block: *mut u8) {
        // The remainder is within bounds.
        if self.samples[slot(block.addr())].block != 0 {
            self.forget(block.addr());
        }
    }

    /// Notes that a block has become another one, perhaps at the same place; or not, if that is
    /// null.
    pub(crate) fn resized(&mut self, block: *mut u8, moved: *mut u8, size: usize) {
        if !moved.is_null() {
            self.released(block);
            self.made(moved, size);
        }
    }

    /// Takes a sample of each so many bytes from here on.
    pub(crate) fn each(&mut self, bytes: usize) {
        (self.samples, self.used, self.thinned) = ([EMPTY; SLOTS], 0, 0);
        self.interval = bytes.clamp(1, isize::MAX as usize / 64);
        self.draw();
    }

    pub(crate) fn profile(&self) -> Profile {
        let mut profile = Profile { thinned: self.thinned, ..Profile::NEW };
        if self.interval > 0 {
            profile.interval = self.interval;
        }
        for (live, site) in profile.sites.iter_mut().zip(self.sites) {
            live.site = site;
        }
        let mut weights = [(0.0, 0.0); SITES];
        for &Sample { size, site, .. } in self.samples.iter().filter(|sample| sample.block != 0) {
            let weight = 1.0 / chance(size as f64 / profile.interval as f64);
            let place = usize::from(site) % SITES;
            let (bytes, blocks) = &mut weights[place];
            *bytes += weight * size as f64;
            *blocks += weight;
            profile.sites[place].samples += 1;
        }
        for (Live { bytes, blocks, .. }, weight) in profile.sites.iter_mut().zip(weights) {
            (*bytes, *blocks) = ((weight.0 + 0.5) as u64, (weight.1 + 0.5) as u64);
        }
        profile
    }

    #[cold]
    #[inline(never)]
    fn sample(&mut self, block: usize, size: usize) {
        if self.interval == 0 {
            // The first block of all: the distance to the first sample is drawn as any other.
            self.interval = INTERVAL;
            self.draw();
            self.left = self.left.wrapping_sub_unsigned(size);
            if self.left >= 0 {
                return;
            }
        }
        self.draw();
        if block == 0 {
            return;
        }
        while self.used >= MOST {
            self.thin();
        }
        let site = self.site();
        self.insert(Sample { block, size, site });
    }

    /// Draws the distance to the next sample.
    fn draw(&mut self) {
        let distance = -ln(self.unit()) * self.interval as f64;
        // Rounded up, as a byte is the least; the interval is far from the largest number.
        self.left = distance as isize;
    }

    /// Returns a random number above zero and below one.
    fn unit(&mut self) -> f64 {
        let mut random = if self.random == 0 { 0x9e37_79b9 } else { self.random };
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random = random;
        (f64::from(random) - 0.5) / 4_294_967_296.0
    }

    /// Returns the number of the site where the program is; zero, which is none, if the table is
    /// full.
    fn site(&mut self) -> u8 {
        let site = current();
        self.known = self.known.max(1);
        let known = self.sites.iter().take(self.known).position(|other| *other == site);
        let number = known.unwrap_or_else(|| {
            let Some(place) = self.sites.get_mut(self.known) else { return 0 };
            *place = site;
            self.known += 1;
            self.known - 1
        });
        number as u8
    }

    /// Doubles the interval, and drops the samples that it would not have taken.
    fn thin(&mut self) {
        let before = self.interval as f64;
        self.interval = (self.interval * 2).min(isize::MAX as usize / 64);
        self.thinned += 1;
        for at in 0..SLOTS {
            let Sample { block, size, .. } = self.samples[at];
            if block == 0 {
                continue;
            }
            let parts = size as f64 / before;
            // Where the interval cannot grow any more, every other one goes.
            let stays = if self.interval as f64 > before { chance(parts / 2.0) / chance(parts) } else { 0.5 };
            if self.unit() >= stays {
                // No block has this size: the mark of a sample that goes.
                self.samples[at].size = 0;
            }
        }
        // In place, as a copy of the table would take much of a filter's stack. What moves up to a
        // slot comes from a later one, or from one that was looked at already.
        for at in 0..SLOTS {
            while self.samples[at].block != 0 && self.samples[at].size == 0 {
                self.forget(self.samples[at].block);
            }
        }
    }

    /// Adds a sample; the table is not full.
    fn insert(&mut self, sample: Sample) {
        let mut at = slot(sample.block);
        while self.samples[at].block != 0 {
            at = (at + 1) % SLOTS;
        }
        self.samples[at] = sample;
        self.used += 1;
    }

    /// Drops the sample of a block, if there is one.
    #[cold]
    #[inline(never)]
    fn forget(&mut self, block: usize) {
        let mut at = slot(block);
        while self.samples[at].block != block {
            if self.samples[at].block == 0 {
                return;
            }
            at = (at + 1) % SLOTS;
        }
        self.used -= 1;
        // Whoever lies behind it only because of it moves up, so that no search ends early.
        let mut next = (at + 1) % SLOTS;
        while self.samples[next].block != 0 {
            let home = slot(self.samples[next].block);
            if (next + SLOTS - home) % SLOTS >= (next + SLOTS - at) % SLOTS {
                self.samples[at] = self.samples[next];
                at = next;
            }
            next = (next + 1) % SLOTS;
        }
        self.samples[at] = EMPTY;
    }
}
