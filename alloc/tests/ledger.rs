//! The picked allocator under the ledger, with ordinary code on several threads; and a free of each
//! wrong kind, which the ledger must find.
#![cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]
#![allow(unsafe_code, reason = "the wrong frees are made by hand")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use sluicegate_alloc_model::ledger::{Audit, Ledger};

#[cfg(not(miri))]
#[global_allocator]
static GLOBAL: Ledger<sluicegate_alloc::Allocator> = Ledger::new(sluicegate_alloc::ALLOCATOR);
// For miri, a box that is freed is still its owner's while the allocator links it.
#[cfg(miri)]
#[global_allocator]
static GLOBAL: Ledger<System> = Ledger::new(System);

#[test]
fn ordinary_code_frees_what_it_made() {
    let rounds = if cfg!(miri) { 20 } else { 2000 };
    let (sender, receiver) = mpsc::channel::<Vec<String>>();
    let worker = thread::spawn(move || {
        for round in 0..rounds {
            sender.send((0..20).map(|n| format!("{round} {n}").repeat(n)).collect()).unwrap();
        }
    });
    let mut lines = BTreeMap::new();
    for (number, batch) in receiver.iter().enumerate() {
        lines.insert(number % 100, batch.concat().into_boxed_str());
    }
    worker.join().unwrap();
    drop(lines);
    assert!(GLOBAL.audit().clean(), "{:?}", GLOBAL.audit());
}

const LAYOUT: Layout = Layout::new::<[u64; 10]>();

/// Returns the findings of a new ledger in `f`, which gets one live block.
fn found(f: impl FnOnce(&Ledger<System>, *mut u8)) -> Audit {
    let ledger = Ledger::new(System);
    // SAFETY: the size is not zero.
    let block = unsafe { ledger.alloc(LAYOUT) };
    f(&ledger, block);
    ledger.audit()
}

#[test]
fn a_right_free_is_clean() {
    let audit = found(|ledger, block| {
        // SAFETY: the block lives and is of this layout, before and after the resize.
        let moved = unsafe { ledger.realloc(block, LAYOUT, 1000) };
        // SAFETY: as above.
        unsafe { ledger.dealloc(moved, Layout::from_size_align(1000, 8).unwrap()) };
    });
    assert_eq!(audit, Audit::default());
}

#[test]
fn a_wrong_size_is_found() {
    // SAFETY: the ledger frees it with the layout that it wrote down.
    let audit = found(|ledger, block| unsafe { ledger.dealloc(block, Layout::new::<[u64; 9]>()) });
    assert_eq!((audit.wrong_layout, audit.blocks), (1, 0));
}

#[test]
fn a_wrong_alignment_is_found() {
    // SAFETY: as above.
    let audit = found(|ledger, block| unsafe { ledger.dealloc(block, Layout::new::<[u8; 80]>()) });
    assert_eq!((audit.wrong_layout, audit.blocks), (1, 0));
}

#[test]
fn a_double_free_is_found() {
    let audit = found(|ledger, block| {
        for _ in 0..2 {
            // SAFETY: the first frees the block; the ledger keeps the second back.
            unsafe { ledger.dealloc(block, LAYOUT) };
        }
    });
    assert_eq!((audit.unknown, audit.blocks), (1, 0));
}

#[test]
fn a_foreign_block_is_found() {
    let mut own = [0_u64; 10];
    let audit = found(|ledger, block| {
        // SAFETY: the ledger keeps the free back.
        unsafe { ledger.dealloc(own.as_mut_ptr().cast(), LAYOUT) };
        // SAFETY: the block lives and is of this layout.
        unsafe { ledger.dealloc(block, LAYOUT) };
    });
    assert_eq!((audit.unknown, audit.blocks), (1, 0));
}

#[test]
fn a_leak_is_found() {
    let ledger = Ledger::new(System);
    // SAFETY: the size is not zero.
    let block = unsafe { ledger.alloc(LAYOUT) };
    assert_eq!((ledger.audit().blocks, ledger.audit().bytes), (1, 80));
    // SAFETY: the block lives and is of this layout.
    unsafe { ledger.dealloc(block, LAYOUT) };
    assert_eq!(ledger.audit(), Audit::default());
}
