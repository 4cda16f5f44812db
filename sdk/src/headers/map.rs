//! A snapshot of a header map, read in place.

use alloc::boxed::Box;
use core::fmt;

use crate::ByteStr;
use crate::abi::{HostBytes, MapType, Pairs, PairsIter, Refused, call};
use crate::error::{Error, Result};

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
/// None of the methods calls the host or allocates. [`get`](Self::get) walks the headers, comparing lengths before bytes, up to the one that it finds.
pub struct HeaderMap {
    pairs: Pairs,
}

/// What the host answers to who asks for a map.
pub(super) type Fetched = core::result::Result<HostBytes, Refused>;

impl HeaderMap {
    pub(crate) fn decode(map: MapType, block: HostBytes) -> Result<Self> {
        let pairs = Pairs::check(block).map_err(|problem| Error::malformed(map, problem))?;
        Ok(Self { pairs })
    }

    /// A map that the guest encoded.
    #[inline(never)]
    pub(super) fn own(map: MapType, block: Box<[u8]>) -> Result<Self> {
        Self::decode(map, HostBytes::own(block))
    }

    /// The map as the host has it, without the edits that wait.
    pub(super) fn as_written(map: MapType) -> Result<Self> {
        Self::of(map, call::map_slow(map))
    }

    /// The same, to one of two functions: a map of a block as it should be; or all else, for [`Self::of`].
    #[inline]
    pub(super) fn as_written_or<R>(
        map: MapType,
        fetched: impl FnOnce(Self) -> R,
        odd: impl FnOnce(Fetched) -> R + Copy,
    ) -> R {
        call::map_as_written(
            map,
            |block| Pairs::check_or(block, |pairs| fetched(Self { pairs }), |block| odd(Ok(block))),
            odd,
        )
    }

    /// What the host answered.
    #[inline(never)]
    pub(super) fn of(map: MapType, fetched: Fetched) -> Result<Self> {
        Self::decode(map, fetched.map_err(|refused| Error::host("proxy_get_header_map_pairs", map, refused))?)
    }

    /// The size in the host's encoding.
    pub(super) fn encoded_len(&self) -> usize {
        self.pairs.encoded_len()
    }

    /// How many headers there are, repeats counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<ByteStr<'_>> {
        self.pairs.iter().find(name.as_ref()).map(ByteStr::new)
    }

    /// Whether there is a header of this name.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// All values of a name, in order.
    #[must_use]
    pub fn get_all<N: AsRef<[u8]>>(&self, name: N) -> Values<'_, N> {
        Values { pairs: self.pairs.iter(), name }
    }

    /// All names and values, in order.
    #[must_use]
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.pairs.iter())
    }
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
pub struct Iter<'a>(PairsIter<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = (ByteStr<'a>, ByteStr<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((ByteStr::new(name), ByteStr::new(value)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.left(), Some(self.0.left()))
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut with: F) -> B {
        self.0.fold(init, |folded, (name, value)| with(folded, (ByteStr::new(name), ByteStr::new(value))))
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// The values of one name, in order.
#[derive(Clone, Debug)]
pub struct Values<'a, N> {
    pairs: PairsIter<'a>,
    name: N,
}

impl<'a, N: AsRef<[u8]>> Iterator for Values<'a, N> {
    type Item = ByteStr<'a>;

    fn next(&mut self) -> Option<ByteStr<'a>> {
        self.pairs.find(self.name.as_ref()).map(ByteStr::new)
    }
}
