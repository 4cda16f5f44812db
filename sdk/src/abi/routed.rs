//! Host blocks that lie in a stream's arena.
//!
//! Such a block begins with a handle to its arena, so an address is enough to give it back, and the
//! arena lives as long as the block. Its capacity carries a mark that no size has: all that knows
//! of blocks sees one that is too large to be kept, and brings it to [`give_back`].

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use sluicegate_alloc::request::RequestArena;
use sluicegate_alloc::request::allocator_api2::alloc::Allocator;

/// The bit that no size has: a block is at most `isize::MAX` bytes.
const MARK: usize = 1 << (usize::BITS - 1);

/// The largest block that is put into an arena: arenas double their chunks, and hold each until the
/// stream ends.
pub(crate) const LARGEST: usize = 8 << 10;

/// Where host blocks go.
#[derive(Clone, Copy)]
struct Route {
    arena: NonNull<RequestArena>,
    /// How deep the callbacks were nested when it was opened. A callback that the host runs within
    /// one of its calls has nothing to do with it.
    depth: usize,
}

crate::__vm_local! {
    static ROUTE: Cell<Option<Route>> = Cell::new(None);
}

/// Runs `call`; what the host hands over meanwhile, in callbacks as deep as this one, lies in the
/// arena if it is no larger than [`LARGEST`].
pub(crate) fn within<R>(arena: &RequestArena, depth: usize, call: impl FnOnce() -> R) -> R {
    /// Restores also if `call` unwinds.
    struct Restore(Option<Route>);

    impl Drop for Restore {
        fn drop(&mut self) {
            ROUTE.with(|route| route.set(self.0));
        }
    }

    let _restore = Restore(ROUTE.with(|route| route.replace(Some(Route { arena: NonNull::from(arena), depth }))));
    call()
}

/// Returns whether a block may lie in an arena now.
#[inline]
pub(super) fn is_open() -> bool {
    ROUTE.with(|route| route.get().is_some())
}

/// How a block of so many bytes lies in an arena: a handle, and then the bytes, to a multiple of
/// the handle's alignment, so that one after another leaves no gap, and freeing the last gives all
/// of it back.
fn layout(size: usize) -> Option<Layout> {
    let (layout, start) = Layout::new::<RequestArena>().extend(Layout::from_size_align(size, 1).ok()?).ok()?;
    (start == size_of::<RequestArena>()).then(|| layout.pad_to_align())
}

/// Returns a block in the arena that is open at this depth, and its marked capacity; none if there
/// is none, or the block is too large, or the SDK is out of memory.
pub(super) fn obtain(size: usize, depth: usize) -> Option<(NonNull<u8>, usize)> {
    let route = ROUTE.with(Cell::get).filter(|route| route.depth == depth && size <= LARGEST)?;
    // SAFETY: `within` has the arena borrowed, and takes the route away before that ends.
    let arena = unsafe { route.arena.as_ref() };
    let block = if cfg!(target_family = "wasm") {
        // The bytes count as written by the host, outside of what the compiler sees.
        arena.allocate(layout(size)?)
    } else {
        arena.allocate_zeroed(layout(size)?)
    };
    let head = block.ok()?.cast::<RequestArena>();
    // SAFETY: the block is ours, aligned to a handle, and begins with the room for one.
    unsafe { head.write(arena.clone()) };
    // SAFETY: behind the handle the block has `size` bytes.
    Some((unsafe { head.add(1) }.cast(), size | MARK))
}

/// Returns the bytes of a block by its capacity, which may be marked.
#[inline]
pub(super) const fn size(capacity: usize) -> usize {
    capacity & !MARK
}

/// Gives a marked block back to its arena, and frees the arena if it was all that held it; false if
/// it is none.
///
/// # Safety
///
/// A block with a marked capacity is one of [`obtain`], and nobody uses it any more.
#[inline]
pub(super) unsafe fn give_back(start: NonNull<u8>, capacity: usize) -> bool {
    if capacity & MARK == 0 {
        return false;
    }
    // SAFETY: a handle lies in front of every block of `obtain`.
    let head = unsafe { start.cast::<RequestArena>().sub(1) };
    // SAFETY: `obtain` wrote the handle, and it is read once, here, as the block goes.
    let arena = unsafe { head.read() };
    if let Some(layout) = layout(size(capacity)) {
        // SAFETY: the block came from this arena with this layout.
        unsafe { arena.deallocate(head.cast(), layout) };
    }
    true
}
