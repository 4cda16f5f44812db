//! Memory of one callback: values are put behind each other, stay where they are, and go together.

use core::alloc::Layout;
use core::cell::{Cell, UnsafeCell};
use core::mem::{MaybeUninit, needs_drop};
use core::ptr::{self, NonNull};
use core::slice;

use crate::error::{Error, Result};

/// The bytes that a [`Bump`] has without a block: enough for the one edit of most filters, on a stack of 64 KiB.
const INLINE: usize = 128;
/// The size of the first block, its head included.
const FIRST: usize = 1 << 10;
/// The size up to which each block is twice as large as the one before.
const LARGEST: usize = 64 << 10;
/// The alignment of blocks, and the largest of a value.
const ALIGN: usize = 8;

/// Memory that is handed out piece by piece and given back whole, when the value is dropped.
///
/// Invariants:
///
/// - `newest` is `None` or points to a block of `block::layout(size)` that this value alone owns, and so does the `older` of each block.
/// - The first `used` bytes of the place in use are handed out: of `inline` as long as there is no block, else of the newest block, its head
///   included. They are never handed out again.
pub(crate) struct Bump {
    inline: UnsafeCell<Inline>,
    used: Cell<usize>,
    newest: Cell<Option<NonNull<Head>>>,
}

#[repr(align(8))]
struct Inline(#[allow(dead_code, reason = "reached by its address")] [MaybeUninit<u8>; INLINE]);

/// What stands at the start of a block.
#[repr(align(8))]
struct Head {
    older: Option<NonNull<Head>>,
    /// The size of the block, this head included.
    size: usize,
}

impl Head {
    const fn layout(size: usize) -> Option<Layout> {
        match Layout::from_size_align(size, ALIGN) {
            Ok(layout) => Some(layout),
            Err(_) => None,
        }
    }
}

impl Bump {
    pub(crate) const fn new() -> Self {
        Self {
            inline: UnsafeCell::new(Inline([MaybeUninit::uninit(); INLINE])),
            used: Cell::new(0),
            newest: Cell::new(None),
        }
    }

    /// Copies bytes to here.
    ///
    /// # Errors
    ///
    /// If there is no memory for them.
    #[inline]
    pub(crate) fn copy(&self, bytes: &[u8]) -> Result<&[u8]> {
        let to = self.take(bytes.len(), 1)?;
        // SAFETY: `take` gave as many bytes, which nobody has a reference to: so `bytes` does not overlap them.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
        // SAFETY: they are written just now, and nobody writes to them again as long as `self` is borrowed: bytes are handed out once.
        Ok(unsafe { slice::from_raw_parts(to.as_ptr(), bytes.len()) })
    }

    /// Moves a value to here. It is forgotten, not dropped.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    #[inline]
    pub(crate) fn put<T>(&self, value: T) -> Result<&T> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= ALIGN) };
        let to = self.take(size_of::<T>(), align_of::<T>())?.cast::<T>();
        // SAFETY: `take` gave the size and the alignment of a `T`, which nobody has a reference to.
        unsafe { to.write(value) };
        // SAFETY: it is written just now, and nobody writes to it again as long as `self` is borrowed, but through its own cells.
        Ok(unsafe { to.as_ref() })
    }

    /// Puts as many copies of a value here.
    ///
    /// # Errors
    ///
    /// If there is no memory for them.
    pub(crate) fn fill<T: Clone>(&self, value: &T, count: usize) -> Result<&[T]> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= ALIGN) };
        let size = size_of::<T>().checked_mul(count).ok_or(Error::out_of_memory(usize::MAX))?;
        let start = self.take(size, align_of::<T>())?.cast::<T>();
        for index in 0..count {
            // SAFETY: `take` gave the size of as many, and `index` is less than that.
            let place = unsafe { start.add(index) };
            // SAFETY: the place is aligned as `take` was told, and nobody has a reference to it.
            unsafe { place.write(value.clone()) };
        }
        // SAFETY: all are written just now, and nobody writes to them again as long as `self` is borrowed, but through their own cells.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), count) })
    }

    /// Hands out bytes at this alignment, a power of two of at most [`ALIGN`].
    #[inline]
    fn take(&self, size: usize, align: usize) -> Result<NonNull<u8>> {
        let (start, capacity) = self.place();
        // At most `LARGEST + ALIGN`, or the size of a block.
        let at = (self.used.get() + align - 1) & !(align - 1);
        if capacity.checked_sub(at).is_some_and(|left| size <= left) {
            self.used.set(at + size);
            // SAFETY: `at` is at most the capacity of the place.
            return Ok(unsafe { start.add(at) });
        }
        self.take_from_new(size)
    }

    /// Where the place in use starts, and how large it is.
    #[inline]
    fn place(&self) -> (NonNull<u8>, usize) {
        match self.newest.get() {
            // SAFETY: by the first invariant it points to a block, whose head nobody writes to.
            Some(head) => (head.cast(), unsafe { head.as_ref() }.size),
            None => (NonNull::from(&self.inline).cast(), INLINE),
        }
    }

    /// Hands out bytes of a new block, which is the newest from then on.
    #[cold]
    #[inline(never)]
    fn take_from_new(&self, size: usize) -> Result<NonNull<u8>> {
        let older = self.newest.get();
        let usual = if older.is_none() { FIRST } else { (self.place().1 * 2).min(LARGEST) };
        let needed = size.saturating_add(size_of::<Head>());
        let size = usual.max(needed);
        let layout = Head::layout(size).ok_or(Error::out_of_memory(size))?;
        // SAFETY: the size is not zero: it has room for a head.
        let block = unsafe { super::memory::allocate(layout) };
        let head = NonNull::new(block).ok_or(Error::out_of_memory(size))?.cast::<Head>();
        // SAFETY: the block is fresh, and has the size and the alignment of a head at least.
        unsafe { head.write(Head { older, size }) };
        self.newest.set(Some(head));
        self.used.set(needed);
        // SAFETY: the block is at least `needed` bytes long, which the head's are among. Its end is aligned as the block is.
        Ok(unsafe { head.add(1) }.cast())
    }
}

impl Drop for Bump {
    #[inline]
    fn drop(&mut self) {
        if self.newest.get().is_some() {
            self.free();
        }
    }
}

impl Bump {
    #[cold]
    #[inline(never)]
    fn free(&mut self) {
        let mut newest = self.newest.take();
        while let Some(head) = newest {
            // SAFETY: by the first invariant it points to a block, and nobody borrows from `self`.
            let Head { older, size } = unsafe { head.read() };
            if let Some(layout) = Head::layout(size) {
                // SAFETY: the block was allocated with this layout, and is freed once: `newest` is taken.
                unsafe { alloc::alloc::dealloc(head.as_ptr().cast(), layout) };
            }
            newest = older;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::prelude::v1::*;

    #[test]
    fn what_is_put_stays_as_it_is_while_more_is_put() {
        let bump = Bump::new();
        let mut kept = Vec::new();
        for number in 0..if cfg!(miri) { 100_usize } else { 3_000 } {
            let bytes = vec![number as u8; number % 70];
            let cell = bump.put(Cell::new(number)).unwrap();
            let many = bump.fill(&Cell::new(number as u16), number % 5).unwrap();
            kept.push((bump.copy(&bytes).unwrap(), bytes, cell, many));
            cell.set(number + 1);
        }
        for (number, (copy, bytes, cell, many)) in kept.iter().enumerate() {
            assert_eq!((*copy, cell.get(), many.len()), (&**bytes, number + 1, number % 5));
            assert!(many.iter().all(|each| each.get() == number as u16));
            assert!(core::ptr::from_ref(*cell).is_aligned());
        }
    }

    #[test]
    fn what_is_larger_than_a_block_gets_one_of_its_size() {
        let bump = Bump::new();
        for size in [0, 1, INLINE, INLINE + 1, FIRST - size_of::<Head>(), LARGEST, 3 * LARGEST, 0, 7] {
            let bytes = vec![7; size];
            assert_eq!(bump.copy(&bytes).unwrap(), bytes);
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_an_error() {
        let bump = Bump::new();
        assert!(bump.fill(&1_u64, usize::MAX).unwrap_err().is_out_of_memory());
        assert!(bump.fill(&1_u8, usize::MAX - 1).unwrap_err().is_out_of_memory());
        assert_eq!(bump.copy(b"after").unwrap(), b"after");
    }

    #[test]
    fn the_bytes_of_its_own_are_used_first() {
        let bump = Bump::new();
        let all = bump.copy(&[1; INLINE]).unwrap();
        assert!(bump.newest.get().is_none());
        assert_eq!(bump.copy(b"").unwrap(), b"");
        assert!(bump.newest.get().is_none());
        bump.copy(b"x").unwrap();
        assert!(bump.newest.get().is_some());
        assert_eq!(all, [1; INLINE]);
    }
}
