//! A snapshot of a header map, read in place.

use core::fmt;

use crate::ByteStr;
use crate::abi::{HostBytes, MapType};
use crate::error::{Error, Result};

/// The bytes before the first length.
const COUNT: usize = 4;
/// The bytes of one pair of lengths.
const LENGTHS: usize = 8;

/// A header map as it was when it was fetched: the block that the host wrote, checked once and read in place.
///
/// Order, repeats and the case of the names are the host's. Names compare without case. Views into it live as long as it does:
///
/// ```compile_fail
/// # use sluicegate::{HeaderMap, ByteStr};
/// fn dangling(map: HeaderMap) -> Option<ByteStr<'static>> {
///     map.get("host") // ERROR: the view would outlive its snapshot
/// }
/// ```
///
/// # Cost
///
/// None of the methods calls the host or allocates. [`get`](Self::get) walks the lengths: about ten instructions for each header before the one
/// that it finds.
pub struct HeaderMap {
    block: HostBytes,
    /// How many pairs, as checked by `decode`.
    len: usize,
}

impl HeaderMap {
    /// Takes a block of the host's, in its encoding: `u32` count, then the two `u32` lengths of each pair, then each name and value with a zero
    /// byte after it. No bytes and a single zero byte are the empty map.
    pub(crate) fn decode(map: MapType, block: HostBytes) -> Result<Self> {
        if block.is_empty() || *block == *b"\0" {
            return Ok(Self { block: HostBytes::EMPTY, len: 0 });
        }
        let len = check(&block).map_err(|problem| Error::malformed(map, problem))?;
        Ok(Self { block, len })
    }

    /// How many headers there are, repeats counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<ByteStr<'_>> {
        self.get_all(name).next()
    }

    /// Whether there is a header of this name.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// All values of a name, in order.
    #[must_use]
    pub fn get_all<N: AsRef<[u8]>>(&self, name: N) -> Values<'_, N> {
        Values { pairs: self.iter(), name }
    }

    /// All names and values, in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        let body = COUNT.saturating_add(self.len.saturating_mul(LENGTHS));
        let (head, body) = self.block.split_at_checked(body).unwrap_or_default();
        Iter { lengths: head.get(COUNT..).unwrap_or_default(), body, left: self.len }
    }
}

/// Checks a block and gives the number of its pairs.
fn check(block: &[u8]) -> Result<usize, &'static str> {
    let (count, rest) = split_u32(block).ok_or("too short for a count")?;
    let lengths = count.checked_mul(LENGTHS).ok_or("more pairs than memory holds")?;
    let (mut lengths, body) = rest.split_at_checked(lengths).ok_or("too short for its lengths")?;
    let mut size = 0_usize;
    while let Some((name, value, rest)) = split_lengths(lengths) {
        // Two sums cannot overflow unnoticed: each is checked.
        let pair = name.checked_add(value).and_then(|pair| pair.checked_add(2));
        size = pair.and_then(|pair| size.checked_add(pair)).ok_or("lengths that no memory holds")?;
        lengths = rest;
    }
    if size > body.len() {
        return Err("too short for its pairs");
    }
    if size < body.len() {
        return Err("bytes after its pairs");
    }
    Ok(count)
}

fn split_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

fn split_lengths(bytes: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (name, rest) = split_u32(bytes)?;
    let (value, rest) = split_u32(rest)?;
    Some((name, value, rest))
}

impl<'a> IntoIterator for &'a HeaderMap {
    type Item = (ByteStr<'a>, ByteStr<'a>);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The names and values of a [`HeaderMap`], in order.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    /// The lengths of the pairs that are left.
    lengths: &'a [u8],
    /// The names and values that are left.
    body: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (ByteStr<'a>, ByteStr<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        // `decode` checked that the lengths add up, so no step fails before the last pair.
        let (name_len, value_len, lengths) = split_lengths(self.lengths)?;
        let (name, rest) = self.body.split_at_checked(name_len)?;
        let (value, rest) = rest.get(1..)?.split_at_checked(value_len)?;
        self.lengths = lengths;
        self.body = rest.get(1..)?;
        self.left = self.left.saturating_sub(1);
        Some((ByteStr::new(name), ByteStr::new(value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The values of one name, in order.
#[derive(Clone, Debug)]
pub struct Values<'a, N> {
    pairs: Iter<'a>,
    name: N,
}

impl<'a, N: AsRef<[u8]>> Iterator for Values<'a, N> {
    type Item = ByteStr<'a>;

    fn next(&mut self) -> Option<ByteStr<'a>> {
        let wanted = self.name.as_ref();
        self.pairs.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    }
}
