//! A snapshot of a header map, which is read in place.

use core::fmt;

use crate::ByteStr;
use crate::abi::{HostBytes, MapType, Pairs, PairsIter, Refused, call};
use crate::error::{Error, Result};

/// A snapshot of a header map: the block that the host wrote, checked once and read in place.
///
/// Order, repeats and the case of the names are the host's. Names compare without case. Views into
/// the map live as long as the map does:
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
/// No method calls the host or allocates. [`get`](Self::get) walks the headers up to the one that
/// it finds, and compares lengths before bytes.
pub struct HeaderMap {
    pairs: Pairs,
}

/// The name for which Envoy uses another one.
const HOST: &[u8] = b"host";
/// The name that Envoy uses for a request's `host`. Envoy returns the value for either name.
pub(super) const AUTHORITY: &[u8] = b":authority";

/// Returns whether a name is `host`, compared without case.
#[inline]
pub(super) fn is_host(name: &[u8]) -> bool {
    name.len() == HOST.len() && name.eq_ignore_ascii_case(HOST)
}

/// The result of the host call that fetches a map.
pub(super) type Fetched = core::result::Result<HostBytes, Refused>;

impl HeaderMap {
    pub(crate) fn decode(map: MapType, block: HostBytes) -> Result<Self> {
        let pairs = Pairs::check(block).map_err(|problem| Error::malformed(map, problem))?;
        Ok(Self { pairs })
    }

    /// Fetches a map on the fast path. A map with a well-formed block goes to `fetched`, every
    /// other outcome goes to `odd`, which passes it to [`Self::of`].
    #[inline]
    pub(super) fn fetch_or<R>(
        map: MapType,
        fetched: impl FnOnce(Self) -> R,
        odd: impl FnOnce(Fetched) -> R + Copy,
    ) -> R {
        call::map_or(map, |block| Pairs::check_or(block, |pairs| fetched(Self { pairs }), |block| odd(Ok(block))), odd)
    }

    /// Decodes the result of the host call that fetches a map.
    ///
    /// # Errors
    ///
    /// Fails if the host refused, or if the block is not a header map.
    #[inline(never)]
    pub(super) fn of(map: MapType, fetched: Fetched) -> Result<Self> {
        Self::decode(map, fetched.map_err(|refused| Error::host("proxy_get_header_map_pairs", map, refused))?)
    }

    /// Returns the number of headers, repeats counted.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether the map has no headers.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the first value of a name, or `None` if the map has no such header.
    ///
    /// If the map has no `host`, `:authority` is returned for that name, as Envoy does.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let headers = request.snapshot()?;
    ///     assert_eq!(headers.get("User-Agent"), Some(ByteStr::from("curl")));
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    #[must_use]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<ByteStr<'_>> {
        let name = name.as_ref();
        let found = self.find(name);
        let found = if found.is_none() && is_host(name) { self.find(AUTHORITY) } else { found };
        found.map(ByteStr::new)
    }

    /// Returns the first value of a name. `host` does not stand for `:authority` here.
    pub(super) fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.pairs.iter().find(name)
    }

    /// Returns whether there is a header of this name.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     if request.snapshot()?.contains("x-debug") {
    ///         debug!("a request to look at");
    ///     }
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    #[must_use]
    pub fn contains(&self, name: impl AsRef<[u8]>) -> bool {
        self.get(name).is_some()
    }

    /// Returns all values of a name, in order. For `host` the rule of [`get`](Self::get) applies.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let hops = request.snapshot()?.get_all("via").count();
    ///     Ok(if hops < 10 { Action::Continue } else { request.reply(&LocalResponse::new(508))? })
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    #[must_use]
    pub fn get_all<N: AsRef<[u8]>>(&self, name: N) -> Values<'_, N> {
        let of_authority = is_host(name.as_ref()) && self.find(name.as_ref()).is_none();
        Values { pairs: self.pairs.iter(), name, of_authority }
    }

    /// Returns all names and values, in order.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let size: usize = request.snapshot()?.iter().map(|(name, value)| name.len() + value.len()).sum();
    ///     info!("{size} bytes of headers");
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
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
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
///     for (name, value) in request.snapshot()? {
///         trace!("{}: {}", name.display(), value.display());
///     }
///     Ok(Action::Continue)
/// }
/// # sluicegate_host::example::request(example);
/// ```
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
///
/// ```
/// # use sluicegate::prelude::*;
/// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
///     let mut cookies = request.snapshot()?.get_all("cookie");
///     assert!(cookies.next().is_none());
///     Ok(Action::Continue)
/// }
/// # sluicegate_host::example::request(example);
/// ```
#[derive(Clone, Debug)]
pub struct Values<'a, N> {
    pairs: PairsIter<'a>,
    name: N,
    /// `true` if the name is `host`, and the map has it as `:authority`.
    of_authority: bool,
}

impl<'a, N: AsRef<[u8]>> Iterator for Values<'a, N> {
    type Item = ByteStr<'a>;

    fn next(&mut self) -> Option<ByteStr<'a>> {
        let name = if self.of_authority { AUTHORITY } else { self.name.as_ref() };
        self.pairs.find(name).map(ByteStr::new)
    }
}
