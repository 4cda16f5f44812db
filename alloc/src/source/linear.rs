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
/// It shares `memory.grow` with whoever else calls it, wasi-libc's `malloc` for one: pieces may begin anywhere.
///
/// The slack between the data and the end of the initial memory is the first piece, where there is no C library. With WASI it is left to libc's `malloc`, which takes it if anything calls it (reading an
/// environment variable does), and whether the module has it cannot be known here. So a filter's first block takes a page there.
#[derive(Debug)]
pub struct Linear {
    /// Whether the slack is gone.
    #[cfg(target_os = "unknown")]
    slack_used: bool,
    /// Pages that are out of bounds at the end: zero by default, so that a static of zeros takes no room in the module.
    barred: usize,
}

impl Linear {
    /// The module's memory, limited only by its address space and the host.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            #[cfg(target_os = "unknown")]
            slack_used: false,
            barred: 0,
        }
    }

    /// Bytes of the slack, from a multiple of 16 on, if the next page continues it and nobody has it yet.
    #[cfg(target_os = "unknown")]
    fn slack(&self) -> usize {
        unsafe extern "C" {
            /// Where data and stack end; the linker's.
            static __heap_base: u8;
            /// Where the initial memory ends; the linker's.
            static __heap_end: u8;
        }
        let (base, end) = ((&raw const __heap_base).addr(), (&raw const __heap_end).addr());
        if self.slack_used || memory_size(0) * PAGE != end {
            return 0;
        }
        end.saturating_sub(base) & !15
    }

    #[cfg(not(target_os = "unknown"))]
    #[expect(clippy::unused_self, reason = "the twin uses it")]
    const fn slack(&self) -> usize {
        0
    }

    /// A piece that ends at `end`; the slack is in it, or is gone.
    fn piece(&mut self, end: usize, bytes: usize) -> Option<NonNull<[u8]>> {
        #[cfg(target_os = "unknown")]
        {
            self.slack_used = true;
        }
        let start = NonNull::new(with_exposed_provenance_mut(end - bytes))?;
        Some(NonNull::slice_from_raw_parts(start, bytes))
    }
}

impl Default for Linear {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `memory.grow` returns pages that nobody had before, for good; the whole linear memory is one allocation, and a page's
// address is a multiple of 64 KiB. The slack lies between the linker's symbols, is handed out once, and is no data's, no stack's, and without a C library nobody else's.
unsafe impl Source for Linear {
    fn next(&self) -> Option<usize> {
        Some(memory_size(0) * PAGE - self.slack())
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let slack = self.slack();
        if slack > 0 && slack >= least {
            return self.piece(memory_size(0) * PAGE, slack);
        }
        let (least, wish) = ((least - slack).div_ceil(PAGE), wish.saturating_sub(slack).div_ceil(PAGE));
        let room = (MOST - self.barred).saturating_sub(memory_size(0));
        let mut pages = wish.max(least);
        loop {
            // Sizes near the top of the address space divide down to what no memory has room for.
            if pages <= room {
                let before = memory_grow(0, pages);
                if before != usize::MAX {
                    return self.piece((before + pages) * PAGE, pages * PAGE + slack);
                }
            }
            if pages == least {
                return None;
            }
            pages = least;
        }
    }

    fn held(&self) -> usize {
        memory_size(0) * PAGE
    }

    fn limit(&mut self, pages: usize) {
        self.barred = MOST - pages.min(MOST);
    }
}
