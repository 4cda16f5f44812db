//! What the VM knows of its budgets.

use alloc::boxed::Box;
use core::cell::Cell;

use super::account::{Taken, used};
use super::{Budget, Pressure, json, report};
use crate::abi::{BufferType, Entry, LogLevel, Shared, try_slice};
use crate::error::Result;
use crate::handle::{WHOLE, read};
use crate::log;

/// Which budget was passed.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Stream,
    Total,
}

pub(super) struct State {
    /// What the code says, and what the configuration says over it.
    code: Cell<Budget>,
    operator: Cell<Budget>,
    /// Both.
    pub(super) budget: Cell<Budget>,
    /// Whether there is anything to look after.
    active: Cell<bool>,
    /// Whether the total was passed and memory is not back yet.
    pub(super) shedding: Cell<bool>,
    pub(super) level: Cell<Pressure>,
    /// Which budget refused something in the callback that runs.
    pub(super) cause: Cell<Option<Cause>>,
    /// How many calls run in which nothing may be refused.
    unlimited: Cell<u32>,
    pub(super) shed: Cell<u64>,
    pub(super) refused: Cell<u64>,
    pub(super) peak: Cell<usize>,
    /// Whether the VM has had a stream: a VM that is started for a trial never has.
    served: Cell<bool>,
    reserve: Cell<Option<Box<[u8]>>>,
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
    /// Returns whether so many more bytes fit the budgets; notes which one they do not fit.
    pub(super) fn admits(&self, size: usize) -> bool {
        let budget = self.budget.get();
        let stream = current::get();
        let over_stream = stream.zip(budget.stream).is_some_and(|(taken, most)| taken.passes(most, size));
        let taken = used();
        let over_total = budget.total.is_some_and(|most| taken.saturating_add(size) > most);
        // What is too large by itself, or alone, is no reason to turn others away.
        if over_total && !over_stream && budget.total.is_some_and(|most| taken > budget.mark(most)) {
            self.shedding.set(true);
        }
        if over_stream || over_total {
            self.cause.set(Some(if over_stream { Cause::Stream } else { Cause::Total }));
            count(&self.refused);
        }
        !over_stream && !over_total
    }

    /// How memory stands now, and whether new streams are still shed.
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

/// The stream whose callback runs.
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

/// Returns whether there is nothing to look after.
pub(super) fn is_idle() -> bool {
    with(|state| !state.active.get())
}

/// Returns whether the host may have a block of this size.
pub(crate) fn fits(size: usize) -> bool {
    is_idle() || with(|state| state.unlimited.get() != 0 || state.admits(size))
}

/// Runs a host call whose answer no budget may refuse.
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

/// Runs what deals with memory that is out: on what was put by for it.
pub(super) fn with_reserve<R>(run: impl FnOnce() -> R) -> R {
    let put_by = with(|state| state.reserve.take()).map(|block| block.len());
    let result = run();
    if let Some(size) = put_by {
        // If it is not there now, it is not there the next time either; the budget still holds.
        let block = try_slice(size, || 0).ok();
        with(|state| state.reserve.set(block));
    }
    result
}

/// Sets the code's budget, under what the configuration says.
pub(crate) fn apply(code: Budget) -> Result<()> {
    let operator = with(|state| state.operator.get());
    set(code, operator)
}

#[cold]
fn set(code: Budget, operator: Budget) -> Result<()> {
    let budget = operator.or(code);
    budget.check()?;
    let reserve = match budget.reserve {
        None | Some(0) => None,
        Some(size) => Some(try_slice(size, || 0)?),
    };
    limit(budget.pages)?;
    with(|state| {
        state.code.set(code);
        state.operator.set(operator);
        state.budget.set(budget);
        state.active.set(budget != Budget::new());
        state.reserve.set(reserve);
    });
    Ok(())
}

fn limit(pages: Option<usize>) -> Result<()> {
    if pages.is_none_or(sluicegate_alloc::limit) {
        return Ok(());
    }
    Err(crate::Error::new("memory.pages: the module has an allocator that takes no limit"))
}

/// Reads the plugin's configuration; whether the plugin may start with what it says about memory.
#[cold]
pub(crate) fn configure(plugin: u32, size: usize) -> bool {
    let _entry = Entry::new();
    if size == 0 {
        return true;
    }
    // A configuration that cannot be read is the filter's to judge.
    let Ok(configuration) = read(BufferType::PluginConfiguration, 0, WHOLE) else { return true };
    let applied = json::memory(&configuration).and_then(|found| {
        let Some(operator) = found else { return Ok(()) };
        set(with(|state| state.code.get()), operator)
    });
    if let Err(error) = &applied {
        log::failure(LogLevel::Critical, "on_configure", plugin, error);
    }
    applied.is_ok()
}

/// Looks after memory when a callback has returned: tells the plugin of a new pressure, and the
/// proxy of new figures. `deliver` answers whether the plugin could be told.
pub(crate) fn boundary(of_plugin: bool, deliver: impl FnOnce(Pressure) -> bool) {
    if is_idle() {
        return;
    }
    settle(of_plugin, deliver);
}

fn settle(of_plugin: bool, deliver: impl FnOnce(Pressure) -> bool) {
    let used = used();
    let (before, level) = with(|state| (state.level.get(), state.look(used)));
    if level != before {
        let line = match (before, level) {
            (_, Pressure::Over) => Some("memory is over its budget, streams are shed; bytes"),
            (Pressure::Over, _) => Some("memory is back in its budget; bytes"),
            _ => None,
        };
        if let Some(line) = line {
            log::note(LogLevel::Warn, line, u32::try_from(used).unwrap_or(u32::MAX));
        }
        if with_reserve(|| deliver(level)) {
            with(|state| state.level.set(level));
        }
    }
    if with(|state| state.served.get()) {
        report::publish(of_plugin, level != before);
    }
}
