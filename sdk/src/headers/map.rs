//! A snapshot of a header map, read in place.

use core::fmt;

use crate::ByteStr;
use crate::abi::{HostBytes, MapType, Pairs, PairsIter, Refused, call};
use crate::error::{Error, Result};

/// A header map as it was when it was fetched: the block that the host wrote, checked once and read
/// in place.
///
/// Order, repeats and the case of the names are the host's. Names compare without case. Views into
/// it live as long as it does:
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
/// None of the methods calls the host or allocates. [`get`](Self::get) walks the headers, comparing
/// lengths before bytes, up to the one that it finds.
pub struct HeaderMap {
    pairs: Pairs,
}

/// The name of which Envoy has another one.
const HOST: &[u8] = b"host";
/// The name by which Envoy has a request's `host`. It gives the value by either.
pub(super) const AUTHORITY: &[u8] = b":authority";

/// Returns whether a name is `host`, case aside.
#[inline]
pub(super) fn is_host(name: &[u8]) -> bool {
    name.len() == HOST.len() && name.eq_ignore_ascii_case(HOST)
}

/// The outcome of the host call for a map.
pub(super) type Fetched = core::result::Result<HostBytes, Refused>;

impl HeaderMap {
    pub(crate) fn decode(map: MapType, block: HostBytes) -> Result<Self> {
        let pairs = Pairs::check(block).map_err(|problem| Error::malformed(map, problem))?;
        Ok(Self { pairs })
    }

    /// Fetches a map for the fast path: one of a block as it should be goes to `fetched`, every
    /// other outcome to `odd`, which is for [`Self::of`].
    #[inline]
    pub(super) fn fetch_or<R>(
        map: MapType,
        fetched: impl FnOnce(Self) -> R,
        odd: impl FnOnce(Fetched) -> R + Copy,
    ) -> R {
        call::map_or(map, |block| Pairs::check_or(block, |pairs| fetched(Self { pairs }), |block| odd(Ok(block))), odd)
    }

    /// Decodes what the host call for a map came to.
    #[inline(never)]
    pub(super) fn of(map: MapType, fetched: Fetched) -> Result<Self> {
        Self::decode(map, fetched.map_err(|refused| Error::host("proxy_get_header_map_pairs", map, refused))?)
    }

    /// How many headers there are, repeats counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the first value of a name.
    ///
    /// A map without `host` gives `:authority` by that name, as Envoy does.
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<ByteStr<'_>> {
        let name = name.as_ref();
        let found = self.find(name);
        let found = if found.is_none() && is_host(name) { self.find(AUTHORITY) } else { found };
        found.map(ByteStr::new)
    }

    /// Returns the first value of a name, and of no other.
    pub(super) fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.pairs.iter().find(name)
    }

    /// Returns whether there is a header of this name.
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Returns all values of a name, in order; of `host` as [`get`](Self::get) does.
    #[must_use]
    pub fn get_all<N: AsRef<[u8]>>(&self, name: N) -> Values<'_, N> {
        let of_authority = is_host(name.as_ref()) && self.find(name.as_ref()).is_none();
        Values { pairs: self.pairs.iter(), name, of_authority }
    }

    /// Returns all names and values, in order.
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
    /// The name is `host`, and the map has it as `:authority`.
    of_authority: bool,
}

impl<'a, N: AsRef<[u8]>> Iterator for Values<'a, N> {
    type Item = ByteStr<'a>;

    fn next(&mut self) -> Option<ByteStr<'a>> {
        let name = if self.of_authority { AUTHORITY } else { self.name.as_ref() };
        self.pairs.find(name).map(ByteStr::new)
    }
}
