//! Pairs in the host's encoding.

use alloc::boxed::Box;

use crate::abi::try_slice;
use crate::error::{Error, Result};

/// The most bytes that a host decodes: past it, Envoy takes the map for empty and answers Ok.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The most pairs that a host decodes; likewise.
pub(crate) const MAX_PAIRS: usize = 1024;

/// The bytes of the count.
const COUNT: usize = 4;
/// The bytes of a pair besides its name and value: two lengths and two zero bytes.
pub(super) const EACH: usize = 10;

/// A pair to be encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// The pairs in the host's encoding, and never a map that the host would silently empty.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Result<Box<[u8]>> {
    if pairs.len() > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs.len(), MAX_PAIRS));
    }
    let at = |index: usize| {
        let (name, value): &(N, V) = pairs.get(index)?;
        Some(Pair { name: name.as_ref(), value: value.as_ref() })
    };
    write(&at, MAX_BYTES)
}

/// A pair in the host's encoding, for the guest itself to read, which has no limits.
pub(super) fn encode_own(pair: Pair<'_>) -> Result<Box<[u8]>> {
    write(&|index| (index == 0).then_some(pair), usize::MAX)
}

/// Encodes pairs up to the first index that has none. One function, whatever the pairs are.
#[inline(never)]
fn write<'a>(at: &dyn Fn(usize) -> Option<Pair<'a>>, most: usize) -> Result<Box<[u8]>> {
    let (mut size, mut count) = (COUNT, 0);
    while let Some(Pair { name, value }) = at(count) {
        size = size.saturating_add(name.len()).saturating_add(value.len()).saturating_add(EACH);
        count += 1;
    }
    if size > most {
        return Err(Error::too_large("bytes in a header map", size, most));
    }
    let mut block = try_slice(size, || 0)?;
    let mut out = &mut *block;
    put_u32(&mut out, count);
    for Pair { name, value } in (0..count).filter_map(at) {
        put_u32(&mut out, name.len());
        put_u32(&mut out, value.len());
    }
    for Pair { name, value } in (0..count).filter_map(at) {
        for part in [name, b"\0", value, b"\0"] {
            put(&mut out, part);
        }
    }
    Ok(block)
}

fn put_u32(out: &mut &mut [u8], number: usize) {
    // Lengths that need more than 32 bits do not fit into memory as a block.
    put(out, &u32::try_from(number).unwrap_or_default().to_le_bytes());
}

/// Appends bytes.
#[inline(never)]
fn put(out: &mut &mut [u8], bytes: &[u8]) {
    let Some((to, rest)) = core::mem::take(out).split_at_mut_checked(bytes.len()) else { return };
    to.copy_from_slice(bytes);
    *out = rest;
}
