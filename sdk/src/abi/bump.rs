//! Memory of one callback: values are put behind each other, stay where they are, and are freed
//! together.

use core::alloc::Layout;
use core::cell::{Cell, OnceCell, UnsafeCell};
use core::marker::PhantomData;
use core::mem::{MaybeUninit, needs_drop};
use core::ptr::{self, NonNull};
use core::slice;

use crate::error::{Error, Result};

/// The bytes of a [`Place`]: enough for the single edit of most filters, on a stack of 64 KiB.
const INLINE: usize = 128;
/// The size of the first block, its head included.
const FIRST: usize = 1 << 10;
/// The size up to which each block is twice as large as the one before.
const LARGEST: usize = 64 << 10;
/// The alignment of places and blocks.
const ALIGN: usize = 8;
/// The alignment of values. All sizes are multiples of it.
const WORD: usize = align_of::<usize>();
/// The limit below which the sum of two lengths does not wrap.
const LONG: usize = 1 << 16;

/// The first bytes of a [`Bump`], on the stack.
#[repr(align(8))]
#[allow(dead_code, reason = "reached by its address")]
struct Place(UnsafeCell<MaybeUninit<[u8; INLINE]>>);

/// A value that may be set once, and the memory that it has from then on. Before that, only its
/// absence is written.
///
/// The value is borrowed for `'p` where it is set, and the cell makes that lifetime the one of its
/// type. So neither the value nor the place moves again.
pub(crate) struct WithBump<'p, T> {
    value: OnceCell<(T, Bump<'p>)>,
    place: Place,
}

impl<'p, T> WithBump<'p, T> {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { value: OnceCell::new(), place: Place(UnsafeCell::new(MaybeUninit::uninit())) }
    }

    /// Returns the value and its memory, or `None` if the value is not set.
    #[inline]
    pub(crate) fn get(&self) -> Option<&(T, Bump<'p>)> {
        self.value.get()
    }

    /// Sets the value, unless it is set already, and returns the value that is set.
    #[inline]
    pub(crate) fn set(&'p self, value: T) -> Option<&'p (T, Bump<'p>)> {
        let start = NonNull::from(&self.place).cast::<u8>();
        // If there is a value already, this memory of the same place is dropped unused.
        let bump = Bump {
            next: Cell::new(start),
            // SAFETY: the place has this number of bytes.
            end: Cell::new(unsafe { start.add(INLINE) }),
            blocks: Blocks { newest: Cell::new(None), dropped: Cell::new(None) },
            place: PhantomData,
        };
        let _ = self.value.set((value, bump));
        self.value.get()
    }
}

/// Memory that is handed out piece by piece and freed whole, when the value is dropped.
///
/// Invariants:
///
/// - `newest` of its blocks is `None` or points to a block of `Head::layout(size)` that this value
///   alone owns, and so does the `older` of each block.
/// - The bytes from `next` to `end` lie in the place, or in the newest block if there is one, and
///   nobody has a reference to them: bytes are handed out once.
/// - `next` is aligned to `WORD`.
pub(crate) struct Bump<'p> {
    next: Cell<NonNull<u8>>,
    end: Cell<NonNull<u8>>,
    blocks: Blocks,
    place: PhantomData<&'p Place>,
}

/// The blocks of a [`Bump`]. They are apart from it, so that the dropped value does not refer to
/// the place: a value in the memory may point to itself.
struct Blocks {
    newest: Cell<Option<NonNull<Head>>>,
    /// The newest of the values that are dropped. Each lies in a block, so there are none without a
    /// block.
    dropped: Cell<Option<NonNull<Kept>>>,
}

/// The head before a value that is dropped.
struct Kept {
    older: Option<NonNull<Self>>,
    /// Drops the value.
    ///
    /// # Safety
    ///
    /// The function belongs to the value behind this head, which is dropped once.
    drop: unsafe fn(NonNull<Self>),
}

/// A value that is dropped, with its head. The head comes first, so that both have one address.
#[repr(C)]
struct WithHead<T> {
    head: Kept,
    value: T,
}

impl<T> WithHead<T> {
    /// Drops the value.
    ///
    /// # Safety
    ///
    /// The head is that of a `WithHead<T>`, whose value nobody uses any more.
    unsafe fn drop(head: NonNull<Kept>) {
        // SAFETY: by the contract the value is there.
        let value = unsafe { &raw mut (*head.cast::<Self>().as_ptr()).value };
        // SAFETY: by the contract the value is initialised, and nobody uses it any more.
        unsafe { value.drop_in_place() };
    }
}

/// The head at the start of a block.
#[repr(align(8))]
struct Head {
    older: Option<NonNull<Head>>,
    /// The size of the block, including this head.
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

/// Returns the next multiple of a word, or 0 above the last one.
const fn round_up(size: usize) -> usize {
    size.wrapping_add(WORD - 1) & !(WORD - 1)
}

impl<'p> Bump<'p> {
    /// Copies two texts into the memory, and moves the value that is made of the copies before
    /// them. The value is forgotten, not dropped.
    ///
    /// Returns `None` if there is no memory.
    #[inline]
    pub(crate) fn put<'a, T>(&'a self, [one, two]: [&[u8]; 2], make: impl FnOnce([&'a [u8]; 2]) -> T) -> Option<&'a T> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= WORD) };
        let start = if one.len() | two.len() < LONG {
            self.take(size_of::<T>() + one.len() + two.len())?
        } else {
            self.take_long(size_of::<T>(), one.len(), two.len())?
        };
        // SAFETY: the taken bytes have room for the value and both texts.
        let first = unsafe { start.add(size_of::<T>()) };
        // SAFETY: the taken bytes have room for the value and both texts.
        let second = unsafe { first.add(one.len()) };
        // SAFETY: `first` begins `one.len()` of the bytes that were taken just now.
        let one = unsafe { copy(one, first) };
        // SAFETY: the bytes from `second` on are as many as `two` has, and none of those before.
        let two = unsafe { copy(two, second) };
        let value = make([one, two]);
        let start = start.cast::<T>();
        // SAFETY: the bytes before the texts have the size and the alignment of a `T`, and nobody
        // has a reference to them.
        unsafe { start.write(value) };
        // SAFETY: the value is written just now, and nobody writes to it again as long as `self` is
        // borrowed, except through its own cells.
        Some(unsafe { start.as_ref() })
    }

    /// Moves a value into the memory, to be dropped together with it.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory.
    pub(crate) fn keep<T: 'static>(&self, value: T) -> Result<&T> {
        const { assert!(align_of::<WithHead<T>>() <= WORD) };
        let size = round_up(size_of::<WithHead<T>>());
        let place = if self.blocks.newest.get().is_none() { self.take_from_new(size) } else { self.take(size) };
        let place = place.ok_or(Error::out_of_memory(size))?.cast::<WithHead<T>>();
        let head = Kept { older: self.blocks.dropped.get(), drop: WithHead::<T>::drop };
        // SAFETY: the taken bytes have room for the value, at the alignment of a word, and nobody
        // has a reference to them.
        unsafe { place.write(WithHead { head, value }) };
        self.blocks.dropped.set(Some(place.cast()));
        // SAFETY: the value is written just now. It is dropped with `self`, and before that nobody
        // writes to it except through its own cells.
        Ok(&unsafe { place.as_ref() }.value)
    }

    /// Puts `count` copies of a value into the memory.
    ///
    /// # Errors
    ///
    /// Fails if there is no memory.
    pub(crate) fn fill<T: Clone>(&self, value: &T, count: usize) -> Result<&[T]> {
        const { assert!(!needs_drop::<T>() && align_of::<T>() <= WORD) };
        let size = size_of::<T>().checked_mul(count).ok_or(Error::out_of_memory(usize::MAX))?;
        let start = if size < LONG { self.take(size) } else { self.take_long(size, 0, 0) };
        let start = start.ok_or(Error::out_of_memory(size))?.cast::<T>();
        for index in 0..count {
            // SAFETY: the taken bytes have room for `count` values, and `index` is less than that.
            let place = unsafe { start.add(index) };
            // SAFETY: the place is aligned to a word, and nobody has a reference to it.
            unsafe { place.write(value.clone()) };
        }
        // SAFETY: all values are written just now, and nobody writes to them again as long as
        // `self` is borrowed, except through their own cells.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), count) })
    }

    /// Hands out `size` bytes, which are far fewer than all of memory.
    #[inline]
    fn take(&self, size: usize) -> Option<NonNull<u8>> {
        let size = round_up(size);
        let start = self.next.get();
        if self.end.get().addr().get() - start.addr().get() < size {
            return self.take_from_new(size);
        }
        // SAFETY: at least this number of bytes is left to the end.
        self.next.set(unsafe { start.add(size) });
        Some(start)
    }

    /// Hands out the sum of these sizes.
    #[cold]
    #[inline(never)]
    fn take_long(&self, value: usize, one: usize, two: usize) -> Option<NonNull<u8>> {
        let size = value.checked_add(one)?.checked_add(two)?.checked_next_multiple_of(WORD)?;
        self.take_from_new(size)
    }

    /// Hands out bytes of a new block, which is the newest from then on. The size is a multiple of
    /// a word.
    #[cold]
    #[inline(never)]
    fn take_from_new(&self, size: usize) -> Option<NonNull<u8>> {
        let older = self.blocks.newest.get();
        // SAFETY: by the first invariant it points to a block, whose head nobody writes to.
        let usual = older.map_or(FIRST, |head| (unsafe { head.as_ref() }.size * 2).min(LARGEST));
        let needed = size.checked_add(size_of::<Head>())?;
        let all = usual.max(needed);
        let layout = Head::layout(all)?;
        // SAFETY: the size is not zero: it has room for a head.
        let block = NonNull::new(unsafe { super::memory::allocate(layout) })?;
        let head = block.cast::<Head>();
        // SAFETY: the block is fresh, and has the size and the alignment of a head at least.
        unsafe { head.write(Head { older, size: all }) };
        self.blocks.newest.set(Some(head));
        // SAFETY: the block is at least `needed` bytes long, which include those of the head. The
        // end of the head is aligned as the block is.
        let start = unsafe { head.add(1) }.cast::<u8>();
        // SAFETY: by the size of the block, `size` bytes follow the head.
        self.next.set(unsafe { start.add(size) });
        // SAFETY: this is the end of the block.
        self.end.set(unsafe { block.add(all) });
        Some(start)
    }
}

/// Copies bytes to a place.
///
/// # Safety
///
/// The place has room for the bytes. For the time of `'a`, nobody has a reference to the place, or
/// writes to it.
#[inline]
unsafe fn copy<'a>(bytes: &[u8], to: NonNull<u8>) -> &'a [u8] {
    // SAFETY: by the contract there is room, and the ranges do not overlap: nobody has a reference
    // to the place.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) };
    // SAFETY: the bytes are written just now, and by the contract nobody writes to them again.
    unsafe { slice::from_raw_parts(to.as_ptr(), bytes.len()) }
}

impl Drop for Blocks {
    #[inline]
    fn drop(&mut self) {
        if self.newest.get().is_some() {
            self.free();
        }
    }
}

impl Blocks {
    #[cold]
    #[inline(never)]
    fn free(&mut self) {
        let mut dropped = self.dropped.take();
        while let Some(head) = dropped {
            // SAFETY: `keep` wrote a head there, in a block that is not freed yet.
            let Kept { older, drop } = unsafe { head.read() };
            // SAFETY: `keep` wrote the function for the value, and nobody borrows from `self`. The
            // list is taken, so the value is dropped only once.
            unsafe { drop(head) };
            dropped = older;
        }
        let mut newest = self.newest.take();
        while let Some(head) = newest {
            // SAFETY: by the first invariant it points to a block, and nobody borrows from `self`.
            let Head { older, size } = unsafe { head.read() };
            if let Some(layout) = Head::layout(size) {
                // SAFETY: the block was allocated with this layout, and is freed once: `newest` is
                // taken.
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
    use crate::__std::rc::Rc;

    #[test]
    fn what_is_put_stays_as_it_is_while_more_is_put() {
        let memory = WithBump::new();
        let (_, bump) = memory.set(()).unwrap();
        let mut kept = Vec::new();
        for number in 0..if cfg!(miri) { 100_usize } else { 3_000 } {
            let (one, two) = (vec![number as u8; number % 70], vec![!number as u8; number % 11]);
            let value = bump.put([&one, &two], |texts| (texts, Cell::new(number))).unwrap();
            let many = bump.fill(&Cell::new(number as u16), number % 5).unwrap();
            kept.push((one, two, value, many));
            value.1.set(number + 1);
        }
        for (number, (one, two, value, many)) in kept.iter().enumerate() {
            assert_eq!((value.0, value.1.get(), many.len()), ([&**one, two], number + 1, number % 5));
            assert!(many.iter().all(|each| each.get() == number as u16));
            assert!(core::ptr::from_ref(*value).is_aligned());
        }
    }

    #[test]
    fn what_is_larger_than_a_block_gets_one_of_its_size() {
        let memory = WithBump::new();
        let (_, bump) = memory.set(()).unwrap();
        let mut kept = Vec::new();
        for size in [0, 1, INLINE, INLINE + 1, FIRST - size_of::<Head>(), LARGEST, LONG - 1, LONG, 3 * LARGEST, 0, 7] {
            let bytes = vec![7; size];
            let first = bump.put([&bytes, b"x"], |texts| texts).unwrap();
            let second = bump.put([b"", &bytes], |texts| texts).unwrap();
            // Miri takes a step for each byte that is filled in.
            if !cfg!(miri) || size < LARGEST {
                assert_eq!(bump.fill(&7_u8, size).unwrap(), bytes);
            }
            kept.push((bytes, first, second));
        }
        for (bytes, first, second) in &kept {
            assert_eq!((**first, **second), ([&**bytes, b"x"], [&b""[..], bytes]));
        }
    }

    #[test]
    fn a_size_that_cannot_be_is_an_error() {
        let memory = WithBump::new();
        let (_, bump) = memory.set(()).unwrap();
        assert!(bump.fill(&1_u64, usize::MAX).unwrap_err().is_out_of_memory());
        assert!(bump.fill(&1_u8, usize::MAX - 1).unwrap_err().is_out_of_memory());
        for sizes in [[usize::MAX, 1, 0], [8, usize::MAX, 1], [isize::MAX as usize, isize::MAX as usize, 3], [1; 3]] {
            let [value, one, two] = sizes;
            assert_eq!(bump.take_long(value, one, two).is_some(), sizes == [1; 3], "{sizes:?}");
        }
        assert_eq!(bump.put([b"after", b"it"], |texts| texts), Some(&[&b"after"[..], b"it"]));
    }

    #[test]
    fn what_is_kept_is_dropped_with_the_memory_and_stays_until_then() {
        let counted = Rc::new(());
        {
            let memory = WithBump::new();
            let (_, bump) = memory.set(Rc::clone(&counted)).unwrap();
            let kept: Vec<_> = (0..100).map(|number| bump.keep((number, Rc::clone(&counted))).unwrap()).collect();
            bump.keep([Box::new(7_u8); 1]).unwrap();
            bump.put([&[1; FIRST], b""], |_| ()).unwrap();
            assert!(kept.iter().enumerate().all(|(number, kept)| kept.0 == number));
            assert_eq!(Rc::strong_count(&counted), 102);
        }
        assert_eq!(Rc::strong_count(&counted), 1);
    }

    #[test]
    fn a_value_is_set_once() {
        let memory = WithBump::new();
        assert!(memory.get().is_none());
        let (first, bump) = memory.set(1).unwrap();
        let text = bump.put([b"text", b""], |texts| texts).unwrap();
        let (second, again) = memory.set(2).unwrap();
        again.put([&[0; 64], b""], |_| ()).unwrap();
        assert_eq!((*first, *second, text[0]), (1, 1, &b"text"[..]));
    }

    #[test]
    fn the_bytes_of_its_place_are_used_first() {
        let memory = WithBump::new();
        let (_, bump) = memory.set(()).unwrap();
        let all = bump.put([&[1; INLINE], b""], |_| ()).unwrap();
        assert!(bump.blocks.newest.get().is_none());
        bump.put([b"", b""], |_| ()).unwrap();
        assert!(bump.blocks.newest.get().is_none());
        bump.put([b"x", b""], |_| ()).unwrap();
        assert!(bump.blocks.newest.get().is_some());
        assert_eq!(all, &());
    }
}
