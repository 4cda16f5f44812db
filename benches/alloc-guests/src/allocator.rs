//! The allocator that the feature selects.

#[cfg(all(
    any(feature = "arena", feature = "freelist", feature = "heap", feature = "system", feature = "stats"),
    not(feature = "placed")
))]
sluicegate_alloc::install!();

/// Returns the live bytes by the allocator's own count. Only the allocators of this repository
/// count.
#[cfg(any(feature = "live", feature = "stats"))]
#[unsafe(no_mangle)]
extern "C" fn live() -> u32 {
    sluicegate_alloc::live() as u32
}

/// Returns the number of blocks that outlived their region, by the allocator's own count.
#[cfg(feature = "stats")]
#[unsafe(no_mangle)]
extern "C" fn retained() -> u32 {
    sluicegate_alloc::usage().retained as u32
}

#[cfg(feature = "dlmalloc")]
#[global_allocator]
static GLOBAL: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(feature = "lol_alloc")]
#[global_allocator]
// SAFETY: the module has one thread.
static GLOBAL: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

#[cfg(feature = "rlsf")]
#[global_allocator]
static GLOBAL: rlsf::GlobalTlsf = rlsf::GlobalTlsf::new();

#[cfg(feature = "talc")]
#[global_allocator]
static GLOBAL: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[cfg(feature = "wasmalloc")]
#[global_allocator]
static GLOBAL: wasmalloc::WasmAlloc = wasmalloc::WasmAlloc::new();

#[cfg(feature = "leaky")]
#[global_allocator]
static GLOBAL: leaky::Leaky = leaky::Leaky;

#[cfg(feature = "leaky")]
mod leaky {
    use core::alloc::{GlobalAlloc, Layout};
    use core::sync::atomic::{AtomicU32, Ordering::Relaxed};
    use std::alloc::System;

    static FREES: AtomicU32 = AtomicU32::new(0);

    /// The standard library's allocator, but every thousandth free does nothing.
    pub(super) struct Leaky;

    // SAFETY: a lost block is never handed out again; all else is `System`'s.
    unsafe impl GlobalAlloc for Leaky {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if !(FREES.fetch_add(1, Relaxed) + 1).is_multiple_of(1000) {
                // SAFETY: as the caller promises.
                unsafe { System.dealloc(block, layout) };
            }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: as the caller promises.
            unsafe { System.realloc(block, layout, size) }
        }
    }
}

#[cfg(feature = "ring")]
#[global_allocator]
static GLOBAL: sluicegate_traces::floor::Floor<true> = sluicegate_traces::floor::Floor::new();

#[cfg(feature = "null")]
#[global_allocator]
static GLOBAL: sluicegate_traces::floor::Floor<false> = sluicegate_traces::floor::Floor::new();

#[cfg(feature = "bump")]
#[global_allocator]
static GLOBAL: bump::Bump = bump::Bump::new();

#[cfg(feature = "bump")]
mod bump {
    use core::alloc::{GlobalAlloc, Layout};
    use core::arch::wasm32::memory_grow;
    use core::ptr::{null_mut, with_exposed_provenance_mut};
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    /// The pages of one growth. There are so few growths that they do not show.
    const STEP: usize = 256;

    /// A bump pointer that frees nothing.
    pub(super) struct Bump {
        next: AtomicUsize,
        end: AtomicUsize,
    }

    impl Bump {
        pub(super) const fn new() -> Self {
            Self { next: AtomicUsize::new(0), end: AtomicUsize::new(0) }
        }
    }

    // SAFETY: no address is handed out twice.
    unsafe impl GlobalAlloc for Bump {
        #[inline(never)]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let size = (layout.size() + 15) & !15;
            let mut at = self.next.load(Relaxed);
            if self.end.load(Relaxed) - at < size || layout.align() > 16 {
                let pages = STEP.max((size + layout.align()).div_ceil(65_536));
                let page = memory_grow(0, pages);
                if page == usize::MAX {
                    return null_mut();
                }
                at = (page * 65_536).next_multiple_of(layout.align());
                self.end.store((page + pages) * 65_536, Relaxed);
            }
            self.next.store(at + size, Relaxed);
            with_exposed_provenance_mut(at)
        }

        #[inline]
        unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
    }
}

#[cfg(feature = "placed")]
#[global_allocator]
static GLOBAL: placed::Placed = placed::Placed::new();

/// Starts to record addresses.
#[cfg(feature = "placed")]
#[unsafe(no_mangle)]
extern "C" fn placed_record() {
    GLOBAL.turn(placed::RECORD);
}

/// Starts to return the recorded addresses again, in the same order.
#[cfg(feature = "placed")]
#[unsafe(no_mangle)]
extern "C" fn placed_replay() {
    GLOBAL.turn(placed::REPLAY);
}

#[cfg(feature = "placed")]
mod placed {
    use core::alloc::{GlobalAlloc, Layout};
    use core::cell::UnsafeCell;
    use core::ptr::with_exposed_provenance_mut;
    use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use sluicegate_alloc::{ALLOCATOR, Allocator};

    pub(super) const RECORD: usize = 1;
    pub(super) const REPLAY: usize = 2;
    /// The largest number of addresses of one run: some 4,000 requests make 300,000.
    const MOST: usize = 1 << 19;

    /// Returns each block of a run at the address that the free lists chose before, without a
    /// decision. Only the cost of the memory remains, at the places where a good allocator puts the
    /// blocks.
    pub(super) struct Placed {
        mode: AtomicUsize,
        next: AtomicUsize,
        log: UnsafeCell<[u32; MOST]>,
        inner: Allocator,
    }

    // SAFETY: the module has one thread.
    unsafe impl Sync for Placed {}

    impl Placed {
        pub(super) const fn new() -> Self {
            Self {
                mode: AtomicUsize::new(0),
                next: AtomicUsize::new(0),
                log: UnsafeCell::new([0; MOST]),
                inner: ALLOCATOR,
            }
        }

        pub(super) fn turn(&self, mode: usize) {
            self.mode.store(mode, Relaxed);
            self.next.store(0, Relaxed);
        }

        /// The next entry.
        #[inline]
        fn entry(&self) -> *mut u32 {
            let next = self.next.load(Relaxed);
            self.next.store(next + 1, Relaxed);
            assert!(next < MOST, "a longer run than the log has room for");
            self.log.get().cast::<u32>().wrapping_add(next)
        }

        fn written(&self, block: *mut u8) -> *mut u8 {
            if self.mode.load(Relaxed) == RECORD {
                // SAFETY: an entry lies in the log, and the module has one thread.
                unsafe { self.entry().write(block.expose_provenance() as u32) };
            }
            block
        }

        #[inline]
        fn replayed(&self) -> *mut u8 {
            // SAFETY: as above.
            with_exposed_provenance_mut(unsafe { self.entry().read() } as usize)
        }
    }

    // SAFETY: as it runs the same trace on the same addresses, what holds when they are written
    // down holds when they are handed out again; in between nothing else allocates, and the inner
    // allocator's blocks are all free by then.
    unsafe impl GlobalAlloc for Placed {
        #[inline]
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if self.mode.load(Relaxed) == REPLAY {
                return self.replayed();
            }
            // SAFETY: as the caller promises.
            self.written(unsafe { self.inner.alloc(layout) })
        }

        #[inline]
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if self.mode.load(Relaxed) != REPLAY {
                // SAFETY: as the caller promises.
                unsafe { self.inner.dealloc(block, layout) };
            }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            if self.mode.load(Relaxed) == REPLAY {
                let moved = self.replayed();
                if moved != block {
                    // SAFETY: both blocks live, so they are apart, and are as long as their
                    // layouts.
                    unsafe { block.copy_to_nonoverlapping(moved, layout.size().min(size)) };
                }
                return moved;
            }
            // SAFETY: as the caller promises.
            self.written(unsafe { self.inner.realloc(block, layout, size) })
        }
    }
}
