//! Linear memory, through `memory.grow`.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::{memory_grow, memory_size};
#[cfg(target_arch = "wasm64")]
use core::arch::wasm64::{memory_grow, memory_size};
use core::ptr::{NonNull, with_exposed_provenance_mut};

use super::{PAGE, Source};

/// The end of a 32-bit memory less its last page: an end of 2³² would wrap to zero.
const MOST: usize = 65_535;

/// The memory of the module, grown by whole pages.
///
/// It shares `memory.grow` with whoever else calls it, wasi-libc's `malloc` for one: pieces may begin anywhere. The slack
/// between the data and the first page boundary is left to libc, which claims it.
#[derive(Debug)]
pub struct Linear {
    /// Pages that are out of bounds at the end: zero by default, so that a static of zeros takes no room in the module.
    barred: usize,
}

impl Linear {
    /// The module's memory, limited only by its address space and the host.
    #[must_use]
    pub const fn new() -> Self {
        Self { barred: 0 }
    }
}

impl Default for Linear {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `memory.grow` returns pages that nobody had before, for good; the whole linear memory is one allocation, and a page's
// address is a multiple of 64 KiB.
unsafe impl Source for Linear {
    fn next(&self) -> Option<usize> {
        Some(memory_size(0) * PAGE)
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let room = (MOST - self.barred).saturating_sub(memory_size(0));
        let mut pages = wish.div_ceil(PAGE);
        loop {
            // Sizes near the top of the address space divide down to what no memory has room for.
            if pages <= room {
                let before = memory_grow(0, pages);
                if before != usize::MAX {
                    let piece = NonNull::new(with_exposed_provenance_mut(before * PAGE))?;
                    return Some(NonNull::slice_from_raw_parts(piece, pages * PAGE));
                }
            }
            if pages == least.div_ceil(PAGE) {
                return None;
            }
            pages = least.div_ceil(PAGE);
        }
    }

    fn held(&self) -> usize {
        memory_size(0) * PAGE
    }

    fn limit(&mut self, pages: usize) {
        self.barred = MOST - pages.min(MOST);
    }
}
