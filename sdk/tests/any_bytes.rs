//! The fuzz targets, driven without a fuzzer: random bytes, and bytes that are nearly right.
#![allow(unsafe_code, reason = "a host writes where the guest says")]

mod targets;

use proptest::collection::vec;
use proptest::prelude::*;

/// A block of pairs, of which a few bytes are wrong, or missing, or too many.
fn nearly_pairs() -> impl Strategy<Value = Vec<u8>> {
    let pairs = vec((vec(any::<u8>(), 0..9), vec(any::<u8>(), 0..9)), 0..9);
    let wrong = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (pairs, wrong, 0..3_usize, vec(any::<u8>(), 0..2)).prop_map(|(pairs, wrong, missing, more)| {
        let length = |part: &Vec<u8>| u32::try_from(part.len()).unwrap().to_le_bytes();
        let mut bytes = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
        for (name, value) in &pairs {
            bytes.extend(length(name).into_iter().chain(length(value)));
        }
        for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        for (at, byte) in wrong {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - missing);
        bytes.extend(more);
        bytes
    })
}

/// A message of a few fields, some of them longer than it is.
fn nearly_message() -> impl Strategy<Value = Vec<u8>> {
    let field = (1..5_u8, 0..8_u8, vec(any::<u8>(), 0..9), 0..2_u8);
    vec(field, 0..5).prop_map(|fields| {
        let mut bytes = Vec::new();
        for (number, kind, content, more) in fields {
            bytes.push(number << 3 | kind);
            bytes.push(u8::try_from(content.len()).unwrap() + more);
            bytes.extend(content);
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 30 } else { 3_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn pairs(bytes in prop_oneof![nearly_pairs(), vec(any::<u8>(), 0..40)]) {
        targets::pairs(&bytes);
    }

    #[test]
    fn property_value(bytes in prop_oneof![nearly_pairs(), vec(any::<u8>(), 0..20)]) {
        targets::property_value(&bytes);
    }

    #[test]
    fn foreign_answer(bytes in prop_oneof![nearly_message(), vec(any::<u8>(), 0..20)]) {
        targets::foreign_answer(&bytes);
    }
}
