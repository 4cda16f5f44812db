//! Header maps: read as views over the host's block, edited entry by entry.
//!
//! | file | holds |
//! |---|---|
//! | `map` | [`HeaderMap`]: a snapshot of a map, decoded in place |
//! | `snapshots` | what a callback reads: a snapshot, and the edits since |
//! | `record` | the edits that a callback has made since its snapshot |
//! | `write` | an edit's host call |
//! | `editor` | [`MapEditor`]: edits without reading |
//! | `check` | names and values, before they leave |
//! | `encode` | pairs in the host's encoding |

mod check;
mod editor;
mod encode;
mod map;
mod record;
mod snapshots;
mod write;

pub(crate) use check::{Check, has_control, is_value, printable};
pub use editor::MapEditor;
pub(crate) use encode::encode;
pub use map::{HeaderMap, Iter, Values};
pub(crate) use snapshots::Snapshots;
