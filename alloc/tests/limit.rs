//! The cap in pages: kept by every picked allocator but the standard library's, which says that it
//! takes none.
#![cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
#![allow(unsafe_code, reason = "the picked allocator is driven through its raw interface")]

use std::alloc::{GlobalAlloc, Layout};

use sluicegate_alloc::{ALLOCATOR, SELECTED, limit, snapshot};

/// Returns whether a block of this many bytes can be allocated.
fn given(bytes: usize) -> bool {
    let layout = Layout::from_size_align(bytes, 8).unwrap();
    // SAFETY: the size is not zero.
    let block = unsafe { ALLOCATOR.alloc(layout) };
    if !block.is_null() {
        // SAFETY: the block is live and of this layout.
        unsafe { ALLOCATOR.dealloc(block, layout) };
    }
    !block.is_null()
}

#[test]
fn a_cap_is_kept_or_refused() {
    assert!(given(1000));
    let kept = SELECTED != Some("system");
    assert_eq!(limit(snapshot().pages + 64), kept);
    assert_eq!(given(64 << 20), !kept, "past the cap");
    assert!(given(1 << 20), "below the cap");
    assert!(!kept || snapshot().pages > 0);
    limit(usize::MAX);
    assert!(given(64 << 20));
}
