//! Serialised pairs: a `u32` count, then the two `u32` lengths of each pair, then each name and
//! value with a zero byte after it. All numbers are in little endian.

use core::array;
use core::slice;

use super::HostBytes;

/// The number of bytes before the first length.
const COUNT: usize = 4;
/// The number of bytes of the lengths of one pair.
const LENGTHS: usize = 8;
/// The number of zero bytes of one pair.
const ENDS: u64 = 2;

/// A block of pairs whose lengths add up to its size.
///
/// Invariant, established by [`Pairs::check`] and never changed, because nobody can write to the
/// block any more: the block is empty and `len` is 0, or
/// `COUNT + len * LENGTHS + Σ (name + value + 2)` is exactly its size. So a walk in order needs no
/// check of its own.
pub(crate) struct Pairs {
    block: HostBytes,
    len: usize,
}

impl Pairs {
    /// Checks a block that the host wrote. No bytes, or a single zero byte, are no pairs. The zero
    /// bytes between the parts are not checked.
    ///
    /// The function reports the problem, and is small rather than fast. For a well-formed block
    /// there is [`Self::check_or`].
    ///
    /// # Errors
    ///
    /// Fails if the lengths do not add up to the size of the block.
    #[inline(never)]
    pub(crate) fn check(block: HostBytes) -> Result<Self, &'static str> {
        if block.is_empty() || *block == *b"\0" {
            return Ok(Self { block: HostBytes::EMPTY, len: 0 });
        }
        let (count, rest) = block.split_first_chunk::<COUNT>().ok_or("too short for a count")?;
        let len = u32::from_le_bytes(*count) as usize;
        let lengths = rest.as_chunks().0.get(..len).ok_or("too short for its lengths")?;
        let (size, body) = (len as u64 * ENDS + sum(lengths), (rest.len() - len * LENGTHS) as u64);
        if size > body {
            return Err("too short for its pairs");
        }
        if size < body {
            return Err("bytes after its pairs");
        }
        Ok(Self { block, len })
    }

    /// Checks a block on the fast path. A well-formed block goes to `checked`. Any other block is
    /// returned to `odd`.
    #[inline]
    pub(crate) fn check_or<R>(
        block: HostBytes,
        checked: impl FnOnce(Self) -> R,
        odd: impl FnOnce(HostBytes) -> R,
    ) -> R {
        if let Some((count, rest)) = block.split_first_chunk::<COUNT>()
            && let len = u32::from_le_bytes(*count) as usize
            && let Some(lengths) = rest.as_chunks().0.get(..len)
            && COUNT as u64 + len as u64 * (LENGTHS as u64 + ENDS) + sum(lengths) == block.len() as u64
        {
            checked(Self { block, len })
        } else {
            // The block is moved, so that the original needs no place in memory on the usual path.
            odd(block.moved())
        }
    }

    /// Returns the number of pairs.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns an iterator over all pairs, in order.
    #[inline]
    pub(crate) fn iter(&self) -> PairsIter<'_> {
        let block = &*self.block;
        // The addition does not wrap: a block of pairs is longer than the count. Nothing is read
        // past an empty block.
        let lengths = block.as_ptr().wrapping_add(COUNT);
        // SAFETY: by the invariant `len` pairs of lengths are there. If there are none, any address
        // that is not null will do. Arrays of bytes are aligned anywhere.
        let lengths = unsafe { slice::from_raw_parts(lengths.cast(), self.len) };
        PairsIter { lengths, block, body: COUNT + size_of_val(lengths) }
    }
}

/// Returns the sum of all lengths. 64 bits hold the sum of as many 32-bit numbers as fit in memory.
///
/// The sum is taken from the front, and in pieces of fixed sizes, so that each offset is in the
/// load itself.
#[inline(never)]
fn sum(pairs: &[[u8; LENGTHS]]) -> u64 {
    let (mut left, mut sum) = (pairs, 0);
    if let Some((sixteen, rest)) = left.split_first_chunk::<16>() {
        if rest.len() < 16 {
            sum = sum_of(sixteen);
            left = rest;
        } else {
            let (sixteens, rest) = left.as_chunks();
            sum = sum_of_sixteens(sixteens);
            left = rest;
        }
    }
    if let Some((eight, rest)) = left.split_first_chunk::<8>() {
        sum = sum_of(eight).wrapping_add(sum);
        left = rest;
    }
    if let Some((four, rest)) = left.split_first_chunk::<4>() {
        sum = sum_of(four).wrapping_add(sum);
        left = rest;
    }
    if let Some((two, rest)) = left.split_first_chunk::<2>() {
        sum = sum_of(two).wrapping_add(sum);
        left = rest;
    }
    if let [one, ..] = left { sum_of(array::from_ref(one)).wrapping_add(sum) } else { sum }
}

#[inline(never)]
fn sum_of_sixteens(sixteens: &[[[u8; LENGTHS]; 16]]) -> u64 {
    sixteens.iter().fold(0, |sum, sixteen| sum.wrapping_add(sum_of_sixteen(sixteen)))
}

/// Returns the sum of sixteen pairs of lengths. Not inlined: in its loop the compiler would
/// increment the addresses, with two more instructions for each length.
#[inline(never)]
fn sum_of_sixteen(pairs: &[[u8; LENGTHS]; 16]) -> u64 {
    sum_of(pairs)
}

#[inline]
fn sum_of<const N: usize>(pairs: &[[u8; LENGTHS]; N]) -> u64 {
    let lengths = pairs.iter().flat_map(|pair| pair.as_chunks().0);
    lengths.fold(0, |sum: u64, length| sum.wrapping_add(u64::from(u32::from_le_bytes(*length))))
}

/// The number of pairs that a fold takes in a step.
const STEP: usize = 8;

/// Returns the address after this one. Not inlined: if the compiler sees that a loop increments an
/// address, it adds each offset by two instructions. For an unknown address it adds none.
#[inline(never)]
const fn after<T>(at: *const T) -> *const T {
    at.wrapping_add(1)
}

/// A walk over [`Pairs`].
///
/// Invariant: the parts of the pairs that `lengths` belong to, each followed by a zero byte, are
/// from `body` to the end of `block`.
#[derive(Clone, Debug)]
pub(crate) struct PairsIter<'a> {
    lengths: &'a [[u8; LENGTHS]],
    block: &'a [u8],
    body: usize,
}

impl<'a> PairsIter<'a> {
    /// Returns the next pair, and moves past it.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (next, rest) = self.lengths.split_first()?;
        self.lengths = rest;
        // SAFETY: these are the lengths of the next pair.
        Some(unsafe { self.parts(next) })
    }

    /// Returns the parts of the next pair, and moves past them.
    ///
    /// # Safety
    ///
    /// The lengths are those of the next pair.
    #[inline]
    unsafe fn parts(&mut self, lengths: &[u8; LENGTHS]) -> (&'a [u8], &'a [u8]) {
        let [name, value] = *lengths.as_chunks().0.as_array().unwrap_or(&[[0; 4]; 2]);
        let (name_len, value_len) = (u32::from_le_bytes(name) as usize, u32::from_le_bytes(value) as usize);
        let (name_at, value_at) = (self.body, self.body + name_len + 1);
        debug_assert!(value_at + value_len < self.block.len(), "the invariant of `Pairs`");
        // SAFETY: by the invariant this pair's parts, with a byte after each, lie from `body` on
        // inside of the block.
        let name = unsafe { self.block.get_unchecked(name_at..name_at + name_len) };
        // SAFETY: by the invariant this pair's parts, with a byte after each, lie from `body` on
        // inside of the block.
        let value = unsafe { self.block.get_unchecked(value_at..value_at + value_len) };
        self.body = value_at + value_len + 1;
        (name, value)
    }

    /// Passes all pairs that are left to a function.
    #[inline]
    pub(crate) fn fold<B>(mut self, init: B, mut with: impl FnMut(B, (&'a [u8], &'a [u8])) -> B) -> B {
        let mut folded = init;
        while self.lengths.len() >= STEP
            && let Some((step, rest)) = self.lengths.split_first_chunk::<STEP>()
        {
            let at = after(self.lengths.as_ptr().cast::<[[u8; LENGTHS]; STEP]>());
            for next in step {
                // SAFETY: these are the lengths of the next pair.
                let pair = unsafe { self.parts(next) };
                folded = with(folded, pair);
            }
            // SAFETY: this is `rest`: the lengths behind the step.
            self.lengths = unsafe { slice::from_raw_parts(at.cast(), rest.len()) };
        }
        if let Some((half, rest)) = self.lengths.split_first_chunk::<{ STEP / 2 }>() {
            for next in half {
                // SAFETY: these are the lengths of the next pair.
                let pair = unsafe { self.parts(next) };
                folded = with(folded, pair);
            }
            self.lengths = rest;
        }
        while let Some(pair) = self.next() {
            folded = with(folded, pair);
        }
        folded
    }

    /// Returns the value of the next pair with this name, compared without case, and moves past it.
    /// Returns `None` if there is none. Not inlined: a filter looks for many names.
    #[inline(never)]
    pub(crate) fn find(&mut self, name: &[u8]) -> Option<&'a [u8]> {
        // Many names of one length begin alike, so the last byte is compared first. The bit that
        // tells a capital letter from a small one is set in both.
        let last = name.last().map_or(0, |last| last | 0x20);
        while let Some((found, value)) = self.next() {
            if found.len() == name.len()
                && found.last().map_or(0, |found| found | 0x20) == last
                && found.eq_ignore_ascii_case(name)
            {
                return Some(value);
            }
        }
        None
    }

    pub(crate) const fn left(&self) -> usize {
        self.lengths.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::prelude::v1::*;

    /// Checks a block of this count, these lengths and this body, in the encoding of the host.
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
        // Each sums to the size of the body if a half or the whole wraps.
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
    fn a_fold_sees_what_a_walk_sees_from_wherever_it_starts() {
        for count in (0..41_u32).step_by(if cfg!(miri) { 7 } else { 1 }) {
            let lengths: Vec<_> = (0..count).flat_map(|at| [at % 3, at % 5]).collect();
            let mut bytes = count.to_le_bytes().to_vec();
            bytes.extend(lengths.iter().flat_map(|length| length.to_le_bytes()));
            for (at, length) in lengths.iter().enumerate() {
                bytes.extend(core::iter::repeat_n(b'a' + at as u8 % 26, *length as usize));
                bytes.push(0);
            }
            let pairs = Pairs::check_or(HostBytes::own(bytes.into()), Some, |_| None).unwrap();
            for skipped in 0..=count.min(9) {
                let mut walk = pairs.iter();
                for _ in 0..skipped {
                    walk.next();
                }
                let folded = walk.clone().fold(Vec::new(), |mut folded, pair| {
                    folded.push(pair);
                    folded
                });
                let walked: Vec<_> = core::iter::from_fn(|| walk.next()).collect();
                assert_eq!(folded, walked, "{count} less {skipped}");
                assert_eq!(folded.len(), (count - skipped) as usize);
            }
        }
    }

    #[test]
    fn what_is_checked_fast_is_what_is_checked_slowly() {
        let fast = |bytes: &[u8]| {
            Pairs::check_or(
                HostBytes::own(bytes.into()),
                |pairs| Some(pairs.len()),
                |block| {
                    assert_eq!(*block, *bytes, "it is given back whole");
                    None
                },
            )
        };
        for bytes in [&b""[..], b"\0", b"\x01\0\0", b"\x01\0\0\0", b"\0\0\0\0\0", b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0"] {
            assert_eq!(fast(bytes), None, "{bytes:?}");
        }
        assert_eq!(fast(b"\0\0\0\0"), Some(0));
        for (name, value) in [(1_u32, 1_u32), (0, 2), (2, 0), (u32::MAX, 3), (3, u32::MAX), (1, 0), (1, 2)] {
            let mut bytes = 1_u32.to_le_bytes().to_vec();
            bytes.extend(name.to_le_bytes());
            bytes.extend(value.to_le_bytes());
            bytes.extend(b"a\0A\0");
            assert_eq!(fast(&bytes), check(&bytes).ok(), "{name} {value}");
        }
    }

    #[test]
    fn lengths_sum_up_however_many_there_are() {
        for count in (0_u32..40).chain(if cfg!(miri) { [41, 48] } else { [2048, 4097] }) {
            let length = |at| u64::from(u32::MAX) - at;
            let pairs: Vec<_> = (0..u64::from(count)).map(|at| (length(at) << 32 | at).to_le_bytes()).collect();
            assert_eq!(sum(&pairs), u64::from(count) * u64::from(u32::MAX));
        }
    }
}
