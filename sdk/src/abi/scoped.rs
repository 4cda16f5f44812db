//! A reference that code further down can reach while a function runs.

use core::cell::Cell;
use core::ptr::NonNull;

/// The place of a reference that exists only while [`within`](Self::within) runs.
pub(crate) struct Scoped<T: ?Sized + 'static>(Cell<Option<NonNull<T>>>);

impl<T: ?Sized + 'static> Scoped<T> {
    pub(crate) const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Runs a function with the value as the current one. Afterwards the value before is the
    /// current one again, even if the function unwinds.
    #[inline]
    pub(crate) fn within<R>(&self, value: &T, run: impl FnOnce() -> R) -> R {
        let _restore = Restore { scoped: self, before: self.0.replace(Some(NonNull::from(value))) };
        run()
    }

    /// Passes the current value to a function, or `None` if there is none.
    #[inline]
    pub(crate) fn with<R>(&self, with: impl FnOnce(Option<&T>) -> R) -> R {
        // SAFETY: an address is here only while `within` runs, which borrows the value until it
        // returns. `Restore` takes the address out by then, even if the function unwinds. This
        // function returns before that, on the same thread: neither the cell nor a pointer is sent
        // to another thread. The reference that is passed ends with `with`.
        with(self.0.get().map(|value| unsafe { value.as_ref() }))
    }
}

struct Restore<'a, T: ?Sized + 'static> {
    scoped: &'a Scoped<T>,
    before: Option<NonNull<T>>,
}

impl<T: ?Sized + 'static> Drop for Restore<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.scoped.0.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::__std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_value_is_there_while_its_function_runs() {
        let scoped: Scoped<str> = Scoped::new();
        let now = || scoped.with(|value| value.map(alloc::borrow::ToOwned::to_owned));
        assert_eq!(now(), None);
        scoped.within("outer", || {
            scoped.within("inner", || assert_eq!(now().as_deref(), Some("inner")));
            assert_eq!(now().as_deref(), Some("outer"));
            let unwound = catch_unwind(AssertUnwindSafe(|| scoped.within("lost", || panic!("told to"))));
            assert!(unwound.is_err());
            assert_eq!(now().as_deref(), Some("outer"));
        });
        assert_eq!(now(), None);
    }
}
