//! A header map with Envoy's semantics.

/// Headers in order. Names are in lower case, as Envoy keeps them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Map {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// What a host decodes at the most; a longer map is taken for empty.
const MAX_BYTES: usize = 1 << 20;
const MAX_PAIRS: usize = 1024;

impl Map {
    /// The map of these pairs.
    pub fn new<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        let mut map = Self::default();
        for (name, value) in pairs {
            map.add(name.as_ref(), value.as_ref());
        }
        map
    }

    /// How many headers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// The sum of the lengths of all names and values, which is how Envoy counts.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        self.pairs.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.pairs.iter().find(|(found, _)| found.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// All pairs as text, what is not UTF-8 replaced.
    #[must_use]
    pub fn to_text(&self) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.pairs.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        // Pseudo-headers stand first, wherever they come from.
        let pseudo = |name: &[u8]| name.first() == Some(&b':');
        let regular = self.pairs.iter().position(|(name, _)| !pseudo(name));
        let at = regular.filter(|_| pseudo(name)).unwrap_or(self.pairs.len());
        self.pairs.insert(at, (name.to_ascii_lowercase(), value.to_vec()));
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
        self.pairs.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    /// In the ABI's encoding; an empty map has no bytes.
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

    /// From the ABI's encoding. Like Envoy it takes everything that it does not like for the empty map.
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
