//! A generator of numbers. It is xorshift, which costs little beside the measured code.

/// Numbers from a fixed seed.
#[derive(Debug)]
pub struct Random(u32);

impl Random {
    /// Makes a generator of zeros, so that a static that holds it takes no room in the module. The
    /// first draw seeds it.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Returns the next number.
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

    /// Returns a number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u64::from(self.next()) * end as u64) >> 32) as usize
    }

    /// Returns a number from `begin` to `end`, both included.
    pub fn within(&mut self, begin: usize, end: usize) -> usize {
        begin + self.below(end - begin + 1)
    }

    /// Returns `true` in `share` of a hundred calls.
    pub fn percent(&mut self, share: usize) -> bool {
        self.below(100) < share
    }

    /// Returns a size between two powers of two, with each doubling as likely as another.
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
