//! A buffer in which bytes are put together.

use alloc::boxed::Box;
use core::fmt::{self, Write};

use crate::abi::try_slice;
use crate::error::{Error, Result};

/// A buffer in which bytes are put together, on the stack and then on the heap. It never traps.
pub(crate) struct Buffer {
    short: [u8; Self::SHORT],
    long: Option<Box<[u8]>>,
    len: usize,
}

impl Buffer {
    const SHORT: usize = 256;

    pub(crate) const fn new() -> Self {
        Self { short: [0; Self::SHORT], long: None, len: 0 }
    }

    fn space(&mut self) -> &mut [u8] {
        self.long.as_deref_mut().unwrap_or(&mut self.short)
    }

    pub(crate) fn written(&self) -> &[u8] {
        let bytes: &[u8] = self.long.as_deref().unwrap_or(&self.short);
        bytes.get(..self.len).unwrap_or_default()
    }

    fn grow(&mut self, needed: usize) -> fmt::Result {
        let size = needed.max(self.space().len().saturating_mul(2));
        let mut long = try_slice(size, || 0).map_err(|_| fmt::Error)?;
        for (to, from) in long.iter_mut().zip(self.written()) {
            *to = *from;
        }
        self.long = Some(long);
        Ok(())
    }

    /// Appends bytes. Fails only if the SDK is out of memory. Then nothing is appended.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> fmt::Result {
        let (start, end) = (self.len, self.len.saturating_add(bytes.len()));
        if end > self.space().len() {
            self.grow(end)?;
        }
        // Split by the length that is copied, so that the compiler sees that both lengths are
        // equal.
        let free = self.space().get_mut(start..).ok_or(fmt::Error)?;
        let (to, _) = free.split_at_mut_checked(bytes.len()).ok_or(fmt::Error)?;
        to.copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }

    /// Appends bytes, as [`push`](Self::push) does, with the out-of-memory error for callers that
    /// return it.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.push(bytes).map_err(|_| Error::out_of_memory(self.len.saturating_add(bytes.len())))
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes())
    }
}
