//! JSON read in place: no tree, no recursion, no allocation.
//!
//! Plugin configurations are JSON, and many bodies are. [`parse`] checks a text once; what it gives
//! are views into the text, and looking something up walks over it.
//!
//! ```
//! use sluicegate::json;
//!
//! let configuration = br#"{"header": "x-tag", "limits": {"requests": 100}, "paths": ["/a", "/b\u002f"]}"#;
//! let json = json::parse(configuration)?;
//! assert_eq!(json.get("header").and_then(|value| value.as_str()), Some("x-tag"));
//! let requests = json.get("limits").and_then(|limits| limits.get("requests"));
//! assert_eq!(requests.and_then(|value| value.to_u64()), Some(100));
//! assert!(json.get("paths").unwrap().elements().any(|path| path == "/b/"));
//! # Ok::<(), sluicegate::Error>(())
//! ```
//!
//! # What it takes
//!
//! RFC 8259 to the letter, in UTF-8. Arrays and objects nest up to 128 deep; half of a surrogate
//! pair is refused. If an object has a name twice, the first counts.
//!
//! # Cost
//!
//! Checking reads each byte twice (once for UTF-8), and each lookup reads again what lies in front
//! of what it finds. For a filter that takes a few fields that is far less than building a tree, in
//! time and in code: 6 to 8 kB of module. A filter that wants structs from large texts is better
//! served by `serde`.

mod check;
mod text;
mod value;

pub use text::{Chars, Text};
pub use value::{Elements, Kind, Members, Value, parse};
