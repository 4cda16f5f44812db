//! Pairs in the host's encoding.

use alloc::boxed::Box;

use crate::abi::try_slice;
use crate::error::{Error, Result};

/// The most bytes that a host decodes: past it, Envoy takes the map for empty and answers Ok.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The most pairs that a host decodes; likewise.
pub(crate) const MAX_PAIRS: usize = 1024;

/// The pairs in the host's encoding, and never a map that the host would silently empty.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Result<Box<[u8]>> {
    if pairs.len() > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs.len(), MAX_PAIRS));
    }
    let mut size = 4_usize;
    for (name, value) in pairs {
        size = size.saturating_add(name.as_ref().len()).saturating_add(value.as_ref().len()).saturating_add(10);
    }
    if size > MAX_BYTES {
        return Err(Error::too_large("bytes in a header map", size, MAX_BYTES));
    }
    let mut block = try_slice(size, || 0)?;
    let mut out = &mut *block;
    put_u32(&mut out, pairs.len());
    for (name, value) in pairs {
        put_u32(&mut out, name.as_ref().len());
        put_u32(&mut out, value.as_ref().len());
    }
    for (name, value) in pairs {
        for part in [name.as_ref(), value.as_ref()] {
            put(&mut out, part);
            put(&mut out, b"\0");
        }
    }
    Ok(block)
}

fn put_u32(out: &mut &mut [u8], number: usize) {
    // Every number is below `MAX_BYTES`.
    put(out, &u32::try_from(number).unwrap_or_default().to_le_bytes());
}

fn put(out: &mut &mut [u8], bytes: &[u8]) {
    if let Some((to, rest)) = core::mem::take(out).split_at_mut_checked(bytes.len()) {
        to.copy_from_slice(bytes);
        *out = rest;
    }
}
