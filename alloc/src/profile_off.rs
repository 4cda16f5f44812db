//! The twin of the profile for builds without the feature. It has no state and no effect.

/// Nothing to sample.
pub(crate) struct Sampler;

const _: () = assert!(size_of::<Sampler>() == 0, "free when off");

#[expect(clippy::unused_self, reason = "the twin that samples uses it")]
impl Sampler {
    pub(crate) const fn new() -> Self {
        Self
    }

    #[inline(always)]
    pub(crate) const fn made(&self, _: *mut u8, _: usize) {}

    #[inline(always)]
    pub(crate) const fn released(&self, _: *mut u8) {}

    #[inline(always)]
    pub(crate) const fn resized(&self, _: *mut u8, _: *mut u8, _: usize) {}
}
