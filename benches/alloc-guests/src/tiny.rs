//! A module that only allocates, frees and resizes, so its size is that of the allocator.

use core::alloc::Layout;
use std::alloc::{alloc, dealloc, realloc};

fn layout(size: usize, align: usize) -> Layout {
    // SAFETY: nobody runs this module; its size is what is asked for.
    unsafe { Layout::from_size_align_unchecked(size, align) }
}

#[unsafe(no_mangle)]
extern "C" fn tiny_alloc(size: usize, align: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { alloc(layout(size, align)) }
}

#[unsafe(no_mangle)]
extern "C" fn tiny_free(block: *mut u8, size: usize, align: usize) {
    // SAFETY: as above.
    unsafe { dealloc(block, layout(size, align)) };
}

#[unsafe(no_mangle)]
extern "C" fn tiny_resize(block: *mut u8, size: usize, align: usize, new: usize) -> *mut u8 {
    // SAFETY: as above.
    unsafe { realloc(block, layout(size, align), new) }
}
