//! Linear memory, through `memory.grow`.

#[cfg(target_arch = "wasm32")]
use core::arch::wasm32::{memory_grow, memory_size};
#[cfg(target_arch = "wasm64")]
use core::arch::wasm64::{memory_grow, memory_size};
use core::ptr::{NonNull, with_exposed_provenance_mut};
#[cfg(target_os = "unknown")]
use core::sync::atomic::{AtomicBool, Ordering};

use super::{PAGE, Source};
#[cfg(target_os = "unknown")]
use crate::sync::SINGLE_THREADED;

/// The end of a 32-bit memory less its last page: an end of 2³² would wrap to zero.
const MOST: usize = 65_535;

/// `true` if the slack is gone: one word for the module, as there is one slack, whatever sources
/// there are.
#[cfg(target_os = "unknown")]
static SLACK_TAKEN: AtomicBool = AtomicBool::new(false);

/// The memory of the module, which grows by whole pages.
///
/// Other code, such as `malloc` of wasi-libc, may also call `memory.grow`. So a piece may begin at
/// any page.
///
/// Without a C library, the slack between the data and the end of the initial memory is the first
/// piece of the first source that asks. With WASI the slack belongs to `malloc` of the C library,
/// which takes it if any code calls `malloc`. Reading an environment variable does so, and this
/// crate cannot know whether the module has such code. So a filter's first block takes a page
/// there. Slack of a page or more exists only in modules that were linked with `--initial-memory`.
/// It belongs to the standard library's dlmalloc, whose newer versions take it, and nothing less.
#[derive(Debug)]
pub struct Linear {
    /// Pages that are out of bounds at the end: zero by default, so that a static of zeros takes no
    /// room in the module.
    barred: usize,
}

impl Linear {
    /// Creates a source over the module's memory. Only the address space and the host limit it.
    #[must_use]
    pub const fn new() -> Self {
        Self { barred: 0 }
    }

    /// Bytes of the slack, from a multiple of 16 on, if the next page continues it and nobody has
    /// it yet. Threads, which may grow memory between two looks, leave it alone.
    #[cfg(target_os = "unknown")]
    fn slack() -> usize {
        unsafe extern "C" {
            /// Where data and stack end; the linker's.
            static __heap_base: u8;
            /// Where the initial memory ends; the linker's.
            static __heap_end: u8;
        }
        let (base, end) = ((&raw const __heap_base).addr(), (&raw const __heap_end).addr());
        let slack = end.wrapping_sub(base) & !15;
        if !SINGLE_THREADED || slack >= PAGE || memory_size(0) * PAGE != end || SLACK_TAKEN.load(Ordering::Relaxed) {
            return 0;
        }
        slack
    }

    #[cfg(not(target_os = "unknown"))]
    const fn slack() -> usize {
        0
    }

    /// The piece that ends at `end`.
    fn piece(end: usize, bytes: usize) -> Option<NonNull<[u8]>> {
        let start = NonNull::new(with_exposed_provenance_mut(end - bytes))?;
        Some(NonNull::slice_from_raw_parts(start, bytes))
    }
}

impl Default for Linear {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: `memory.grow` returns pages that nobody had before, for good; the whole linear memory is
// one allocation, and a page's address is a multiple of 64 KiB. The slack lies between the linker's
// symbols, so it is no data's and no stack's; without a C library nobody else takes less than a
// page of it. It is handed out once in a module: by itself, and then `SLACK_TAKEN` is set, or below
// a page that continues it, and from then on memory ends elsewhere.
unsafe impl Source for Linear {
    fn next(&self) -> Option<usize> {
        Some(memory_size(0) * PAGE - Self::slack())
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let slack = Self::slack();
        if slack > 0 && slack >= least {
            #[cfg(target_os = "unknown")]
            SLACK_TAKEN.store(true, Ordering::Relaxed);
            return Self::piece(memory_size(0) * PAGE, slack);
        }
        let (least, wish) = ((least - slack).div_ceil(PAGE), wish.saturating_sub(slack).div_ceil(PAGE));
        let room = (MOST - self.barred).saturating_sub(memory_size(0));
        let mut pages = wish.max(least);
        loop {
            // Sizes near the top of the address space divide down to what no memory has room for.
            if pages <= room {
                let before = memory_grow(0, pages);
                if before != usize::MAX {
                    return Self::piece((before + pages) * PAGE, pages * PAGE + slack);
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
