//! A fixed place for bytes that are appended, read in place, and cleared.

use core::cell::{Cell, UnsafeCell};
use core::ptr;

/// How many bytes a ledger holds.
pub(crate) const LEDGER: usize = 4 << 10;

/// Bytes in the order in which they were appended. It takes no memory but its own, and an append neither moves nor changes what is there.
pub(crate) struct Ledger {
    /// Written from `len` on only, so that the bytes before it can be read meanwhile.
    bytes: UnsafeCell<[u8; LEDGER]>,
    /// Goes down only while there are no readers.
    len: Cell<usize>,
    readers: Cell<usize>,
}

impl Ledger {
    pub(crate) const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; LEDGER]), len: Cell::new(0), readers: Cell::new(0) }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.len.get()
    }

    /// Appends three parts, or nothing if they do not fit.
    #[inline]
    pub(crate) fn append(&self, head: [u8; 8], name: &[u8], value: &[u8]) -> bool {
        // Each of the two is less than half of the address space.
        let size = name.len().saturating_add(value.len()).saturating_add(head.len());
        if size > LEDGER - self.len.get() {
            return false;
        }
        for part in [&head[..], name, value] {
            let len = self.len.get();
            // SAFETY: `len` is at most `LEDGER`, as `size` bytes from the first `len` on fit.
            let to = unsafe { self.bytes.get().cast::<u8>().add(len) };
            // SAFETY: the part fits, as before. Nobody has a reference to these bytes: `read` gives the ones before `len` only. For the same
            // reason `part` does not overlap them.
            unsafe { ptr::copy_nonoverlapping(part.as_ptr(), to, part.len()) };
            self.len.set(len + part.len());
        }
        true
    }

    /// Gives all bytes to a function. It may append; what it clears stays.
    #[inline]
    pub(crate) fn read<R>(&self, with: impl FnOnce(&[u8]) -> R) -> R {
        let _reader = Reader::of(&self.readers);
        let bytes = ptr::slice_from_raw_parts(self.bytes.get().cast::<u8>(), self.len.get());
        // SAFETY: `len` bytes are inside of the array. Nobody writes to them while there is a reader: `append` writes behind them, and `len`
        // goes down in `clear` only, which does nothing then.
        with(unsafe { &*bytes })
    }

    /// Forgets all bytes, unless someone reads them.
    #[inline]
    pub(crate) fn clear(&self) {
        if self.readers.get() == 0 {
            self.len.set(0);
        }
    }
}

/// Someone who reads.
struct Reader<'a>(&'a Cell<usize>);

impl<'a> Reader<'a> {
    fn of(readers: &'a Cell<usize>) -> Self {
        readers.set(readers.get() + 1);
        Self(readers)
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stays_while_more_is_appended_and_all_is_cleared() {
        let ledger = Ledger::new();
        assert!(ledger.append(*b"12345678", b"name", b""));
        ledger.read(|bytes| {
            assert!(ledger.append(*b"abcdefgh", b"", b"value"));
            ledger.clear();
            assert_eq!(bytes, b"12345678name");
        });
        ledger.read(|bytes| assert_eq!(bytes, b"12345678nameabcdefghvalue"));
        ledger.clear();
        assert_eq!(ledger.len(), 0);
    }

    #[test]
    fn it_is_full_to_the_byte() {
        let ledger = Ledger::new();
        assert!(!ledger.append([0; 8], &[1; LEDGER - 7], b""));
        assert!(!ledger.append([0; 8], &[1; LEDGER], &[1; LEDGER]));
        assert!(ledger.append([0; 8], &[1; LEDGER - 10], &[2; 2]));
        assert_eq!(ledger.len(), LEDGER);
        assert!(!ledger.append([0; 8], b"", b""));
        ledger.read(|bytes| assert_eq!(bytes[LEDGER - 2..], [2, 2]));
    }
}
