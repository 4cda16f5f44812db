//! The allocator that the feature picked.

#[cfg(any(feature = "arena", feature = "freelist", feature = "heap", feature = "stats"))]
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

#[cfg(feature = "ring")]
#[global_allocator]
static GLOBAL: sluicegate_traces::floor::Floor<true> = sluicegate_traces::floor::Floor::new();

#[cfg(feature = "null")]
#[global_allocator]
static GLOBAL: sluicegate_traces::floor::Floor<false> = sluicegate_traces::floor::Floor::new();
