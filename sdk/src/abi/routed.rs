//! Host blocks that lie in a stream's arena.
//!
//! Such a block begins with a handle to its arena. So an address is enough to give the block back,
//! and the arena lives as long as the block. The capacity carries a mark that no size has. Other
//! code sees a block that is too large to be kept, and brings it to [`give_back`].

use core::alloc::Layout;
use core::cell::Cell;
use core::ptr::NonNull;

use sluicegate_alloc::request::RequestArena;
use sluicegate_alloc::request::allocator_api2::alloc::Allocator;

/// The bit that no size has: a block has at most `isize::MAX` bytes.
const MARK: usize = 1 << (usize::BITS - 1);

/// The largest block that is put into an arena. Arenas double their chunks, and hold each chunk
/// until the stream ends.
pub(crate) const LARGEST: usize = 8 << 10;

/// The arena for host blocks.
#[derive(Clone, Copy)]
struct Route {
    arena: NonNull<RequestArena>,
    /// The nesting depth of the callbacks when the route was opened. The route does not apply to a
    /// callback that the host runs within one of its calls.
    depth: usize,
}

crate::__vm_local! {
    static ROUTE: Cell<Option<Route>> = Cell::new(None);
}

/// Runs `call`. Blocks that the host hands over meanwhile, in callbacks of this depth, lie in the
/// arena if they are no larger than [`LARGEST`].
pub(crate) fn within<R>(arena: &RequestArena, depth: usize, call: impl FnOnce() -> R) -> R {
    /// Restores the route before, even if `call` unwinds.
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

/// Returns the layout of a block of this number of bytes in an arena: a handle, and then the bytes,
/// up to a multiple of the handle's alignment. So successive blocks leave no gap, and freeing the
/// last one gives all of it back.
fn layout(size: usize) -> Option<Layout> {
    let (layout, start) = Layout::new::<RequestArena>().extend(Layout::from_size_align(size, 1).ok()?).ok()?;
    (start == size_of::<RequestArena>()).then(|| layout.pad_to_align())
}

/// Returns a block in the arena that is open at this depth, and the block's marked capacity.
/// Returns `None` if no arena is open, if the block is too large, or if the SDK is out of memory.
pub(super) fn obtain(size: usize, depth: usize) -> Option<(NonNull<u8>, usize)> {
    let route = ROUTE.with(Cell::get).filter(|route| route.depth == depth && size <= LARGEST)?;
    // SAFETY: `within` borrows the arena, and removes the route before that borrow ends.
    let arena = unsafe { route.arena.as_ref() };
    let block = if cfg!(target_family = "wasm") {
        // The bytes count as written by the host, outside of what the compiler sees.
        arena.allocate(layout(size)?)
    } else {
        arena.allocate_zeroed(layout(size)?)
    };
    let head = block.ok()?.cast::<RequestArena>();
    // SAFETY: the block is ours, is aligned to a handle, and begins with the room for one.
    unsafe { head.write(arena.clone()) };
    // SAFETY: behind the handle the block has `size` bytes.
    Some((unsafe { head.add(1) }.cast(), size | MARK))
}

/// Returns the number of bytes of a block by its capacity, which may be marked.
#[inline]
pub(super) const fn size(capacity: usize) -> usize {
    capacity & !MARK
}

/// Gives a marked block back to its arena, and frees the arena if the block was its last owner.
/// Returns `false` if the block is not marked.
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
