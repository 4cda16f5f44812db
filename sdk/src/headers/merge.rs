//! A whole map with the edits that wait, put together in the guest.

use alloc::boxed::Box;

use super::encode::{Pair, encode_own};
use super::map::HeaderMap;
use super::resolve::{Found, Op, Records, find};
use crate::abi::MapType;
use crate::error::Result;

/// The map as the host will have it when the edits are written back, in its encoding; none where the guest cannot know, as the host may join values.
#[inline(never)]
pub(super) fn merge(edits: Records<'_>, map: MapType, host: &HeaderMap) -> Result<Option<Box<[u8]>>> {
    if each(edits, map, host, &mut |_| {}) {
        encode_own(&|pair| {
            each(edits, map, host, pair);
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
fn each(edits: Records<'_>, map: MapType, host: &HeaderMap, with: &mut dyn FnMut(Pair<'_>)) -> bool {
    for kind in 0..4 {
        let is_other = |name: &[u8]| (name.first() == Some(&b':')) != (kind < 2);
        if kind % 2 == 0 {
            for (name, value) in host {
                match find(edits, map, &name) {
                    Found::Added(_) | Found::Several => return false,
                    Found::Untouched if !is_other(&name) => {
                        with(Pair { name: name.as_bytes(), value: value.as_bytes(), new: false });
                    }
                    _ => {}
                }
            }
            continue;
        }
        let mut left = edits;
        while let Some(edit) = left.next() {
            if edit.map != map || is_other(edit.name) || !matches!(edit.op, Op::Add | Op::Replace) {
                continue;
            }
            if find(edits, map, edit.name) == Found::Several {
                return false;
            }
            // Of one value in all, the edit is the last one of its name.
            let mut later = left;
            if later.about(map, edit.name).is_none() {
                with(Pair { name: edit.name, value: edit.value, new: true });
            }
        }
    }
    true
}
