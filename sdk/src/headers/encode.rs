//! Pairs in the host's encoding.

use alloc::boxed::Box;

use super::check::Check;
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
    /// An edit, whose name the host will have in lower case.
    pub(super) new: bool,
}

/// What gives each pair in turn to a function, and the same whenever it is asked.
type Each<'a> = &'a dyn Fn(&mut dyn FnMut(Pair<'_>));

/// Returns the pairs in the host's encoding, and never a map that the host would silently empty.
pub(crate) fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)], check: Check) -> Result<Box<[u8]>> {
    if pairs.len() > MAX_PAIRS {
        return Err(Error::too_large("pairs in a header map", pairs.len(), MAX_PAIRS));
    }
    let each = |with: &mut dyn FnMut(Pair<'_>)| {
        for (name, value) in pairs {
            with(Pair { name: name.as_ref(), value: value.as_ref(), new: false });
        }
    };
    write(&each, MAX_BYTES, check)
}

/// Pairs in the host's encoding, for the guest itself to read, which has no limits.
pub(super) fn encode_own(each: Each<'_>) -> Result<Box<[u8]>> {
    write(each, usize::MAX, Check::Neither)
}

/// Encodes pairs. One function, whatever the pairs are.
#[inline(never)]
fn write(each: Each<'_>, most: usize, check: Check) -> Result<Box<[u8]>> {
    let (mut size, mut count, mut checked) = (COUNT, 0, Ok(()));
    each(&mut |Pair { name, value, .. }| {
        size = size.saturating_add(name.len()).saturating_add(value.len()).saturating_add(EACH);
        count += 1;
        if checked.is_ok() {
            checked = check.check(name, value);
        }
    });
    checked?;
    if size > most {
        return Err(Error::too_large("bytes in a header map", size, most));
    }
    let mut block = try_slice(size, || 0)?;
    let mut out = &mut *block;
    put_u32(&mut out, count);
    each(&mut |Pair { name, value, .. }| {
        put_u32(&mut out, name.len());
        put_u32(&mut out, value.len());
    });
    each(&mut |Pair { name, value, new }| {
        let written = put(&mut out, name);
        if new {
            written.make_ascii_lowercase();
        }
        put(&mut out, b"\0");
        put(&mut out, value);
        put(&mut out, b"\0");
    });
    Ok(block)
}

fn put_u32(out: &mut &mut [u8], number: usize) {
    // Lengths that need more than 32 bits do not fit into memory as a block.
    put(out, &u32::try_from(number).unwrap_or_default().to_le_bytes());
}

/// Appends bytes, and gives them where they are now.
#[inline(never)]
fn put<'a>(out: &mut &'a mut [u8], bytes: &[u8]) -> &'a mut [u8] {
    let Some((to, rest)) = core::mem::take(out).split_at_mut_checked(bytes.len()) else { return &mut [] };
    to.copy_from_slice(bytes);
    *out = rest;
    to
}
