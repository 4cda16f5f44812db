//! Several timers over the one tick that a host gives each plugin.
//!
//! ```
//! use std::time::Duration;
//!
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Cache {
//!     age: u32,
//! }
//!
//! #[sluicegate::plugin_context(timers)]
//! impl PluginContext for Cache {
//!     fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
//!         plugin.every("refresh", Duration::from_secs(60), |cache: &mut Self, _| {
//!             cache.age = 0;
//!             Ok(())
//!         })?;
//!         plugin.every("age", Duration::from_millis(250), |cache: &mut Self, _| {
//!             cache.age += 1;
//!             Ok(())
//!         })?;
//!         plugin.after("warm up", Duration::from_secs(1), |_: &mut Self, plugin| {
//!             info!("plugin {} is warm", plugin.id());
//!             Ok(())
//!         })?;
//!         Ok(StartStatus::Ok)
//!     }
//! }
//! # sluicegate::plugin!(plugin: Cache);
//! # fn main() {}
//! ```
//!
//! A timer has a name: one that is started under a name in use takes the other's place, so
//! `on_configure` may run again. The name also says in the log which timer failed.
//!
//! # When they run
//!
//! The host's tick is set to the next timer that is due, and off when there is none, so the VM is
//! entered no more often than timers run. A host counts in milliseconds: no timer waits less than
//! one, and those that are due within one run together, in the order of their times. A periodic
//! timer that came late runs once, not once for each time that it missed.
//!
//! The host has no clock but the wall clock. If that goes back, stands still or is not told, time
//! stands still for the timers until the next tick, which counts for as long as it was to take: a
//! timer is late once, and never lost. If it goes ahead, what is due by then runs at the next tick.
//!
//! [`on_tick`](crate::PluginContext::on_tick) and
//! [`set_tick_period`](crate::PluginHandle::set_tick_period) go on as they are: the period is one
//! timer more.
//!
//! # Cost
//!
//! Two blocks for each timer. To start or stop one is a host call for the time, and one more if the
//! tick changes. A tick costs one host call for the time, and one if the period changes. Timers are
//! kept in a heap and found by number and name through hash tables: with ten times as many, each
//! start, stop or run of one takes some three steps more.

mod clock;
mod heap;

use alloc::boxed::Box;
use core::cell::Cell;
use core::time::Duration;

use crate::abi::{Shared, call, try_box};
use crate::callout::Asker;
use crate::dispatch::Table;
use crate::error::{Error, On, Result};
use clock::{Clock, What};
use sluicegate_alloc::region::outside;

/// A plugin that starts timers. The attribute implements it for those that say `timers`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` starts no timers",
    note = "say so in its attribute, `#[sluicegate::plugin_context(timers)]`: the module then exports the callback for ticks"
)]
pub trait Timers {}

/// A timer that was started: kept to stop it. It runs whether this is kept or not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Timer {
    plugin: u32,
    number: u32,
}

/// What a plugin's timer runs, with the plugin's type behind it.
pub(crate) type Run = Box<dyn FnMut(Asker<'_>) -> Result<()>>;

/// What is due.
pub(crate) enum Due {
    /// `on_tick`.
    Tick,
    /// The closure of a timer, to be given back with its number.
    Run(u32, &'static str, Run),
}

crate::__vm_local! {
    /// By the numbers of the plugins.
    static CLOCKS: Table<Clock> = Table::new();
}

/// Sets the period of a plugin's `on_tick`, in milliseconds.
type SetTick = fn(u32, u32) -> Result<()>;

crate::__vm_local! {
    /// How a plugin's tick is set. A module without timers links only the way to the host.
    static SET_TICK: Cell<SetTick> = Cell::new(set_at_host);
}

crate::__vm_local! {
    /// Whether a plugin of the VM asked for ticks.
    static TICKS: Cell<bool> = Cell::new(false);
}

/// Returns whether a plugin of the VM asked for ticks, so that something may run later.
pub(crate) fn ticks() -> bool {
    TICKS.with(Cell::get)
}

fn set_at_host(_: u32, milliseconds: u32) -> Result<()> {
    TICKS.with(|ticks| ticks.set(ticks.get() || milliseconds != 0));
    call::set_tick_period(milliseconds)
        .map_err(|status| Error::host("proxy_set_tick_period_milliseconds", On::Nothing, status))
}

/// Sets the period of `on_tick`.
pub(crate) fn set_tick(plugin: u32, milliseconds: u32) -> Result<()> {
    SET_TICK.with(Cell::get)(plugin, milliseconds)
}

/// From here on a plugin's `on_tick` is one timer of several.
pub(crate) fn share_the_tick(plugin: u32) {
    SET_TICK.with(|set| set.set(set_shared));
    // If there is no memory, it is made with the first timer.
    let _ = clock(plugin);
}

const MILLISECOND: u64 = 1_000_000;
/// The time up to which a clock follows the wall clock: half of all that there is, so that sums of
/// it and of a wait are still times.
const LATEST: u64 = u64::MAX / 2;
/// The number of the timer that is `on_tick`.
const TICK: u32 = 0;

fn set_shared(plugin: u32, milliseconds: u32) -> Result<()> {
    // A plugin of another root, which has no timers.
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return set_at_host(plugin, milliseconds) };
    clock.remove(TICK);
    if milliseconds != 0 {
        let every = u64::from(milliseconds) * MILLISECOND;
        clock.insert(TICK, None, every, Some(every), What::Tick)?;
    }
    clock.arm(None)
}

/// Returns the clock of a plugin, made when it is first asked for.
fn clock(plugin: u32) -> Result<Shared<Clock>> {
    CLOCKS.with(|clocks| {
        if !clocks.contains(plugin) {
            outside(|| clocks.insert(plugin, Clock::new()))?;
        }
        clocks.get(plugin).ok_or(Error::out_of_memory(0))
    })
}

/// Returns a duration as the clock counts it: at least what a host can count.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LATEST / 2).clamp(MILLISECOND, LATEST / 2)
}

/// Starts a plugin's timer in the place of one that has its name.
pub(crate) fn start(
    plugin: u32,
    name: &'static str,
    wait: Duration,
    periodic: bool,
    run: impl FnMut(Asker<'_>) -> Result<()> + 'static,
) -> Result<Timer> {
    let run: Run = outside(|| try_box(run))?;
    let clock = clock(plugin)?;
    let before = clock.named(name);
    let wait = nanoseconds(wait);
    let number = clock.start(Some(name), wait, periodic.then_some(wait), What::Run(run))?;
    if let Some(before) = before {
        clock.remove(before);
    }
    clock.arm(None)?;
    Ok(Timer { plugin, number })
}

/// Stops a timer; false if it is not running any more.
pub(crate) fn stop(timer: Timer) -> Result<bool> {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(timer.plugin)) else { return Ok(false) };
    let stopped = clock.remove(timer.number);
    if stopped {
        clock.look();
        clock.arm(None)?;
    }
    Ok(stopped)
}

/// Wakes a task of a context after some time.
#[cfg(feature = "async")]
pub(crate) fn wake(plugin: u32, context: u32, wait: Duration, slot: Shared<crate::task::Slot<()>>) -> Result<Timer> {
    let clock = clock(plugin)?;
    let number = clock.start(None, nanoseconds(wait), None, What::Wake(slot))?;
    let timer = Timer { plugin, number };
    if let Err(error) = clock.arm((context != plugin).then_some((plugin, context))) {
        forget_timer(timer);
        return Err(error);
    }
    Ok(timer)
}

/// Drops a timer; the tick that was for it comes all the same.
#[cfg(feature = "async")]
pub(crate) fn forget_timer(timer: Timer) {
    if let Some(clock) = CLOCKS.with(|clocks| clocks.get(timer.plugin)) {
        clock.remove(timer.number);
    }
}

/// Returns the host has ticked: the time up to which timers are due.
pub(crate) fn ticked(plugin: u32) -> u64 {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return 0 };
    let before = clock.now.get();
    if !clock.look() || clock.now.get() == before {
        // The wall clock does not say how long the tick took, so it took as long as was asked for;
        // none was, if the host ticks unasked.
        let next = Some(clock.next_tick.get()).filter(|next| *next != u64::MAX);
        clock.now.set(before.max(next.unwrap_or_default()));
    }
    let now = clock.now.get();
    clock.next_tick.set(now.saturating_add(u64::from(clock.period.get()) * MILLISECOND));
    now.saturating_add(MILLISECOND - 1)
}

/// Returns the first timer that is due by then, which runs again at its next time. Those of
/// sleeping tasks are over with this: it wakes the tasks.
pub(crate) fn take_due(plugin: u32, by: u64) -> Option<Due> {
    let clock = CLOCKS.with(|clocks| clocks.get(plugin))?;
    loop {
        let entry = clock.first().filter(|entry| entry.due.get() <= by)?;
        match entry.every {
            Some(every) => {
                let next = entry.due.get().saturating_add(every);
                // What was missed is left out. It is later than this in any case: nothing is due
                // twice in a tick.
                let next = if next > by { next } else { clock.now.get().saturating_add(every) };
                clock.postpone(&entry, next.max(by.saturating_add(1)));
            }
            None => drop(clock.remove(entry.number)),
        }
        match entry.what.take() {
            Some(What::Tick) => {
                entry.what.set(Some(What::Tick));
                return Some(Due::Tick);
            }
            Some(What::Run(run)) => return Some(Due::Run(entry.number, entry.name.unwrap_or_default(), run)),
            #[cfg(feature = "async")]
            Some(What::Wake(slot)) => slot.fill(()),
            // It runs, because the host ticks within a host call of it.
            None => {}
        }
    }
}

/// Gives a closure back after its run, unless its timer was stopped meanwhile.
pub(crate) fn give_back(plugin: u32, number: u32, run: Run) {
    if let Some(entry) = CLOCKS.with(|clocks| clocks.get(plugin)).and_then(|clock| clock.get(number)) {
        entry.what.set(Some(What::Run(run)));
    }
}

/// Sets the tick for what is due next.
pub(crate) fn rearm(plugin: u32) -> Result<()> {
    CLOCKS.with(|clocks| clocks.get(plugin)).map_or(Ok(()), |clock| clock.arm(None))
}

/// Drops a plugin's timers.
pub(crate) fn forget(plugin: u32) {
    CLOCKS.with(|clocks| clocks.remove(plugin));
}

/// Drops all timers.
pub(crate) fn clear() {
    CLOCKS.with(Table::clear);
}
