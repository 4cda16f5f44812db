//! Header maps, which are read as views over the host's block and edited entry by entry.
//!
//! | file | contents |
//! |---|---|
//! | `map` | [`HeaderMap`]: a snapshot of a map, decoded in place |
//! | `snapshots` | the reads of a callback: a snapshot, and the edits since |
//! | `record` | the edits that a callback has made since its snapshot |
//! | `write` | the host call of an edit |
//! | `editor` | [`MapEditor`]: edits without reading |
//! | `fetch` | reads that no snapshot keeps |
//! | `check` | the checks of names and values before they leave |
//! | `framing` | the headers that say where a message ends |
//! | `encode` | the host's encoding of pairs |

mod check;
mod editor;
mod encode;
mod fetch;
mod framing;
mod map;
mod record;
mod snapshots;
mod write;

pub(crate) use check::{Check, has_control, is_value, printable};
pub use editor::MapEditor;
pub(crate) use encode::encode;
pub(crate) use fetch::{fetch, fetch_value};
pub(crate) use framing::framing_problem;
pub use map::{HeaderMap, Iter, Values};
pub(crate) use snapshots::Snapshots;
