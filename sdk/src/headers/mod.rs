//! Header maps: read as views over the host's block, written back in the host's own encoding.
//!
//! | file | holds |
//! |---|---|
//! | `map` | [`HeaderMap`]: a snapshot of a map, decoded in place |
//! | `snapshots` | what a callback reads: a snapshot, and the edits since |
//! | `edits` | edits that wait, until someone could see the map |
//! | `resolve` | edits in a row, and what they come to |
//! | `merge` | a whole map with its edits |
//! | `editor` | [`MapEditor`]: edits without reading |
//! | `encode` | the other direction |
//! | `check` | names and values, before they leave |

mod check;
mod editor;
pub(crate) mod edits;
mod encode;
mod map;
mod merge;
mod resolve;
mod snapshots;

pub(crate) use check::Check;
pub use editor::MapEditor;
pub(crate) use encode::encode;
pub use map::{HeaderMap, Iter, Values};
pub(crate) use resolve::Op;
pub(crate) use snapshots::Snapshots;
