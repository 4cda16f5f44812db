//! The arenas of the streams of this VM: those that wait for a stream, and the one of the stream
//! whose callback runs.

use core::cell::Cell;

use sluicegate_alloc::request::{Pool, RequestArena};

/// The arenas of the VM, and the arena of the stream whose callback runs.
struct Arenas {
    pool: Cell<Option<Pool>>,
    current: Cell<Option<RequestArena>>,
}

crate::__vm_local! {
    static ARENAS: Arenas = Arenas { pool: Cell::new(None), current: Cell::new(None) };
}

/// Returns the arena of the stream whose callback runs, or `None` if the SDK is out of memory.
pub(crate) fn current() -> Option<RequestArena> {
    ARENAS.with(|arenas| {
        let arena = arenas.current.take().or_else(|| arenas.take())?;
        arenas.current.set(Some(arena.clone()));
        Some(arena)
    })
}

/// Returns the number of open arenas in this VM, and of those that wait in its pool.
pub(crate) fn usage() -> (usize, usize) {
    ARENAS.with(|arenas| arenas.of_pool(|pool| (pool.open(), pool.waiting())).unwrap_or_default())
}

impl Arenas {
    fn take(&self) -> Option<RequestArena> {
        let pool = self.pool.take().or_else(Pool::new)?;
        let arena = pool.take();
        self.pool.set(Some(pool));
        arena
    }

    /// Passes the pool to a function. Returns `None` if there is no pool.
    fn of_pool<R>(&self, with: impl FnOnce(&Pool) -> R) -> Option<R> {
        let pool = self.pool.take()?;
        let result = with(&pool);
        self.pool.set(Some(pool));
        Some(result)
    }
}

/// Frees the arenas that wait. Returns `false` if none does.
pub(crate) fn trim() -> bool {
    let trim = |pool: &Pool| {
        let some = pool.waiting() > 0;
        pool.trim();
        some
    };
    ARENAS.with(|arenas| arenas.of_pool(trim).unwrap_or_default())
}

/// Drops the pool, at the end of the VM.
pub(crate) fn clear() {
    ARENAS.with(|arenas| arenas.pool.set(None));
}

/// The place where a stream keeps its arena between callbacks.
pub(crate) struct Slot(Cell<Option<RequestArena>>);

impl Slot {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Runs a callback with this slot's arena as the current one, and makes the arena before it the
    /// current one again afterwards. Calls nest.
    pub(crate) fn within<R>(&self, callback: impl FnOnce() -> R) -> R {
        let _restore = Restore { slot: self, before: ARENAS.with(|arenas| arenas.current.replace(self.0.take())) };
        callback()
    }
}

/// Restores the arena before, even if the callback unwinds.
struct Restore<'a> {
    slot: &'a Slot,
    before: Option<RequestArena>,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.slot.0.set(ARENAS.with(|arenas| arenas.current.replace(self.before.take())));
    }
}
