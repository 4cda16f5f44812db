//! The state of the VM's budgets.

use alloc::boxed::Box;
use core::cell::Cell;

use super::account::{Taken, counted, used};
use super::{Budget, Pressure};
use crate::abi::{Shared, StreamType, try_slice};

/// The budget that was passed.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Stream,
    Total,
}

pub(super) struct State {
    /// The settings of the code, and those of the configuration, which take precedence.
    pub(super) code: Cell<Budget>,
    pub(super) operator: Cell<Budget>,
    /// The merged settings of code and configuration.
    pub(super) budget: Cell<Budget>,
    /// `true` if any setting is set.
    pub(super) active: Cell<bool>,
    /// `true` if the total was passed and memory is not back at the low-water mark yet.
    pub(super) shedding: Cell<bool>,
    pub(super) level: Cell<Pressure>,
    /// The budget that refused something in the callback that runs.
    pub(super) cause: Cell<Option<Cause>>,
    /// The number of running calls in which nothing may be refused.
    unlimited: Cell<u32>,
    pub(super) shed: Cell<u64>,
    pub(super) refused: Cell<u64>,
    pub(super) peak: Cell<usize>,
    /// `true` if the VM has had a stream. A VM that is started for a trial never has one.
    pub(super) served: Cell<bool>,
    pub(super) reserve: Cell<Option<Box<[u8]>>>,
    current: Cell<Option<Shared<Taken>>>,
}

crate::__vm_local! {
    static STATE: State = State {
        code: Cell::new(Budget::new()),
        operator: Cell::new(Budget::new()),
        budget: Cell::new(Budget::new()),
        active: Cell::new(false),
        shedding: Cell::new(false),
        level: Cell::new(Pressure::Normal),
        cause: Cell::new(None),
        unlimited: Cell::new(0),
        shed: Cell::new(0),
        refused: Cell::new(0),
        peak: Cell::new(0),
        served: Cell::new(false),
        reserve: Cell::new(None),
        current: Cell::new(None),
    };
}

pub(super) fn with<R>(with: impl FnOnce(&State) -> R) -> R {
    STATE.with(with)
}

pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get().wrapping_add(1));
}

impl State {
    /// Returns whether this number of additional bytes fits the budgets. Notes which budget they do
    /// not fit.
    pub(super) fn admits(&self, size: usize) -> bool {
        let budget = self.budget.get();
        let stream = current::get();
        let over_stream = stream.zip(budget.stream).is_some_and(|(taken, most)| taken.passes(most, size));
        let taken = used();
        let over_total = budget.total.is_some_and(|most| taken.saturating_add(size) > most);
        // A request that is too large by itself, or comes alone, is no reason to shed other
        // streams.
        if over_total && !over_stream && budget.total.is_some_and(|most| taken > budget.mark(most)) {
            self.shedding.set(true);
        }
        if over_stream || over_total {
            self.cause.set(Some(if over_stream { Cause::Stream } else { Cause::Total }));
            count(&self.refused);
        }
        !over_stream && !over_total
    }

    /// Returns the pressure now, and updates whether new streams are shed.
    pub(super) fn look(&self, used: usize) -> Pressure {
        self.peak.set(self.peak.get().max(used));
        let budget = self.budget.get();
        let Some(total) = budget.total else { return Pressure::Normal };
        let mark = budget.mark(total);
        if used > total {
            self.shedding.set(true);
        } else if used <= mark {
            self.shedding.set(false);
        }
        match (self.shedding.get(), used > mark) {
            (true, _) => Pressure::Over,
            (false, true) => Pressure::High,
            (false, false) => Pressure::Normal,
        }
    }
}

/// The account of the stream whose callback runs.
pub(super) mod current {
    use super::{Shared, Taken, with};

    pub(in super::super) fn get() -> Option<Shared<Taken>> {
        with(|state| {
            let taken = state.current.take();
            state.current.set(taken.clone());
            taken
        })
    }

    pub(in super::super) fn replace(taken: Option<Shared<Taken>>) -> Option<Shared<Taken>> {
        with(|state| {
            if taken.is_some() {
                state.served.set(true);
            }
            state.current.replace(taken)
        })
    }
}

/// Returns whether no budget is set.
pub(super) fn is_idle() -> bool {
    with(|state| !state.active.get())
}

/// Returns whether the host may have a block of this size.
pub(crate) fn fits(size: usize) -> bool {
    is_idle() || with(|state| state.unlimited.get() != 0 || state.admits(size))
}

/// Runs a host call whose result no budget may refuse.
pub(crate) fn unlimited<R>(call: impl FnOnce() -> R) -> R {
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            with(|state| state.unlimited.set(state.unlimited.get().saturating_sub(1)));
        }
    }
    with(|state| state.unlimited.set(state.unlimited.get().saturating_add(1)));
    let _end = End;
    call()
}

/// Notes that a kept body goes on.
pub(crate) fn resumed(direction: StreamType) {
    if let (Some(taken), StreamType::HttpRequest | StreamType::HttpResponse) = (current::get(), direction) {
        taken.hold(direction, 0);
    }
}

/// Runs code that handles the lack of memory, with the reserve freed for it.
pub(super) fn with_reserve<R>(run: impl FnOnce() -> R) -> R {
    let put_by = with(|state| state.reserve.take()).map(|block| block.len());
    let result = run();
    if let Some(size) = put_by {
        // If there is no memory for the reserve now, the next call has none either. The budget
        // still applies.
        let block = try_slice(size, || 0).ok();
        with(|state| state.reserve.set(block));
    }
    result
}

/// Returns the bytes that are allocated in the VM, and the most bytes that were used.
pub(crate) fn live_and_peak() -> (usize, usize) {
    let (used, (_, held)) = (used(), counted());
    (used - held, with(|state| state.peak.get().max(used)))
}
