//! Small blocks: slabs of one class each, cut from spans.
//!
//! A span is 32 KiB of the heap, aligned to its size, so that a block finds its span by masking. Its first bytes describe its four slabs; a slab belongs to
//! one class, and is cut block by block as blocks are wanted, so memory that was never needed is never touched.
//!
//! Nothing is counted per block. Which slabs are empty is asked once before memory grows: [`Slabs::sweep`] counts the free blocks of each slab by walking the lists.

use core::alloc::Layout;
use core::ptr::null_mut;

use super::class::{CHUNK, CHUNKS, SIZES, SMALL, list_of};
use super::stack::Stack;
use crate::heap::Heap;
use crate::source::Source;

/// A span: half a page, so that the first one fits into the first page beside the heap's own table.
const SPAN: usize = 32 * 1024;

/// A slab: eight blocks of the largest class.
const SLAB: usize = 8 * 1024;

const SLABS: usize = SPAN / SLAB;

/// The heap keeps a tag of a word after each block and rounds up to four words; so a span fills its 32 KiB exactly, and spans lie side by side.
pub(crate) const SPAN_LAYOUT: Layout = match Layout::from_size_align(SPAN - 16, SPAN) {
    Ok(layout) => layout,
    Err(_) => panic!("a power of two"),
};

/// How many sweeps of a small heap are cheaper than a page.
const PATIENCE: u8 = 16;

/// A slab's class while it has none.
const FREE: u8 = u8::MAX;

/// The beginning of a span.
#[repr(C, align(16))]
struct Span {
    /// Every span, in one list.
    next: *mut Span,
    /// The spans that have a free slab, in another.
    next_open: *mut Span,
    /// The class of each slab.
    class: [u8; SLABS],
    /// Free blocks in each slab: zero but during a sweep.
    free: [u16; SLABS],
}

/// Where a class is being cut: blocks from `next` while they end before `end`.
#[derive(Clone, Copy)]
struct Cut {
    next: *mut u8,
    end: *mut u8,
}

impl Cut {
    const NONE: Self = Self { next: null_mut(), end: null_mut() };
}

pub(crate) struct Slabs {
    free: [Stack; SMALL],
    cut: [Cut; SMALL],
    spans: *mut Span,
    open: *mut Span,
    /// Sweeps since the heap was last found too small for them, up to [`PATIENCE`].
    sweeps: u8,
    /// Spans.
    count: u32,
}

// SAFETY: the pointers lead into blocks of the heap beside it, and move together with it (`Freelist` holds both).
unsafe impl Send for Slabs {}

impl Slabs {
    pub(crate) const fn new() -> Self {
        Self {
            free: [const { Stack::EMPTY }; SMALL],
            cut: [Cut::NONE; SMALL],
            spans: null_mut(),
            open: null_mut(),
            sweeps: 0,
            count: 0,
        }
    }

    /// A freed block of the class; null if there is none.
    #[inline]
    pub(crate) fn pop(&mut self, class: usize) -> *mut u8 {
        self.free[class & (SMALL - 1)].pop()
    }

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// The block was popped or carved as one of this class, and nobody uses it any more.
    #[inline]
    pub(crate) unsafe fn push(&mut self, block: *mut u8, class: usize) {
        // SAFETY: the block is at least 16 bytes, aligned to 16, and given away, which the caller promises.
        unsafe { self.free[class & (SMALL - 1)].push(block) };
    }

    /// The free blocks for a size.
    ///
    /// # Safety
    ///
    /// The size is at most [`SMALL_MOST`].
    #[inline]
    pub(crate) unsafe fn list(&mut self, size: usize) -> &mut Stack {
        // SAFETY: as the caller promises.
        let offset = unsafe { list_of(size) };
        // SAFETY: the offset is that of one of the lists.
        let list = unsafe { self.free.as_mut_ptr().byte_add(offset) };
        // SAFETY: as above, and this is the only reference.
        unsafe { &mut *list }
    }

    /// A block that was never used, from the class's slab; null if the slab is used up.
    pub(crate) fn carve(&mut self, class: usize) -> *mut u8 {
        let size = usize::from(SIZES[class & (SMALL - 1)]);
        let cut = &mut self.cut[class & (SMALL - 1)];
        if cut.end.addr() - cut.next.addr() < size {
            return null_mut();
        }
        let block = cut.next;
        cut.next = block.wrapping_add(size);
        block
    }

    /// Whether a span has a free slab.
    pub(crate) const fn open(&self) -> bool {
        !self.open.is_null()
    }

    /// Whether memory should grow by a span rather than be swept once more: the heap is small, and classes that are used in turn take each other's slabs.
    ///
    /// With one span, pairs of eight sizes took 3.6 times std's time. A heap of four spans or more has room for half of all classes, and is
    /// swept always; so this takes four spans at most, ever.
    pub(crate) const fn cramped(&mut self) -> bool {
        let cramped = self.sweeps == PATIENCE && self.count < 4;
        if cramped {
            self.sweeps = 0;
        }
        cramped
    }

    /// Gives the class a new slab; false if no span has one.
    pub(crate) fn refill(&mut self, class: usize) -> bool {
        let open = self.open;
        if open.is_null() {
            return false;
        }
        // SAFETY: every span in the list is one of the heap's, adopted and not released, and this is the only reference.
        let span = unsafe { &mut *open };
        let mut slabs = span.class.iter_mut().enumerate().filter(|(_, class)| **class == FREE);
        if let Some((slab, owner)) = slabs.next() {
            *owner = class as u8;
            let (begin, end) = bounds(slab, class);
            self.cut[class & (SMALL - 1)] =
                Cut { next: open.cast::<u8>().wrapping_add(begin), end: open.cast::<u8>().wrapping_add(end) };
        }
        if slabs.next().is_none() {
            self.open = span.next_open;
        }
        true
    }

    /// Takes a span over.
    ///
    /// # Safety
    ///
    /// The span is a block of [`SPAN_LAYOUT`] that nobody uses.
    pub(crate) unsafe fn adopt(&mut self, span: *mut u8) {
        let span = span.cast::<Span>();
        let header = Span { next: self.spans, next_open: self.open, class: [FREE; SLABS], free: [0; SLABS] };
        // SAFETY: the span has the layout's size and alignment, which are larger than the header's, and is ours.
        unsafe { span.write(header) };
        self.spans = span;
        self.open = span;
        self.count += 1;
    }

    /// Takes slabs without a live block from their classes, and gives spans without a slab back to the heap; true if any slab or span became free.
    #[cold]
    #[inline(never)]
    pub(crate) fn sweep<S: Source>(&mut self, heap: &mut Heap<S>) -> bool {
        self.sweeps = PATIENCE.min(self.sweeps + 1);
        for free in &self.free {
            free.each(|block| {
                let (span, slab) = place(block);
                // SAFETY: a small block lies in an adopted span, and no other reference into it exists here.
                unsafe { (*span).free[slab] += 1 };
            });
        }
        let mut any = false;
        let mut at = self.spans;
        while !at.is_null() {
            // SAFETY: every span in the list is one of the heap's, adopted and not released, and this is the only reference.
            let span = unsafe { &mut *at };
            for slab in 0..SLABS {
                let class = usize::from(span.class[slab]);
                if span.class[slab] == FREE {
                    continue;
                }
                let cut = &mut self.cut[class & (SMALL - 1)];
                let (begin, end) = bounds(slab, class);
                let base = at.cast::<u8>().wrapping_add(begin);
                let cutting = (base.addr()..=base.addr() + end - begin).contains(&cut.next.addr())
                    && cut.end.addr() == base.addr() + end - begin;
                let used = if cutting { cut.next.addr() - base.addr() } else { end - begin };
                let size = usize::from(SIZES[class & (SMALL - 1)]);
                // Every block that was cut is free if the rest is less than one.
                if used - usize::from(span.free[slab]) * size < size {
                    span.class[slab] = FREE;
                    any = true;
                    if cutting {
                        *cut = Cut::NONE;
                    }
                }
                span.free[slab] = 0;
            }
            at = span.next;
        }
        if any {
            for free in &mut self.free {
                free.retain(|block| {
                    let (span, slab) = place(block);
                    // SAFETY: as above: spans are released only after this.
                    unsafe { (*span).class[slab] != FREE }
                });
            }
            self.release(heap);
        }
        any
    }

    /// Gives the spans without a slab back, and lists the open ones anew.
    fn release<S: Source>(&mut self, heap: &mut Heap<S>) {
        let mut at = self.spans;
        self.spans = null_mut();
        self.open = null_mut();
        while !at.is_null() {
            // SAFETY: every span in the list is one of the heap's, adopted and not released, and this is the only reference.
            let span = unsafe { &mut *at };
            let next = span.next;
            if span.class.iter().all(|&class| class == FREE) {
                self.count -= 1;
                // SAFETY: the span came from the heap with this layout, and no slab of it is in use: no list holds a block of it.
                unsafe { heap.give(at.cast(), SPAN_LAYOUT) };
            } else {
                if span.class.contains(&FREE) {
                    span.next_open = self.open;
                    self.open = at;
                }
                span.next = self.spans;
                self.spans = at;
            }
            at = next;
        }
    }
}

/// Where a slab begins and ends in its span: the first one after the header, the last one before the heap's tag.
///
/// Chunks are aligned to their size, so the first one gives way to the header; and they leave their last bytes alone, so the last one may lie over the tag.
const fn bounds(slab: usize, class: usize) -> (usize, usize) {
    let chunks = class == CHUNKS;
    let first = if chunks { CHUNK } else { size_of::<Span>() };
    let begin = if slab == 0 { first } else { slab * SLAB };
    let end = if slab == SLABS - 1 && !chunks { SPAN_LAYOUT.size() } else { (slab + 1) * SLAB };
    (begin, end)
}

/// The class of the slab that a small block lies in.
///
/// # Safety
///
/// The block was popped or carved, and not pushed since.
#[inline]
pub(crate) unsafe fn class_of(block: *mut u8) -> usize {
    let (span, slab) = place(block);
    // SAFETY: a small block lies in an adopted span, which is not released while the block lives.
    usize::from(unsafe { (*span).class[slab] })
}

/// The span of a small block, and the number of its slab.
#[inline]
fn place(block: *mut u8) -> (*mut Span, usize) {
    let span = block.map_addr(|addr| addr & !(SPAN - 1)).cast::<Span>();
    (span, (block.addr() & (SPAN - 1)) / SLAB)
}
