//! A buffer of bytes that wait for further bytes.

use alloc::boxed::Box;

use crate::abi::try_slice;
use crate::error::Result;

/// A buffer whose bytes are appended at the end and taken from the front. Each byte is copied a
/// bounded number of times: the block doubles when it is full, and bytes move to its front only
/// when at least as many bytes were taken from there.
pub(super) struct Carry {
    block: Option<Box<[u8]>>,
    start: usize,
    end: usize,
    #[cfg(test)]
    copied: usize,
}

impl Carry {
    pub(super) const fn new() -> Self {
        Self {
            block: None,
            start: 0,
            end: 0,
            #[cfg(test)]
            copied: 0,
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.block.as_deref().and_then(|block| block.get(self.start..self.end)).unwrap_or_default()
    }

    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Appends bytes. If the SDK is out of memory, nothing is appended.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.make_room(bytes.len())?;
        let end = self.end + bytes.len();
        if let Some(to) = self.block.as_deref_mut().and_then(|block| block.get_mut(self.end..end)) {
            to.copy_from_slice(bytes);
            self.end = end;
            self.count(bytes.len());
        }
        Ok(())
    }

    fn make_room(&mut self, more: usize) -> Result<()> {
        let (len, size) = (self.len(), self.block.as_deref().map_or(0, <[u8]>::len));
        if size - self.end >= more {
            return Ok(());
        }
        if self.start >= len && size - len >= more {
            if let Some(block) = self.block.as_deref_mut() {
                block.copy_within(self.start..self.end, 0);
            }
        } else {
            let mut block = try_slice(len.saturating_add(more).max(size.saturating_mul(2)), || 0)?;
            if let Some(to) = block.get_mut(..len) {
                to.copy_from_slice(self.bytes());
            }
            self.block = Some(block);
        }
        self.count(len);
        (self.start, self.end) = (0, len);
        Ok(())
    }

    /// Removes bytes from the front.
    pub(super) fn consume(&mut self, size: usize) {
        self.start = self.start.saturating_add(size).min(self.end);
        self.give_back();
    }

    /// Removes bytes from the end, so that `len` bytes are left.
    pub(super) fn truncate(&mut self, len: usize) {
        self.end = self.end.min(self.start.saturating_add(len));
        self.give_back();
    }

    /// Frees the block if no bytes are left.
    fn give_back(&mut self) {
        if self.start == self.end {
            self.block = None;
            (self.start, self.end) = (0, 0);
        }
    }

    #[cfg(test)]
    fn count(&mut self, copied: usize) {
        self.copied += copied;
    }

    #[cfg(not(test))]
    const fn count(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Returns how many bytes were copied, for parts of this size of which a closure takes some
    /// bytes.
    fn copied(parts: usize, size: usize, taken: impl Fn(usize) -> usize) -> usize {
        let part: Vec<u8> = (0..=u8::MAX).cycle().take(size).collect();
        let mut carry = Carry::new();
        for _ in 0..parts {
            carry.append(&part).expect("there is memory");
            carry.consume(taken(carry.len()));
        }
        carry.copied
    }

    #[test]
    fn each_byte_is_copied_a_bounded_number_of_times() {
        type Taker = fn(usize) -> usize;
        let takers: [(&str, Taker); 4] = [
            ("nothing", |_| 0),
            ("a byte", |_| 1),
            ("all but a kilobyte", |len| len.saturating_sub(1 << 10)),
            ("half", |len| len / 2),
        ];
        for (name, taken) in takers {
            for size in [1, 100, 16 << 10] {
                let (few, many) = (copied(64, size, taken), copied(512, size, taken));
                assert!(many <= 512 * size * 4, "{name}, parts of {size}: {many}");
                assert!(many <= few * 9, "{name}, parts of {size}: {few} for n, {many} for 8n");
            }
        }
    }

    #[test]
    fn what_is_left_is_what_was_not_taken() {
        let (mut carry, mut model) = (Carry::new(), Vec::new());
        for step in 0..2000_usize {
            let more: Vec<u8> = (0..step * 7 % 50).map(|at| (at * step % 251) as u8).collect();
            carry.append(&more).expect("there is memory");
            model.extend(&more);
            match step % 3 {
                0 => {
                    let taken = (step * 13 % 90).min(model.len());
                    carry.consume(step * 13 % 90);
                    model.drain(..taken);
                }
                1 if step % 5 == 0 => {
                    carry.truncate(model.len() / 2);
                    model.truncate(model.len() / 2);
                }
                _ => {}
            }
            assert_eq!(carry.bytes(), model, "{step}");
            assert_eq!(carry.block.is_some(), !model.is_empty());
        }
    }
}
