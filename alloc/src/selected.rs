//! The allocator that the features select. Their order is in the conditions of this file, and
//! nowhere else.

use crate::installed::Installed;

/// The name of the selected allocator, or `None` if no feature selects one.
pub const SELECTED: Option<&str> = choice::NAME;

/// A line about the selected allocator, for a log.
#[doc(hidden)]
pub const SELECTED_LINE: Option<&str> = choice::LINE;

/// The selected allocator, for the free functions of this crate.
pub(crate) const INSTALLED: Option<&dyn Installed> = choice::INSTALLED;

#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
pub use allocator::{ALLOCATOR, Allocator};

/// Defines the heap of a selection.
#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
macro_rules! choice {
    ($name:literal, $heap:ty = $new:expr) => {
        use crate::installed::Installed;

        pub(super) const NAME: Option<&str> = Some($name);
        pub(super) const LINE: Option<&str> = Some(concat!("sluicegate: allocator ", $name));
        pub(super) static HEAP: $heap = $new;
        pub(super) const INSTALLED: Option<&dyn Installed> = Some(&HEAP);
    };
}

// Native builds with the features that count or sample use the free lists behind the lock: `Native`
// counts live bytes only with `stats`, and takes no samples.
#[cfg(all(feature = "freelist", any(target_family = "wasm", feature = "live", feature = "profile")))]
mod choice {
    use crate::source::Platform;
    use crate::{Freelist, Global};

    choice!("freelist", Global<Freelist<Platform>> = Global::new(Freelist::new(Platform::new())));
}

#[cfg(all(feature = "freelist", not(any(feature = "live", feature = "profile", target_family = "wasm"))))]
mod choice {
    use crate::Native;

    choice!("freelist", Native = Native);
}

#[cfg(all(feature = "arena", not(feature = "freelist")))]
mod choice {
    use crate::source::Platform;
    use crate::{Arena, Global};

    choice!("arena", Global<Arena<Platform>> = Global::new(Arena::new(Platform::new())));
}

#[cfg(all(feature = "talc", not(any(feature = "arena", feature = "freelist"))))]
mod choice {
    use crate::source::Platform;
    use crate::{Global, Talc};

    choice!("talc", Global<Talc<Platform>> = Global::new(Talc::new(Platform::new())));
}

#[cfg(all(feature = "system", not(any(feature = "arena", feature = "freelist", feature = "talc"))))]
mod choice {
    use crate::{Global, System};

    choice!("system", Global<System> = Global::new(System::new()));
}

#[cfg(not(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system")))]
mod choice {
    use crate::installed::Installed;

    pub(super) const NAME: Option<&str> = None;
    pub(super) const LINE: Option<&str> = None;
    pub(super) const INSTALLED: Option<&dyn Installed> = None;
}

#[cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
mod allocator {
    use core::alloc::{GlobalAlloc, Layout};

    use super::choice::HEAP;

    /// The selected allocator, which [`install!`](crate::install) makes the global one.
    ///
    /// Its state is one static of this crate. So [`snapshot`](crate::snapshot) and
    /// [`limit`](crate::limit) use the same heap wherever they are called.
    #[derive(Debug, Clone, Copy)]
    pub struct Allocator;

    /// The allocator, as a value for a static.
    pub const ALLOCATOR: Allocator = Allocator;

    // SAFETY: all four are those of the heap, which is one.
    unsafe impl GlobalAlloc for Allocator {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.alloc(layout) }
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: as the caller promises.
            unsafe { HEAP.dealloc(block, layout) };
        }

        #[inline]
        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.alloc_zeroed(layout) }
        }

        #[inline]
        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { HEAP.realloc(block, layout, size) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_feature_of_the_rank_wins() {
        let expected = if cfg!(feature = "freelist") {
            Some("freelist")
        } else if cfg!(feature = "arena") {
            Some("arena")
        } else if cfg!(feature = "talc") {
            Some("talc")
        } else if cfg!(feature = "system") {
            Some("system")
        } else {
            None
        };
        assert_eq!(SELECTED, expected);
        assert_eq!((SELECTED_LINE.is_some(), INSTALLED.is_some()), (expected.is_some(), expected.is_some()));
    }
}
