//! A rival that is no global allocator: bumpalo, with a `Bump` for each open request, taken from a
//! pool and reset when the request ends.
//!
//! It frees nothing before, so all that a request allocates lies side by side, bodies too.

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::ptr::{NonNull, null_mut};

use allocator_api2::alloc::Allocator;
use bumpalo::Bump;
use sluicegate_traces::block::Heap;
use sluicegate_traces::request;

use super::{Rival, Running, Trace};

pub struct Bumps;

impl Rival for Bumps {
    fn name(&self) -> &'static str {
        "bumpalo"
    }

    fn runs(&self, trace: Trace) -> bool {
        matches!(trace, Trace::Request(_))
    }

    fn start(&'static self, trace: Trace) -> Box<dyn Running> {
        let Trace::Request(open) = trace else { unreachable!("it runs nothing else") };
        Box::new(Requests { open, trace: request::Trace::new(), pool: Pool::new(open) })
    }
}

struct Requests {
    open: usize,
    trace: request::Trace,
    pool: Pool,
}

impl Running for Requests {
    fn run(&mut self, count: u32) {
        self.trace.run(&self.pool, self.open, count);
    }
}

struct Pool {
    /// By request; none while it is not open.
    open: Vec<RefCell<Option<Bump>>>,
    idle: RefCell<Vec<Bump>>,
    /// The request that is entered.
    entered: Cell<usize>,
}

impl Pool {
    fn new(open: usize) -> Self {
        let open = (0..open).map(|_| RefCell::new(None)).collect();
        Self { open, idle: RefCell::new(Vec::new()), entered: Cell::new(0) }
    }

    #[inline]
    fn with<T>(&self, f: impl FnOnce(&Bump) -> Option<T>) -> Option<T> {
        self.open[self.entered.get()].borrow().as_ref().and_then(f)
    }
}

impl Heap for &Pool {
    fn enter(self, request: usize) {
        self.entered.set(request);
        self.open[request].borrow_mut().get_or_insert_with(|| self.idle.borrow_mut().pop().unwrap_or_default());
    }

    fn end(self, request: usize) {
        if let Some(mut bump) = self.open[request].take() {
            bump.reset();
            self.idle.borrow_mut().push(bump);
        }
    }

    #[inline]
    unsafe fn allocate(self, layout: Layout) -> *mut u8 {
        self.with(|bump| bump.try_alloc_layout(layout).ok()).map_or(null_mut(), NonNull::as_ptr)
    }

    /// Nothing: what it can take back, the block allocated last, it takes back at the end too.
    #[inline]
    unsafe fn release(self, _: *mut u8, _: Layout) {}

    #[inline]
    unsafe fn resize(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (Some(block), Ok(new)) = (NonNull::new(block), Layout::from_size_align(size, layout.align())) else {
            return null_mut();
        };
        // SAFETY: the block is live and of this layout, in the bump of the entered request, as
        // requests hold their own; and the trace's buffers only grow.
        self.with(|bump| unsafe { bump.grow(block, layout, new) }.ok())
            .map_or(null_mut(), |block| block.cast().as_ptr())
    }
}
