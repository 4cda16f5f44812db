//! Strategies with one fault each. The model must find every fault.

use std::alloc::Layout;

use sluicegate_alloc::{Strategy, Usage};

use crate::{Op, Subject};

/// A fault of a strategy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every other block is 16 bytes shorter than asked for, as with a class off by one. The next
    /// block lies in the last bytes of the short one. The tag of an allocator does not lie there,
    /// because it would not survive.
    Short,
    /// The last block is handed out again to the next request of its layout, although it lives.
    Twice,
    /// A moved block loses its contents.
    Forgets,
    /// Every alignment above 16 is ignored.
    Crooked,
    /// No memory is ever reused.
    Leaks,
    /// A refused resize frees the block.
    Drops,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 6] = [Self::Short, Self::Twice, Self::Forgets, Self::Crooked, Self::Drops, Self::Leaks];

    /// Returns a sequence of operations in which each fault shows.
    #[must_use]
    pub fn shown() -> Vec<Op> {
        let mut ops = vec![Op::Allocate { size: 1000, align: 0 }, Op::Resize { which: 0, size: 5000 }];
        for round in 0..64 {
            ops.push(Op::Allocate { size: 100, align: 3 });
            ops.push(Op::Allocate { size: 100, align: 3 });
            ops.push(Op::Allocate { size: 40_000, align: 7 });
            ops.push(Op::Allocate { size: 3000, align: 11 });
            ops.push(Op::Free { which: 3 });
            ops.push(Op::Free { which: 2 });
            ops.push(Op::Free { which: round % 2 });
        }
        ops
    }
}

/// A sound strategy with a fault on top.
pub struct Broken<A> {
    inner: A,
    fault: Fault,
    again: Option<(*mut u8, Layout)>,
    /// The place where the next block of this layout begins, if the block is to be short.
    half: Option<(*mut u8, Layout)>,
}

impl<A> Broken<A> {
    /// Puts a fault on top of a strategy.
    pub fn new(inner: A, fault: Fault) -> Self {
        Self { inner, fault, again: None, half: None }
    }
}

impl<A: Strategy> Subject for Broken<A> {}

// SAFETY: the strategy is not safe at all, and only the model uses it: no block is read or written
// outside of the memory under the strategy.
unsafe impl<A: Strategy> Strategy for Broken<A> {
    unsafe fn allocate(&mut self, layout: Layout) -> *mut u8 {
        let mut asked = layout;
        match self.fault {
            Fault::Short if layout.size() > 16 => {
                if let Some((block, of)) = self.half.take()
                    && of == layout
                {
                    return block;
                }
                asked = Layout::from_size_align(layout.size() * 2, layout.align()).unwrap();
            }
            Fault::Crooked => {
                asked = Layout::from_size_align(layout.size(), layout.align().min(16)).unwrap();
            }
            Fault::Twice => {
                if let Some((block, of)) = self.again
                    && of == layout
                {
                    return block;
                }
            }
            _ => {}
        }
        // SAFETY: the size is not zero.
        let block = unsafe { self.inner.allocate(asked) };
        if self.fault == Fault::Short && layout.size() > 16 && !block.is_null() {
            let length = (layout.size() - 16) & !(layout.align() - 1);
            self.half = Some((block.wrapping_add(length), layout));
        }
        self.again = Some((block, layout));
        block
    }

    unsafe fn release(&mut self, block: *mut u8, layout: Layout) {
        let layout = match self.fault {
            Fault::Leaks | Fault::Short | Fault::Twice => return,
            Fault::Crooked => Layout::from_size_align(layout.size(), layout.align().min(16)).unwrap(),
            Fault::Forgets | Fault::Drops => layout,
        };
        // SAFETY: the block is live, and this is the layout that it was asked for with.
        unsafe { self.inner.release(block, layout) };
    }

    unsafe fn resize(&mut self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match self.fault {
            Fault::Forgets => {
                let new = Layout::from_size_align(size, layout.align()).unwrap();
                // SAFETY: the size is not zero.
                let moved = unsafe { self.inner.allocate(new) };
                // SAFETY: the block is live and of this layout.
                unsafe { self.inner.release(block, layout) };
                if !moved.is_null() {
                    // SAFETY: the new block has this size.
                    unsafe { moved.write_bytes(0xEE, size) };
                }
                moved
            }
            Fault::Drops => {
                // SAFETY: the block has this size.
                unsafe { block.write_bytes(0xEE, layout.size()) };
                std::ptr::null_mut()
            }
            Fault::Short | Fault::Twice | Fault::Leaks => std::ptr::null_mut(),
            Fault::Crooked => {
                let asked = Layout::from_size_align(layout.size(), layout.align().min(16)).unwrap();
                // SAFETY: the block is live, and this is the layout that it was asked for with.
                unsafe { self.inner.resize(block, asked, size) }
            }
        }
    }

    fn usage(&self) -> Usage {
        self.inner.usage()
    }

    fn limit(&mut self, pages: usize) {
        self.inner.limit(pages);
    }
}
