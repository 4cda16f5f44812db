//! A ledger of blocks: each block must be freed once, with the layout that it was allocated with.
//!
//! Allocators that take the class of a block from its layout corrupt themselves if the layout is
//! wrong, and the damage shows later and elsewhere. The ledger wraps any allocator, notes every
//! layout, and counts each free that does not match. It corrects or withholds such a free, so that
//! a test can go on and report it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

/// The findings of a ledger so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Audit {
    /// The number of live blocks.
    pub blocks: usize,
    /// The bytes in live blocks.
    pub bytes: usize,
    /// The number of frees and resizes with another size or alignment than the block was made with.
    pub wrong_layout: usize,
    /// The number of frees and resizes of blocks that do not live: freed twice, or never made here.
    pub unknown: usize,
    /// The number of blocks that were handed out while they lived, or that are not aligned.
    pub wrong_block: usize,
}

impl Audit {
    /// Returns whether every free so far matched.
    #[must_use]
    pub const fn clean(&self) -> bool {
        self.wrong_layout == 0 && self.unknown == 0 && self.wrong_block == 0
    }
}

/// An allocator with a ledger.
pub struct Ledger<A> {
    inner: A,
    busy: AtomicBool,
    book: UnsafeCell<Book>,
}

// SAFETY: `with` gives the book to one caller at a time.
unsafe impl<A: Sync> Sync for Ledger<A> {}

impl<A> Ledger<A> {
    /// Makes an empty ledger. The function is const, for use in a static.
    pub const fn new(inner: A) -> Self {
        Self { inner, busy: AtomicBool::new(false), book: UnsafeCell::new(Book::EMPTY) }
    }

    /// Returns the findings so far.
    pub fn audit(&self) -> Audit {
        self.with(|book| book.audit)
    }

    fn with<T>(&self, f: impl FnOnce(&mut Book) -> T) -> T {
        while self.busy.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        // SAFETY: the caller that set `busy` is alone here until `busy` is cleared, and no `f`
        // comes back.
        let result = f(unsafe { &mut *self.book.get() });
        self.busy.store(false, Ordering::Release);
        result
    }
}

// SAFETY: every block is the inner allocator's, and goes back to it once, with the layout that it
// was made with.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Ledger<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::alloc` demands.
        let block = unsafe { self.inner.alloc(layout) };
        self.with(|book| book.made(block, layout));
        block
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises what `GlobalAlloc::alloc_zeroed` demands.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        self.with(|book| book.made(block, layout));
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // The block is struck out before the free, because another thread may get its address after
        // the free.
        if let Some(made) = self.with(|book| book.freed(block, layout)) {
            // SAFETY: the block lives and is of this layout, by the book.
            unsafe { self.inner.dealloc(block, made) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let Some(made) = self.with(|book| book.freed(block, layout)) else { return null_mut() };
        // SAFETY: the block lives and is of this layout, by the book. The caller promises that the
        // size is valid.
        let moved = unsafe { self.inner.realloc(block, made, size) };
        self.with(|book| {
            if moved.is_null() {
                book.made(block, made);
            } else if let Ok(new) = Layout::from_size_align(size, made.align()) {
                book.made(moved, new);
            }
        });
        moved
    }
}

/// A table of live blocks by address, with open addressing and probes in steps of one. Its memory
/// is the system's, because the allocator under test is busy.
struct Book {
    rows: *mut Row,
    /// The number of rows: a power of two, or zero.
    room: usize,
    audit: Audit,
}

/// A live block, or no block if the address is zero.
#[derive(Clone, Copy)]
struct Row {
    address: usize,
    layout: Layout,
}

const NO_ROW: Row = Row { address: 0, layout: Layout::new::<u8>() };

impl Book {
    const EMPTY: Self = Self {
        rows: null_mut(),
        room: 0,
        audit: Audit { blocks: 0, bytes: 0, wrong_layout: 0, unknown: 0, wrong_block: 0 },
    };

    fn made(&mut self, block: *mut u8, layout: Layout) {
        if block.is_null() {
            return;
        }
        if self.audit.blocks * 2 >= self.room {
            self.widen();
        }
        let address = block.addr();
        let at = self.find(address);
        if self.row(at).address != 0 || !address.is_multiple_of(layout.align()) {
            self.audit.wrong_block += 1;
            return;
        }
        *self.row(at) = Row { address, layout };
        self.audit.blocks += 1;
        self.audit.bytes += layout.size();
    }

    /// Strikes a block out. Returns the layout that it was made with, or `None` if there is no such
    /// block.
    fn freed(&mut self, block: *mut u8, layout: Layout) -> Option<Layout> {
        let at = if self.room == 0 { None } else { Some(self.find(block.addr())) };
        let Some(at) = at.filter(|&at| self.row(at).address != 0) else {
            self.audit.unknown += 1;
            return None;
        };
        let made = self.row(at).layout;
        if made != layout {
            self.audit.wrong_layout += 1;
        }
        self.audit.blocks -= 1;
        self.audit.bytes -= made.size();
        self.strike(at);
        Some(made)
    }

    /// Empties a row, and moves up the rows behind it that would not be found any more.
    fn strike(&mut self, mut hole: usize) {
        let mut at = hole;
        loop {
            at = (at + 1) & (self.room - 1);
            let row = *self.row(at);
            if row.address == 0 {
                break;
            }
            let home = self.home(row.address);
            if (at.wrapping_sub(home) & (self.room - 1)) >= (at.wrapping_sub(hole) & (self.room - 1)) {
                *self.row(hole) = row;
                hole = at;
            }
        }
        *self.row(hole) = NO_ROW;
    }

    /// Returns the row of an address, or the empty row where the address would be.
    fn find(&mut self, address: usize) -> usize {
        let mut at = self.home(address);
        while self.row(at).address != address && self.row(at).address != 0 {
            at = (at + 1) & (self.room - 1);
        }
        at
    }

    fn home(&self, address: usize) -> usize {
        (address >> 3).wrapping_mul(0x9E37_79B1) & (self.room - 1)
    }

    fn row(&mut self, at: usize) -> &mut Row {
        assert!(at < self.room);
        // SAFETY: the table has `room` rows, all of them written, and this is the only reference.
        unsafe { &mut *self.rows.wrapping_add(at) }
    }

    fn widen(&mut self) {
        let (old, before) = (self.rows, self.room);
        self.room = (before * 2).max(1024);
        // SAFETY: there is at least one row.
        self.rows = unsafe { System.alloc(table(self.room)) }.cast();
        assert!(!self.rows.is_null(), "no memory for the ledger");
        for at in 0..self.room {
            // SAFETY: the table has `room` rows.
            unsafe { self.rows.wrapping_add(at).write(NO_ROW) };
        }
        for at in 0..before {
            // SAFETY: the old table has that many rows, all of them written.
            let row = unsafe { old.wrapping_add(at).read() };
            if row.address != 0 {
                let at = self.find(row.address);
                *self.row(at) = row;
            }
        }
        if before > 0 {
            // SAFETY: the old table came from the system with this layout.
            unsafe { System.dealloc(old.cast(), table(before)) };
        }
    }
}

impl Drop for Book {
    fn drop(&mut self) {
        if self.room > 0 {
            // SAFETY: the table came from the system with this layout, and goes with the book.
            unsafe { System.dealloc(self.rows.cast(), table(self.room)) };
        }
    }
}

/// Returns the layout of a table.
fn table(rows: usize) -> Layout {
    Layout::array::<Row>(rows).expect("a table of live blocks fits into memory")
}
