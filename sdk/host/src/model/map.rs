//! Header maps with Envoy's semantics.

/// A header map: pairs of names and values, in order. Names are in lower case, as Envoy keeps them.
///
/// Envoy keeps one value of some names, and joins added values with commas. Those names differ
/// between requests and responses. A map that came to or from a filter is of one of these kinds. A
/// map that a test makes is of no kind. Two maps are equal if their pairs are equal.
#[derive(Clone, Debug, Default)]
pub struct Map {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
    kind: Kind,
}

impl Eq for Map {}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.pairs == other.pairs
    }
}

/// The kind of a map.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Kind {
    #[default]
    Any,
    Request,
    Response,
    Trailers,
}

/// The names of which Envoy 1.40 keeps one value: in requests, in responses, and in both.
const OF_REQUESTS: &[&str] = &[
    ":authority",
    ":method",
    ":path",
    ":protocol",
    ":scheme",
    "accept",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "access-control-request-private-network",
    "authorization",
    "cdn-loop",
    "expect",
    "grpc-accept-encoding",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "origin",
    "pragma",
    "referer",
    "te",
    "user-agent",
    "x-client-trace-id",
    "x-envoy-downstream-service-cluster",
    "x-envoy-downstream-service-node",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-external-address",
    "x-envoy-force-trace",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-ip-tags",
    "x-envoy-is-timeout-retry",
    "x-envoy-max-retries",
    "x-envoy-original-host",
    "x-envoy-original-path",
    "x-envoy-original-url",
    "x-envoy-retriable-header-names",
    "x-envoy-retriable-status-codes",
    "x-envoy-retry-grpc-on",
    "x-envoy-retry-on",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-stream-duration-ms",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];
const OF_RESPONSES: &[&str] = &[
    ":status",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-allow-private-network",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "date",
    "etag",
    "expires",
    "grpc-message",
    "grpc-status",
    "last-modified",
    "location",
    "server",
    "vary",
    "x-envoy-degraded",
    "x-envoy-immediate-health-check-fail",
    "x-envoy-ratelimited",
    "x-envoy-upstream-canary",
    "x-envoy-upstream-healthchecked-cluster",
    "x-envoy-upstream-service-time",
];
const OF_BOTH: &[&str] = &[
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-connection",
    "proxy-status",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-envoy-attempt-count",
    "x-envoy-decorator-operation",
    "x-request-id",
];

impl Kind {
    fn keeps_one(self, name: &[u8]) -> bool {
        let among = |names: &[&str]| names.iter().any(|one| one.as_bytes() == name);
        match self {
            Self::Any => false,
            Self::Request => among(OF_REQUESTS) || among(OF_BOTH),
            Self::Response => among(OF_RESPONSES) || among(OF_BOTH),
            Self::Trailers => among(&["grpc-message", "grpc-status"]),
        }
    }

    /// Returns a name as the map keeps it.
    fn name(self, name: &[u8]) -> Vec<u8> {
        let name = name.to_ascii_lowercase();
        if self == Self::Request && name == b"host" { b":authority".into() } else { name }
    }
}

/// The limits of a map that a host decodes. A larger map counts as empty.
const MAX_BYTES: usize = 1 << 20;
const MAX_PAIRS: usize = 1024;

impl Map {
    /// Makes a map of these pairs.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.add(name.as_ref(), value.as_ref());
        }
        map
    }

    /// Returns these pairs as the proxy keeps them in a map of this kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        let mut map = Self { pairs: Vec::new(), kind };
        map.extend(&self);
        map
    }

    /// Replaces all pairs.
    pub(crate) fn assign(&mut self, pairs: &Self) {
        self.pairs.clear();
        self.extend(pairs);
    }

    /// Returns the pairs, in order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.pairs.iter().map(|(name, value)| (&name[..], &value[..]))
    }

    /// Returns the number of headers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Returns whether the map has no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// Returns the sum of the lengths of all names and values, as Envoy computes the size of a map.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Returns the first value of `name`, or `None` if the map has no such header.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let name = self.kind.name(name);
        let found = self.pairs.iter().find(|(found, _)| *found == name)?;
        Some(&found.1)
    }

    /// Returns all pairs as text. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn to_text(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = self.kind.name(name);
        if self.kind.keeps_one(&name)
            && let Some((_, values)) = self.pairs.iter_mut().find(|(found, _)| *found == name)
        {
            // An empty value is not joined.
            if !values.is_empty() && !value.is_empty() {
                values.push(b',');
            }
            values.extend(value);
            return;
        }
        // Pseudo-headers are first, whichever way they are added.
        let pseudo = |name: &[u8]| name.first() == Some(&b':');
        let regular = self.pairs.iter().position(|(name, _)| !pseudo(name));
        let at = regular.filter(|_| pseudo(&name)).unwrap_or(self.pairs.len());
        self.pairs.insert(at, (name, value.to_vec()));
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        for (name, value) in &other.pairs {
            self.add(name, value);
        }
    }

    pub(crate) fn replace(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        let name = self.kind.name(name);
        self.pairs.retain(|(found, _)| *found != name);
    }

    /// Sets a value. A header that is there keeps its place.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let name = self.kind.name(name);
        match self.pairs.iter_mut().find(|(found, _)| *found == name) {
            Some((_, old)) => *old = value.to_vec(),
            None => self.add(&name, value),
        }
    }

    /// Encodes the map as the ABI does. An empty map has no bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        if self.pairs.is_empty() {
            return Vec::new();
        }
        let number = |number: usize| u32::try_from(number).expect("a map of less than 4 GiB").to_le_bytes();
        let mut bytes = number(self.pairs.len()).to_vec();
        for (name, value) in &self.pairs {
            bytes.extend(number(name.len()));
            bytes.extend(number(value.len()));
        }
        for part in self.pairs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }

    /// Decodes a map from the ABI's encoding. Like Envoy, this returns an empty map for malformed
    /// bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        Self::try_decode(bytes).unwrap_or_default()
    }

    fn try_decode(bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let number = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(number)).ok()
        };
        let count = number(0)?;
        if count > MAX_PAIRS || bytes.len() > MAX_BYTES {
            return None;
        }
        let mut at = 4 + 8 * count;
        let mut part = |len: usize| {
            let part = bytes.get(at..at + len)?;
            at += len + 1;
            (bytes.get(at - 1) == Some(&0)).then_some(part)
        };
        let mut map = Self::default();
        for pair in 0..count {
            let (name, value) = (part(number(4 + 8 * pair)?)?, part(number(8 + 8 * pair)?)?);
            map.add(name, value);
        }
        (at == bytes.len()).then_some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_survives_the_encoding() {
        let map = Map::new(&[("a", "A"), ("@ab", "<1234"), ("", "")]);
        assert_eq!(Map::decode(&map.encode()), map);
        let one = [1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, b'a', 0, b'A', 0];
        assert_eq!(Map::new(&[("a", "A")]).encode(), one);
    }

    #[test]
    fn envoy_keeps_one_value_of_some_names() {
        let pairs = [("Via", "1"), ("x", "1"), ("via", "2"), ("x", "2"), ("vary", "a"), ("vary", "b"), ("host", "h")];
        let text = |kind| Map::new(&pairs).of(kind).to_text();
        let texts = |pairs: &[(&str, &str)]| -> Vec<_> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let request = [(":authority", "h"), ("via", "1,2"), ("x", "1"), ("x", "2"), ("vary", "a"), ("vary", "b")];
        assert_eq!(text(Kind::Request), texts(&request));
        let response = [("via", "1,2"), ("x", "1"), ("x", "2"), ("vary", "a,b"), ("host", "h")];
        assert_eq!(text(Kind::Response), texts(&response));
        assert_eq!((text(Kind::Any).len(), text(Kind::Trailers).len()), (7, 7));
        let mut map = Map::new(&pairs).of(Kind::Request);
        assert_eq!((map.get(b"host"), map.get(b"VIA")), (Some(&b"h"[..]), Some(&b"1,2"[..])));
        map.assign(&Map::new(&[("via", "3"), ("via", "4")]));
        assert_eq!(map, Map::new(&[("via", "3,4")]));
        map.add(b"via", b"");
        map.add(b"accept", b"");
        map.add(b"accept", b"a");
        assert_eq!(map, Map::new(&[("via", "3,4"), ("accept", "a")]));
        map.remove(b"accept");
        map.set(b"via", b"5");
        map.remove(b"host");
        assert_eq!(map, Map::new(&[("via", "5")]));
    }

    #[test]
    fn what_is_wrong_is_empty_as_in_envoy() {
        let good = Map::new(&[("a", "A"), ("b", "B")]).encode();
        for len in 0..good.len() {
            assert!(Map::decode(&good[..len]).is_empty(), "{len}");
        }
        assert!(Map::decode(&[&good[..], b"x"].concat()).is_empty());
        let many = Map::new(&vec![("a", "b"); 1025]);
        assert!(Map::decode(&many.encode()).is_empty());
        assert_eq!(Map::decode(&Map::new(&vec![("a", "b"); 1024]).encode()).len(), 1024);
    }

    #[test]
    fn a_replaced_header_moves_to_the_end_and_loses_its_repeats() {
        let mut map = Map::new(&[("X", "1"), ("y", "2"), ("x", "3")]);
        assert_eq!(map.get(b"x"), Some(&b"1"[..]));
        map.replace(b"x", b"4");
        assert_eq!(map.to_text(), [("y".into(), "2".into()), ("x".into(), "4".into())]);
        map.replace(b":path", b"/");
        assert_eq!(map.to_text()[0], (":path".into(), "/".into()));
    }
}
