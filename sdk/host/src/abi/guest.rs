//! The simulated host of one VM, as the guest sees it.

use std::cell::RefCell;

use crate::model::state::{Restricted, State};

/// The simulated host of one VM, as the guest sees it.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    pub(crate) state: RefCell<State>,
}

impl Guest {
    /// Runs code that calls the guest's allocation entry. No context is current meanwhile, and only
    /// few host functions may be called.
    pub(super) fn allocating<R>(&self, allocate: impl FnOnce() -> R) -> R {
        let before = {
            let mut state = self.state.borrow_mut();
            state.cost.host_allocations += 1;
            (
                std::mem::replace(&mut state.effective, 0), //
                state.restricted.replace(Restricted::Allocating),
            )
        };
        let result = allocate();
        let mut state = self.state.borrow_mut();
        (state.effective, state.restricted) = before;
        result
    }
}

impl Restricted {
    pub(crate) fn refuses(self, function: &str) -> String {
        let when = match self {
            Self::Allocating => "while it allocated for the host",
            Self::Starting => "before it had a context",
        };
        format!("the module called {function} {when}, at which hosts trap the module")
    }
}
