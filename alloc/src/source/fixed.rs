//! A region of a known size, for tests and for targets without pages.

use core::ptr::NonNull;

use super::{PAGE, Source};

/// A region that the caller owns. Its pieces are whole pages from its beginning on.
///
/// The pieces lie side by side and share one provenance, like those of linear memory. So code that
/// works here under miri also works there.
#[derive(Debug)]
pub struct Fixed {
    base: *mut u8,
    size: usize,
    used: usize,
    limit: usize,
}

// SAFETY: the region belongs to this value alone (contract of `new`), so it may go wherever the
// value goes.
unsafe impl Send for Fixed {}

impl Fixed {
    /// Creates a source over `size` bytes at `base`.
    ///
    /// # Safety
    ///
    /// The region must be aligned to 16, and valid for reads and writes. No other code may use it
    /// until the last block from it is freed.
    pub const unsafe fn new(base: *mut u8, size: usize) -> Self {
        Self { base, size, used: 0, limit: usize::MAX }
    }
}

// SAFETY: `used` only rises, so no two pieces overlap; all lie in the region that `new`'s caller
// gave away; every piece continues the previous one in the same allocation; sizes are multiples of
// a page, so alignment follows from the base's.
unsafe impl Source for Fixed {
    fn next(&self) -> Option<usize> {
        Some(self.base.addr() + self.used)
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let room = self.size.min(self.limit).saturating_sub(self.used);
        let bytes = [wish, least].into_iter().filter_map(|b| b.checked_next_multiple_of(PAGE)).find(|&b| b <= room)?;
        let piece = NonNull::new(self.base.wrapping_add(self.used))?;
        self.used += bytes;
        Some(NonNull::slice_from_raw_parts(piece, bytes))
    }

    fn held(&self) -> usize {
        self.used
    }

    fn limit(&mut self, pages: usize) {
        self.limit = pages.saturating_mul(PAGE);
    }
}
