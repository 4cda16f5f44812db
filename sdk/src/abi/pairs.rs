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
    #[inline]
    pub(crate) fn check(block: HostBytes) -> Result<Self, &'static str> {
        if block.is_empty() || *block == *b"\0" {
            return Ok(Self { block: HostBytes::EMPTY, len: 0 });
        }
        let (count, rest) = block.split_first_chunk::<COUNT>().ok_or("too short for a count")?;
        let len = u32::from_le_bytes(*count) as usize;
        let lengths = len.checked_mul(LENGTHS).ok_or("more pairs than memory holds")?;
        let (lengths, body) = rest.split_at_checked(lengths).ok_or("too short for its lengths")?;
        let size = len as u64 * 2 + sum(lengths.as_chunks().0);
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

/// The sum of all lengths: 64 bits hold that of as many 32-bit numbers as fit in memory.
#[inline]
fn sum(pairs: &[[u8; LENGTHS]]) -> u64 {
    let (eights, rest) = pairs.as_chunks();
    let sum = eights.iter().fold(0, |sum: u64, eight| sum.wrapping_add(sum_of_eight(eight)));
    rest.iter().fold(sum, |sum, pair| sum.wrapping_add(sum_of_pair(pair)))
}

/// Not inlined: the compiler would count the addresses up within its loop, and make two instructions more for each length.
#[inline(never)]
fn sum_of_eight(pairs: &[[u8; LENGTHS]; 8]) -> u64 {
    pairs.iter().fold(0, |sum: u64, pair| sum.wrapping_add(sum_of_pair(pair)))
}

#[inline]
fn sum_of_pair(pair: &[u8; LENGTHS]) -> u64 {
    let (lengths, _) = pair.as_chunks();
    lengths.iter().fold(0, |sum: u64, length| sum.wrapping_add(u64::from(u32::from_le_bytes(*length))))
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

    /// The value of the next pair of a name, compared without case, and a step past it. Not inlined: a filter looks for many names.
    #[inline(never)]
    pub(crate) fn find(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        while let Some((found, value)) = self.next() {
            if found.eq_ignore_ascii_case(name) {
                return Some(value);
            }
        }
        None
    }

    pub(crate) const fn left(&self) -> usize {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::prelude::v1::*;

    /// A block as the host would write it, from its count, its lengths and its body.
    fn checked(count: u32, lengths: &[u32], body: &[u8]) -> Result<usize, &'static str> {
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
        bytes.extend(body);
        check(&bytes)
    }

    fn check(bytes: &[u8]) -> Result<usize, &'static str> {
        Pairs::check(HostBytes::own(bytes.into())).map(|pairs| {
            let mut walk = pairs.iter();
            while walk.next().is_some() {}
            assert_eq!((walk.left(), pairs.iter().left()), (0, pairs.len()));
            pairs.len()
        })
    }

    #[test]
    fn what_hosts_send_for_an_empty_map_is_one() {
        for empty in [&b""[..], b"\0", b"\0\0\0\0"] {
            assert_eq!(check(empty), Ok(0), "{empty:?}");
        }
    }

    #[test]
    fn lengths_leave_out_the_zero_bytes_which_are_not_looked_at() {
        assert_eq!(checked(1, &[1, 1], b"a\0A\0"), Ok(1));
        assert_eq!(checked(2, &[0, 0, 1, 0], b"\0\0a\0\0"), Ok(2));
        assert_eq!(checked(1, &[1, 1], b"axAx"), Ok(1));
    }

    #[test]
    fn more_than_a_host_decodes_is_read_all_the_same() {
        assert_eq!(checked(1025, &[0; 2050], &[0; 2050]), Ok(1025));
        assert_eq!(checked(4096, &[0; 8192], &[0; 8192]), Ok(4096));
        assert_eq!(checked(1, &[0, 1 << 21], &[0; (1 << 21) + 2]), Ok(1));
    }

    #[test]
    fn what_is_too_short_or_too_long_is_refused() {
        for short in [&b"\x01"[..], b"\0\0", b"\0\0\0"] {
            assert_eq!(check(short), Err("too short for a count"));
        }
        assert_eq!(checked(1, &[1], b""), Err("too short for its lengths"));
        assert!(checked(u32::MAX, &[], b"").is_err());
        assert_eq!(checked(1, &[1, 1], b"a\0A"), Err("too short for its pairs"));
        assert_eq!(checked(1, &[1, 1], b"a\0A\0\0"), Err("bytes after its pairs"));
        assert_eq!(checked(0, &[], b"\0"), Err("bytes after its pairs"));
    }

    #[test]
    fn lengths_that_wrap_around_are_refused() {
        // Each sums to what the body has, if a half or the whole wraps.
        let half = 1 << 31;
        for lengths in [[half, 0, half, 0], [0, half, 0, half], [u32::MAX, 0, 1, 0], [0, u32::MAX, 0, 1], [u32::MAX; 4]]
        {
            assert_eq!(checked(2, &lengths, &[0; 4]), Err("too short for its pairs"), "{lengths:?}");
            assert_eq!(checked(2, &lengths, &[0; 5]), Err("too short for its pairs"), "{lengths:?}");
        }
        let many = vec![1 << 19; 1 << 14];
        assert_eq!(checked(1 << 13, &many, &[0; 1 << 14]), Err("too short for its pairs"));
    }

    #[test]
    fn lengths_sum_up_however_many_there_are() {
        for count in [0_u32, 1, 7, 8, 9, 17, 2048, 4097] {
            let length = |at| u64::from(u32::MAX) - at;
            let pairs: Vec<_> = (0..u64::from(count)).map(|at| (length(at) << 32 | at).to_le_bytes()).collect();
            assert_eq!(sum(&pairs), u64::from(count) * u64::from(u32::MAX));
        }
    }
}
