//! The state of the VM's budgets.

use alloc::boxed::Box;
use core::cell::Cell;

use super::account::{Taken, used};
use super::{Budget, Pressure, json, report};
use crate::abi::{BufferType, Entry, LogLevel, Shared, try_slice};
use crate::error::Result;
use crate::handle::{WHOLE, read};
use crate::log;

/// The budget that was passed.
#[derive(Clone, Copy)]
pub(super) enum Cause {
    Stream,
    Total,
}

pub(super) struct State {
    /// The settings of the code, and those of the configuration, which take precedence.
    code: Cell<Budget>,
    operator: Cell<Budget>,
    /// The merged settings of code and configuration.
    pub(super) budget: Cell<Budget>,
    /// `true` if any setting is set.
    active: Cell<bool>,
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

/// Sets the budget of the code. The configuration takes precedence.
///
/// # Errors
///
/// Fails if the fields do not fit each other, if there is no memory for the reserve, or if there
/// are `pages` and the allocator takes no limit.
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

/// Reads the plugin's configuration. Returns whether the plugin may start with the budget that it
/// sets.
#[cold]
pub(crate) fn configure(plugin: u32, size: usize) -> bool {
    let _entry = Entry::new();
    if size == 0 {
        return true;
    }
    // The filter judges a configuration that cannot be read.
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

/// Checks the memory after a callback: reports a new pressure to the plugin, and new figures to the
/// proxy. `deliver` returns whether the plugin got the pressure.
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
