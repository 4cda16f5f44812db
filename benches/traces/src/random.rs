//! A generator of numbers: xorshift, so that it costs little beside what is measured.

/// Numbers from a fixed seed.
#[derive(Debug)]
pub struct Random(u32);

impl Random {
    /// All zeros, so that a static that holds it takes no room in the module; the first draw seeds
    /// it.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u32 {
        if self.0 == 0 {
            self.0 = 2_463_534_242;
        }
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.next()) * end as u64) >> 32) as usize
    }

    /// A number from `begin` to `end`, both included.
    pub fn within(&mut self, begin: usize, end: usize) -> usize {
        begin + self.below(end - begin + 1)
    }

    /// True so many times in a hundred.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// A size between two powers of two, each doubling as likely as another.
    pub fn doubling(&mut self, from: u32, to: u32) -> usize {
        let log = from + self.below((to - from) as usize) as u32;
        (1 << log) + self.below(1 << log)
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
