//! Header maps: read as views over the host's block, written back in the host's own encoding.
//!
//! | file | holds |
//! |---|---|
//! | `map` | [`HeaderMap`]: a snapshot of a map, decoded in place |
//! | `snapshots` | which snapshot a callback reads |
//! | `editor` | [`MapEditor`]: single edits |
//! | `encode` | the other direction |

mod editor;
mod encode;
mod map;
mod snapshots;

pub use editor::MapEditor;
pub(crate) use encode::encode;
pub use map::{HeaderMap, Iter, Values};
pub(crate) use snapshots::Snapshots;
