//! Where pages come from.
//!
//! A [`Source`] hands out pieces of memory and never takes them back: linear memory cannot shrink,
//! so nothing above a source counts on it. `Linear` is `memory.grow`, `Pages` the operating system,
//! a third one, for tests, a region that the caller owns.

pub(crate) mod fixed;
#[cfg(target_family = "wasm")]
mod linear;
#[cfg(not(target_family = "wasm"))]
mod pages;

#[cfg(target_family = "wasm")]
pub use linear::Linear;
#[cfg(not(target_family = "wasm"))]
pub use pages::Pages;

/// Where the platform's pages come from: linear memory on wasm, the system elsewhere.
#[cfg(target_family = "wasm")]
pub type Platform = Linear;
/// Where the platform's pages come from: linear memory on wasm, the system elsewhere.
#[cfg(not(target_family = "wasm"))]
pub type Platform = Pages;

use core::ptr::NonNull;

/// Bytes of a page of linear memory: the unit of `memory.grow`, and of every count of pages here.
pub const PAGE: usize = 64 * 1024;

/// Where an allocator's memory comes from.
///
/// # Safety
///
/// Each piece from [`acquire`](Source::acquire) must have at least `least` bytes, be valid for
/// reads and writes, belong to nobody else, stay so for as long as the source's user uses it, and
/// be aligned to 16; its length may be anything, and no multiple of 16 or of a page. If
/// [`next`](Source::next) answered with an address and the piece begins there, then the piece and
/// the one acquired before it must be one allocation, so that a pointer into the first may walk
/// into the second.
pub unsafe trait Source {
    /// Returns the address at which the next piece begins if it continues the previous one, or
    /// `None` if that is unknown.
    ///
    /// Someone else may grow the memory in between, so the answer holds only until the next call of
    /// anything else.
    fn next(&self) -> Option<usize>;

    /// Returns a piece of at least `least` bytes, better `wish` bytes, or `None` if there is no
    /// more. Never traps.
    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>>;

    /// Bytes that count against the source's limit so far.
    fn held(&self) -> usize;

    /// Sets the limit in pages, past which [`acquire`](Source::acquire) answers none.
    fn limit(&mut self, pages: usize);
}
