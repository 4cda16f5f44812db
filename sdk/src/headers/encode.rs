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
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pair<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
    /// Whether the name is written in lower case.
    pub(super) lower: bool,
}

/// The pairs in the host's encoding, and never a map that the host would silently empty.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Result<Box<[u8]>> {
    if pairs.len() > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs.len(), MAX_PAIRS));
    }
    let pairs = pairs.iter().map(|(name, value)| Pair { name: name.as_ref(), value: value.as_ref(), lower: false });
    let size = size(pairs.clone());
    if size > MAX_BYTES {
        return Err(Error::too_large("bytes in a header map", size, MAX_BYTES));
    }
    write(pairs, size)
}

/// The pairs in the host's encoding, for the guest itself to read, which has no limits.
pub(super) fn encode_own(pairs: &[Pair<'_>]) -> Result<Box<[u8]>> {
    write(pairs.iter().copied(), size(pairs.iter().copied()))
}

/// The size of the pairs in the host's encoding.
fn size<'a>(pairs: impl Iterator<Item = Pair<'a>>) -> usize {
    pairs.fold(COUNT, |size, pair| {
        size.saturating_add(pair.name.len()).saturating_add(pair.value.len()).saturating_add(EACH)
    })
}

fn write<'a>(pairs: impl Iterator<Item = Pair<'a>> + Clone, size: usize) -> Result<Box<[u8]>> {
    let mut block = try_slice(size, || 0)?;
    let mut out = &mut *block;
    put_u32(&mut out, pairs.clone().count());
    for Pair { name, value, .. } in pairs.clone() {
        put_u32(&mut out, name.len());
        put_u32(&mut out, value.len());
    }
    for Pair { name, value, lower } in pairs {
        let to_name = put(&mut out, name);
        if lower {
            to_name.make_ascii_lowercase();
        }
        for part in [b"\0", value, b"\0"] {
            put(&mut out, part);
        }
    }
    Ok(block)
}

fn put_u32(out: &mut &mut [u8], number: usize) {
    // Lengths that need more than 32 bits do not fit into memory as a block.
    put(out, &u32::try_from(number).unwrap_or_default().to_le_bytes());
}

/// Appends bytes, and gives them where they are now.
fn put<'a>(out: &mut &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let Some((to, rest)) = core::mem::take(out).split_at_mut_checked(bytes.len()) else { return &mut [] };
    to.copy_from_slice(bytes);
    *out = rest;
    to
}
