//! One interpreter of what filters do, on this SDK and on the crate `proxy-wasm`.
//!
//! The program is in the request's header `x-program`. Both modules do the same with the same
//! program, so the upstream, the called service and the client get the same bytes, and the log gets
//! the same lines.
//!
//! | file | has |
//! |---|---|
//! | `program` | the steps of a program, and the operations that an SDK gives them |
//! | `stream` | a stream: which steps run when, and who holds it |
//! | `ours`, `theirs` | the operations and the callbacks on each SDK |
//! | `bodies` | beside the interpreter, filters that judge and rewrite bodies |
//!
//! Natively this crate is empty.
#![cfg(target_family = "wasm")]
// Without a feature there is no interpreter.
#![cfg_attr(not(any(feature = "ours", feature = "theirs")), allow(dead_code))]

#[cfg(all(feature = "bodies", not(any(feature = "ours", feature = "theirs"))))]
mod bodies;
#[cfg(all(feature = "ours", not(feature = "theirs")))]
mod ours;
mod program;
mod stream;
#[cfg(feature = "theirs")]
mod theirs;
