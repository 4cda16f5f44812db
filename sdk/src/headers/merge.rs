//! A whole map with the edits that wait, put together in the guest.

use alloc::boxed::Box;

use super::encode::{Pair, encode_own};
use super::map::HeaderMap;
use super::resolve::{Edits, Found, Op, Record};
use crate::abi::MapType;
use crate::error::Result;

/// The map as the host will have it when the edits are written back, in its encoding; none where the guest cannot know, as the host may join values.
#[inline(never)]
pub(super) fn merge(edits: &Edits, bytes: &[u8], map: MapType, host: &HeaderMap) -> Result<Option<Box<[u8]>>> {
    if each(edits, bytes, map, host, &mut |_| {}) {
        encode_own(&|pair| {
            each(edits, bytes, map, host, pair);
        })
        .map(Some)
    } else {
        Ok(None)
    }
}

/// Gives each pair of the map with the edits to a function; false where the host may join values.
///
/// In Envoy's order: pseudo-headers, then the others, and of each kind first what the host has, then what is new.
#[inline(never)]
fn each(edits: &Edits, bytes: &[u8], map: MapType, host: &HeaderMap, with: &mut dyn FnMut(Pair<'_>)) -> bool {
    for kind in 0..4 {
        let is_other = |name: &[u8]| (name.first() == Some(&b':')) != (kind < 2);
        if kind % 2 == 0 {
            for (name, value) in host {
                match edits.find(bytes, map, &name) {
                    Found::Added(_) | Found::Several => return false,
                    Found::Untouched if !is_other(&name) => {
                        with(Pair { name: name.as_bytes(), value: value.as_bytes(), new: false });
                    }
                    _ => {}
                }
            }
            continue;
        }
        for Record { op, map: of, name, value } in edits.standing(bytes) {
            if of != map || is_other(name) || !matches!(op, Op::Add | Op::Replace) {
                continue;
            }
            // Of one value in all, the others are undone.
            if edits.find(bytes, map, name) == Found::Several {
                return false;
            }
            with(Pair { name, value, new: true });
        }
    }
    true
}
