//! A fixed place for the bytes of edits that wait: they are appended, read in place, and cleared, and views of them outlive the edits.

use core::cell::{Cell, UnsafeCell};
use core::marker::PhantomData;
use core::ops::Deref;
use core::{ptr, slice};

crate::__vm_local! {
    static LEDGER: Ledger = Ledger::new();
}

/// How many bytes a ledger holds.
pub(crate) const SIZE: usize = 4 << 10;

/// Bytes in the order in which they were appended. It takes no memory but its own, and an append neither moves nor changes what is there.
struct Ledger {
    /// Written from `len` on only, so that the bytes before it can be read meanwhile.
    bytes: UnsafeCell<[u8; SIZE]>,
    /// Goes down only while there are no readers.
    len: Cell<usize>,
    readers: Cell<usize>,
}

/// Where a part of a ledger's bytes is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    start: u16,
    len: u16,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, len: 0 };

    /// These of a ledger's bytes; none, if it was cleared.
    #[inline]
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let start = usize::from(self.start);
        bytes.get(start..start + usize::from(self.len)).unwrap_or_default()
    }
}

impl Ledger {
    const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; SIZE]), len: Cell::new(0), readers: Cell::new(0) }
    }

    /// Appends two parts, or nothing if they do not fit.
    #[inline]
    fn append(&self, name: &[u8], value: &[u8]) -> Option<[Span; 2]> {
        // Each of the two is less than half of the address space.
        let fits = name.len().saturating_add(value.len()) <= SIZE - self.len.get();
        fits.then(|| [name, value].map(|part| self.append_fitting(part)))
    }

    #[inline]
    fn append_fitting(&self, part: &[u8]) -> Span {
        let start = self.len.get();
        debug_assert!(part.len() <= SIZE - start, "who calls has seen that it fits");
        // SAFETY: `len` is at most `SIZE`, as what is added to it fits.
        let to = unsafe { self.bytes.get().cast::<u8>().add(start) };
        // SAFETY: the part fits. Nobody has a reference to these bytes: `bytes` gives the ones before `len` only. For the same reason
        // `part` does not overlap them.
        unsafe { ptr::copy_nonoverlapping(part.as_ptr(), to, part.len()) };
        self.len.set(start + part.len());
        #[allow(clippy::cast_possible_truncation, reason = "neither is more than `SIZE`")]
        Span { start: start as u16, len: part.len() as u16 }
    }

    /// Someone reads from now on, and `append` and `clear` leave all bytes where and as they are.
    #[inline]
    fn hold(&self) {
        self.readers.set(self.readers.get() + 1);
    }

    /// They no longer do.
    #[inline]
    fn let_go(&self) {
        self.readers.set(self.readers.get() - 1);
    }

    /// All bytes.
    ///
    /// # Safety
    ///
    /// From [`hold`](Self::hold) on to after the last use of them nobody lets them go, and the ledger lives.
    #[inline]
    unsafe fn bytes<'a>(&self) -> &'a [u8] {
        // SAFETY: `len` bytes are inside of the array. Nobody writes to them while there is a reader: `append` writes behind them, and `len` goes down in
        // `clear` only, which does nothing then.
        unsafe { slice::from_raw_parts(self.bytes.get().cast::<u8>(), self.len.get()) }
    }

    /// Forgets all bytes, unless someone reads them.
    #[inline]
    fn clear(&self) {
        if self.readers.get() == 0 {
            self.len.set(0);
        }
    }
}

/// Appends two parts, or nothing if they do not fit.
#[inline]
pub(crate) fn append(name: &[u8], value: &[u8]) -> Option<[Span; 2]> {
    LEDGER.with(|ledger| ledger.append(name, value))
}

/// Gives all bytes to a function. It may append; what it clears stays.
#[inline]
pub(crate) fn read<R>(with: impl FnOnce(&[u8]) -> R) -> R {
    Holder::with((), |holder| with(holder.bytes()))
}

/// Forgets all bytes, unless someone reads or holds them.
#[inline]
pub(crate) fn clear() {
    LEDGER.with(Ledger::clear);
}

/// A value beside which the bytes may be viewed: from the first view on it holds all of them.
// In this order: most values begin with a zero, and the two are one store.
#[repr(C)]
pub(crate) struct Holder<T> {
    /// 1 if it holds them, else 0: a word is read with one instruction less than a flag.
    holds: Cell<usize>,
    beside: T,
    /// It is of one thread, whose ledger it holds.
    thread: PhantomData<*const ()>,
}

impl<T> Holder<T> {
    /// Makes one for a function. So it is gone before its thread is, and with it the ledger.
    #[inline]
    pub(crate) fn with<R>(beside: T, with: impl FnOnce(&Self) -> R) -> R {
        with(&Self { holds: Cell::new(0), beside, thread: PhantomData })
    }

    /// All bytes, which stay as long as the holder does.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        LEDGER.with(|ledger| {
            if self.holds.replace(1) == 0 {
                ledger.hold();
            }
            // SAFETY: they are held until the holder is dropped, as whoever else lets go has held too. It is on the stack of the thread that the ledger belongs to.
            unsafe { ledger.bytes() }
        })
    }
}

impl<T> Deref for Holder<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.beside
    }
}

impl<T> Drop for Holder<T> {
    #[inline]
    fn drop(&mut self) {
        if self.holds.get() != 0 {
            LEDGER.with(Ledger::let_go);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stays_while_more_is_appended_and_all_is_cleared() {
        clear();
        append(b"name", b"").unwrap();
        read(|bytes| {
            append(b"", b"value").unwrap();
            clear();
            assert_eq!(bytes, b"name");
        });
        read(|bytes| assert_eq!(bytes, b"namevalue"));
        clear();
        read(|bytes| assert_eq!(bytes, b""));
    }

    #[test]
    fn what_is_viewed_stays_until_the_last_holder_is_gone() {
        clear();
        let [name, value] = append(b"name", b"value").unwrap();
        Holder::with((), |outer| {
            Holder::with((), |inner| {
                let view = value.of(inner.bytes());
                clear();
                append(b"x", b"y").unwrap();
                assert_eq!(view, b"value");
                assert_eq!(name.of(outer.bytes()), b"name");
            });
            clear();
            assert_eq!(outer.bytes(), b"namevaluexy");
        });
        clear();
        assert_eq!(append(b"", b"").unwrap()[0], Span::EMPTY, "it begins again");
    }

    #[test]
    fn it_is_full_to_the_byte() {
        clear();
        assert_eq!(append(&[1; SIZE], b"0"), None);
        assert_eq!(append(&[1; SIZE], &[1; SIZE]), None);
        let [_, last] = append(&[1; SIZE - 2], &[2; 2]).unwrap();
        assert_eq!(append(b"", b"3"), None);
        read(|bytes| assert_eq!((bytes.len(), last.of(bytes)), (SIZE, &[2, 2][..])));
        clear();
    }
}
