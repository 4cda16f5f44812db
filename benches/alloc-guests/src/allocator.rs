//! The allocator that the feature picked.

#[cfg(any(feature = "arena", feature = "freelist", feature = "heap", feature = "system", feature = "stats"))]
sluicegate_alloc::install!();

/// Live bytes by the allocator's own count; only ours count, and only with the feature `stats`.
#[cfg(feature = "stats")]
#[unsafe(no_mangle)]
extern "C" fn live() -> u32 {
    sluicegate_alloc::snapshot().live as u32
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

    /// Pages of one growth: so few growths that they do not show.
    const STEP: usize = 256;

    /// Moves a pointer, and frees nothing.
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
