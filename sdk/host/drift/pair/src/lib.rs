//! One interpreter of edits, reads and replies, on this SDK and on the crate `proxy-wasm`.
//!
//! The program is in the request's header `x-program`. Both modules do the same with the same program, so what the
//! upstream and the client get is the same. Natively this crate is empty.
#![cfg(target_family = "wasm")]

#[cfg(all(feature = "ours", not(feature = "theirs")))]
mod ours;
mod program;
#[cfg(feature = "theirs")]
mod theirs;
