//! Sources of pages.
//!
//! A [`Source`] provides pieces of memory, and never takes them back: linear memory cannot shrink,
//! so no layer above a source counts on it. `Linear` is `memory.grow`, and `Pages` is the operating
//! system. A third source, for tests, is a region that the caller owns.

pub(crate) mod fixed;
#[cfg(target_family = "wasm")]
mod linear;
#[cfg(not(target_family = "wasm"))]
mod pages;

#[cfg(target_family = "wasm")]
pub use linear::Linear;
#[cfg(not(target_family = "wasm"))]
pub use pages::Pages;

/// The source of the platform's pages: linear memory on wasm, the system elsewhere.
#[cfg(target_family = "wasm")]
pub type Platform = Linear;
/// The source of the platform's pages: linear memory on wasm, the system elsewhere.
#[cfg(not(target_family = "wasm"))]
pub type Platform = Pages;

use core::ptr::NonNull;

/// The bytes of a page of linear memory. This is the unit of `memory.grow`, and of every count of
/// pages in this crate.
pub const PAGE: usize = 64 * 1024;

/// A source of an allocator's memory.
///
/// # Safety
///
/// Each piece from [`acquire`](Source::acquire) must have at least `least` bytes, be aligned to 16,
/// and be valid for reads and writes. It must belong to no other code as long as the user of the
/// source uses it. Its length need not be a multiple of 16 or of a page. If [`next`](Source::next)
/// returned an address and the piece begins there, then this piece and the piece acquired before it
/// must be one allocation, so that a pointer into the first may move into the second.
pub unsafe trait Source {
    /// Returns the address at which the next piece begins if it continues the previous one, or
    /// `None` if that is unknown.
    ///
    /// Other code may grow the memory in between. So the result is valid only until the next call
    /// of any other function.
    fn next(&self) -> Option<usize>;

    /// Returns a piece of at least `least` bytes, and of `wish` bytes if possible. Returns `None`
    /// if there is no more memory. Never traps.
    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>>;

    /// Returns the number of bytes that count for the limit of the source.
    fn held(&self) -> usize;

    /// Sets a limit of pages, over which [`acquire`](Source::acquire) returns `None`.
    fn limit(&mut self, pages: usize);
}
