//! Pages of the operating system, through the standard library.

extern crate std;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::NonNull;
use std::alloc::System;

use super::{PAGE, Source};

/// The smallest piece that is requested from the system. Smaller pieces would lie in the heap of
/// the system, between blocks of other code.
const LEAST: usize = 16 * PAGE;

/// Memory of the system, in pieces of at least 1 MiB and at least an eighth of the held memory. No
/// piece is given back.
#[derive(Debug)]
pub struct Pages {
    held: usize,
    limit: usize,
}

impl Pages {
    /// Creates an empty source without a limit.
    #[must_use]
    pub const fn new() -> Self {
        Self { held: 0, limit: usize::MAX }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: every piece is an allocation of its own that is never freed; `next` is always none, so
// nobody walks from one to another.
unsafe impl Source for Pages {
    fn next(&self) -> Option<usize> {
        None
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        let room = self.limit.saturating_sub(self.held);
        for bytes in [wish.max(LEAST).max(self.held / 8), least] {
            let Some(bytes) = bytes.checked_next_multiple_of(PAGE) else { continue };
            let Ok(layout) = Layout::from_size_align(bytes, PAGE) else { continue };
            if bytes == 0 || bytes > room {
                continue;
            }
            // SAFETY: the layout's size is not zero, as just checked.
            let piece = unsafe { System.alloc(layout) };
            if let Some(piece) = NonNull::new(piece) {
                self.held += bytes;
                return Some(NonNull::slice_from_raw_parts(piece, bytes));
            }
        }
        None
    }

    fn held(&self) -> usize {
        self.held
    }

    fn limit(&mut self, pages: usize) {
        self.limit = pages.saturating_mul(PAGE);
    }
}
