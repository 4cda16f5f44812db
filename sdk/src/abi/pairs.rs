//! Serialised pairs: `u32` count, then the two `u32` lengths of each pair, then each name and value with a zero byte after it. All in little endian.

use super::HostBytes;

/// The bytes before the first length.
const COUNT: usize = 4;
/// The bytes of the lengths of one pair.
const LENGTHS: usize = 8;

/// A block of pairs whose lengths add up to its size.
///
/// Invariant, held by [`Pairs::check`] and never changed, as nobody can write to the block any more: the block is empty and `len` is 0, or
/// `COUNT + len * LENGTHS + Σ (name + value + 2)` is exactly its size. So a walk in order needs no check of its own.
pub(crate) struct Pairs {
    block: HostBytes,
    len: usize,
}

impl Pairs {
    /// Checks a block of the host's. No bytes and a single zero byte are no pairs. The zero bytes between the parts are not looked at.
    pub(crate) fn check(block: HostBytes) -> Result<Self, &'static str> {
        if block.is_empty() || *block == *b"\0" {
            return Ok(Self { block: HostBytes::EMPTY, len: 0 });
        }
        let (count, rest) = block.split_first_chunk::<COUNT>().ok_or("too short for a count")?;
        let len = u32::from_le_bytes(*count) as usize;
        let lengths = len.checked_mul(LENGTHS).ok_or("more pairs than memory holds")?;
        let (lengths, body) = rest.split_at_checked(lengths).ok_or("too short for its lengths")?;
        // 64 bits hold the sum of as many 32-bit lengths as fit in memory, and of two bytes for each pair.
        let (lengths, _) = lengths.as_chunks::<LENGTHS>();
        let mut size = len as u64 * 2;
        for pair in lengths {
            let pair = u64::from_le_bytes(*pair);
            size += (pair & u64::from(u32::MAX)) + (pair >> 32);
        }
        if size > body.len() as u64 {
            return Err("too short for its pairs");
        }
        if size < body.len() as u64 {
            return Err("bytes after its pairs");
        }
        Ok(Self { block, len })
    }

    /// How many pairs there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The size of the block.
    pub(crate) fn encoded_len(&self) -> usize {
        self.block.len()
    }

    /// All pairs, in order.
    #[inline]
    pub(crate) fn iter(&self) -> PairsIter<'_> {
        PairsIter { block: &self.block, at: COUNT, body: COUNT + self.len * LENGTHS, left: self.len }
    }
}

/// A walk over [`Pairs`].
///
/// Invariant: `left` pairs of lengths stand at `at` of `block`, and their parts, each followed by a zero byte, from `body` to its end.
#[derive(Clone, Debug)]
pub(crate) struct PairsIter<'a> {
    block: &'a [u8],
    at: usize,
    body: usize,
    left: usize,
}

impl<'a> PairsIter<'a> {
    /// The number at an offset of the lengths.
    ///
    /// # Safety
    ///
    /// Four bytes of the block lie at the offset.
    #[inline]
    unsafe fn length(&self, at: usize) -> usize {
        // SAFETY: the caller promises that the bytes are inside of the block.
        let start = unsafe { self.block.as_ptr().add(at) };
        // SAFETY: likewise, and an array of bytes is aligned anywhere.
        u32::from_le_bytes(unsafe { start.cast::<[u8; 4]>().read() }) as usize
    }

    /// The next pair, and a step on.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: a pair of lengths stands at `at`, by the invariant.
        let name_len = unsafe { self.length(self.at) };
        // SAFETY: likewise.
        let value_len = unsafe { self.length(self.at + 4) };
        let (name_at, value_at) = (self.body, self.body + name_len + 1);
        debug_assert!(value_at + value_len < self.block.len(), "the invariant of `Pairs`");
        // SAFETY: by the invariant this pair's parts, with a byte after each, lie from `body` on inside of the block.
        let name = unsafe { self.block.get_unchecked(name_at..name_at + name_len) };
        // SAFETY: likewise.
        let value = unsafe { self.block.get_unchecked(value_at..value_at + value_len) };
        // What is left begins after the lengths and the parts of this pair, so the invariant holds for it.
        self.at += LENGTHS;
        self.body = value_at + value_len + 1;
        Some((name, value))
    }

    pub(crate) const fn left(&self) -> usize {
        self.left
    }
}
