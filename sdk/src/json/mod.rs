//! JSON read in place: no tree, no recursion, no allocation.
//!
//! Plugin configurations are JSON, and many bodies are. [`parse`] checks a text once, and returns
//! views into the text. A lookup walks over the text.
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
//! # Accepted texts
//!
//! [`parse`] accepts RFC 8259 exactly, in UTF-8. Arrays and objects nest up to 128 deep. Half of a
//! surrogate pair is refused. If an object has a name twice, the last one counts, as for most
//! readers: a service behind the filter reads the same value that the filter judged.
//!
//! # Cost
//!
//! The check reads each byte twice, once for UTF-8. Each lookup reads the object again. For a
//! filter that reads a few fields this is much less than building a tree, in time and in code: 6 to
//! 8 kB of module. For structs from large texts `serde` is better.

mod check;
mod text;
mod value;

pub use text::{Chars, Text};
pub use value::{Elements, Kind, Members, Value, parse};
