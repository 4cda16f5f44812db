//! The host's encoding of pairs.

use alloc::boxed::Box;

use super::check::Check;
use crate::abi::try_slice;
use crate::error::{Error, Result};

/// The largest number of bytes that a host decodes. Envoy takes a larger map for empty and returns
/// Ok.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// The largest number of pairs that a host decodes. Envoy takes a map with more pairs for empty and
/// returns Ok.
pub(crate) const MAX_PAIRS: usize = 1024;

/// The number of bytes of the count.
const COUNT: usize = 4;
/// The number of bytes of a pair besides its name and value: two lengths and two zero bytes.
const EACH: usize = 10;

/// A pair to encode.
#[derive(Clone, Copy, Debug)]
struct Pair<'a> {
    name: &'a [u8],
    value: &'a [u8],
}

/// A function that passes each pair in turn to another function, and the same pairs each time.
type Each<'a> = &'a dyn Fn(&mut dyn FnMut(Pair<'_>));

/// Encodes pairs as the host does. Fails instead of encoding a map that the host would silently
/// empty.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)], check: Check) -> Result<Box<[u8]>> {
    if pairs.len() > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs.len(), MAX_PAIRS));
    }
    let each = |with: &mut dyn FnMut(Pair<'_>)| {
        for (name, value) in pairs {
            with(Pair { name: name.as_ref(), value: value.as_ref() });
        }
    };
    write(&each, check)
}

/// Encodes pairs. One function serves all types of pairs.
#[inline(never)]
fn write(each: Each<'_>, check: Check) -> Result<Box<[u8]>> {
    let (mut size, mut count, mut checked) = (COUNT, 0, Ok(()));
    each(&mut |Pair { name, value }| {
        size = size.saturating_add(name.len()).saturating_add(value.len()).saturating_add(EACH);
        count += 1;
        if checked.is_ok() {
            checked = check.check(name, value);
        }
    });
    checked?;
    if size > MAX_BYTES {
        return Err(Error::too_large("bytes in a header map", size, MAX_BYTES));
    }
    let mut block = try_slice(size, || 0)?;
    let mut out = &mut *block;
    put_u32(&mut out, count);
    each(&mut |Pair { name, value }| {
        put_u32(&mut out, name.len());
        put_u32(&mut out, value.len());
    });
    each(&mut |Pair { name, value }| {
        put(&mut out, name);
        put(&mut out, b"\0");
        put(&mut out, value);
        put(&mut out, b"\0");
    });
    Ok(block)
}

fn put_u32(out: &mut &mut [u8], number: usize) {
    // A length that needs more than 32 bits belongs to a block that does not fit into memory.
    put(out, &u32::try_from(number).unwrap_or_default().to_le_bytes());
}

/// Appends bytes.
#[inline(never)]
fn put(out: &mut &mut [u8], bytes: &[u8]) {
    if let Some((to, rest)) = core::mem::take(out).split_at_mut_checked(bytes.len()) {
        to.copy_from_slice(bytes);
        *out = rest;
    }
}
