//! Several timers over the single tick that a host has for each plugin.
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
//!         plugin.run_every("refresh", Duration::from_secs(60), |cache: &mut Self, _| {
//!             cache.age = 0;
//!             Ok(())
//!         })?;
//!         plugin.run_every("age", Duration::from_millis(250), |cache: &mut Self, _| {
//!             cache.age += 1;
//!             Ok(())
//!         })?;
//!         plugin.run_after("warm up", Duration::from_secs(1), |_: &mut Self, plugin| {
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
//! A timer has a name. A timer that is started under a name in use replaces the other one, so
//! `on_configure` may run again. The log also names the timer that failed.
//!
//! # Running times
//!
//! The SDK sets the host's tick to the timer that is due next, and turns it off when there is none.
//! So the VM is entered no more often than timers run. A host counts milliseconds: no timer waits
//! less than one, and timers that are due within one millisecond run together, in the order of
//! their times. A periodic timer that is late runs once, not once for each missed time.
//!
//! The host has no clock but the wall clock. If the wall clock goes back, stands still or is not
//! reported, time stands still for the timers until the next tick. The SDK then assumes that the
//! tick came on time: a timer is late once, and never lost. If the wall clock goes ahead, timers
//! that are due by then run at the next tick.
//!
//! [`on_tick`](crate::PluginContext::on_tick) and
//! [`set_tick_period`](crate::PluginHandle::set_tick_period) work as before: the period is one more
//! timer.
//!
//! # Cost
//!
//! Two blocks for each timer. Starting or stopping a timer is a host call for the time, and one
//! more if the tick changes. A tick costs one host call for the time, and one more if the period
//! changes. Timers are kept in a heap, and found by number and name through hash tables. With ten
//! times as many timers, each start, stop or run takes about three more steps.

mod clock;
mod heap;

use alloc::boxed::Box;
use core::cell::Cell;
use core::time::Duration;

use crate::abi::{Shared, try_box};
use crate::callout::ContextRef;
use crate::error::{Error, Result};
use crate::owner::Owner;
use crate::table::Table;
use crate::tick::set_at_host;
use clock::{Clock, What};
use sluicegate_alloc::region::outside;

/// A plugin that starts timers. The attribute implements this trait for plugins that say `timers`.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Plugin;
///
/// #[sluicegate::plugin_context(timers)] // implements `Timers`
/// impl PluginContext for Plugin {}
///
/// fn has_timers<P: sluicegate::timer::Timers>() {}
/// has_timers::<Plugin>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` starts no timers",
    note = "add `timers` to its attribute, `#[sluicegate::plugin_context(timers)]`: the module then exports the callback for ticks"
)]
pub trait Timers: Owner {}

/// A timer that was started. The filter keeps this value to stop the timer. The timer runs whether
/// this value is kept or not.
///
/// ```
/// # use sluicegate::prelude::*;
/// # use sluicegate::timer::Timer;
/// #[derive(Default)]
/// struct Retry {
///     timer: Option<Timer>,
/// }
///
/// impl Retry {
///     fn give_up(&mut self, plugin: &PluginHandle<'_>) -> Result<()> {
///         self.timer.take().map_or(Ok(()), |timer| plugin.cancel_timer(timer).map(drop))
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Timer {
    plugin: u32,
    number: u32,
}

/// The closure of a plugin's timer, which hides the plugin's type.
pub(crate) type Run = Box<dyn FnMut(ContextRef<'_>) -> Result<()>>;

/// A timer that is due.
pub(crate) enum Due {
    /// The timer of `on_tick`.
    Tick,
    /// The closure of a timer, which must be given back with the timer's number.
    Run(u32, &'static str, Run),
}

crate::__vm_local! {
    /// The clocks, by the numbers of the plugins.
    static CLOCKS: Table<Clock> = Table::new();
}

/// A function that sets the period of a plugin's `on_tick`, in milliseconds.
type SetTick = fn(u32, u32) -> Result<()>;

crate::__vm_local! {
    /// The function that sets a plugin's tick. A module without timers links only the one that
    /// calls the host.
    static SET_TICK: Cell<SetTick> = Cell::new(set_at_host);
}

/// Sets the period of `on_tick`.
pub(crate) fn set_tick(plugin: u32, milliseconds: u32) -> Result<()> {
    SET_TICK.with(Cell::get)(plugin, milliseconds)
}

/// Makes a plugin's `on_tick` one timer of several.
pub(crate) fn share_the_tick(plugin: u32) {
    SET_TICK.with(|set| set.set(set_shared));
    // If the SDK is out of memory, the clock is made with the first timer.
    let _ = clock(plugin);
}

const MILLISECOND: u64 = 1_000_000;
/// The latest time up to which a clock follows the wall clock: half of all times, so that the sum
/// of a time and a wait is still a time.
const LATEST: u64 = u64::MAX / 2;
/// The number of the timer that is `on_tick`.
const TICK: u32 = 0;

fn set_shared(plugin: u32, milliseconds: u32) -> Result<()> {
    // A plugin of another root has no timers.
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return set_at_host(plugin, milliseconds) };
    clock.remove(TICK);
    if milliseconds != 0 {
        let every = u64::from(milliseconds) * MILLISECOND;
        clock.insert(TICK, None, every, Some(every), What::Tick)?;
    }
    clock.arm(None)
}

/// Returns the clock of a plugin, and makes it when it is first asked for.
fn clock(plugin: u32) -> Result<Shared<Clock>> {
    CLOCKS.with(|clocks| {
        if !clocks.contains(plugin) {
            outside(|| clocks.insert(plugin, Clock::new()))?;
        }
        clocks.get(plugin).ok_or(Error::out_of_memory(0))
    })
}

/// Returns a duration in the clock's nanoseconds: at least the shortest time that a host can count.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LATEST / 2).clamp(MILLISECOND, LATEST / 2)
}

/// Starts a plugin's timer, in place of the timer that has its name.
///
/// # Errors
///
/// Fails if the SDK is out of memory, or if the host refuses to tick.
pub(crate) fn start(
    plugin: u32,
    name: &'static str,
    wait: Duration,
    periodic: bool,
    run: impl FnMut(ContextRef<'_>) -> Result<()> + 'static,
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

/// Stops a timer. Returns `false` if the timer no longer runs.
///
/// # Errors
///
/// Fails if the host refuses to change the tick.
pub(crate) fn stop(timer: Timer) -> Result<bool> {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(timer.plugin)) else { return Ok(false) };
    let stopped = clock.remove(timer.number);
    if stopped {
        clock.look();
        clock.arm(None)?;
    }
    Ok(stopped)
}

/// Starts a timer that wakes a task of a context.
///
/// # Errors
///
/// Fails if the SDK is out of memory, or if the host refuses to tick.
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

/// Drops a timer. The tick that was set for the timer still comes.
#[cfg(feature = "async")]
pub(crate) fn forget_timer(timer: Timer) {
    if let Some(clock) = CLOCKS.with(|clocks| clocks.get(timer.plugin)) {
        clock.remove(timer.number);
    }
}

/// Handles a tick of the host, and returns the time up to which timers are due.
pub(crate) fn ticked(plugin: u32) -> u64 {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return 0 };
    let before = clock.now.get();
    if !clock.look() || clock.now.get() == before {
        // The wall clock does not tell how long the tick took, so it is assumed to have taken the
        // time that was asked for. If the host ticks without being asked, there is no such time.
        let next = Some(clock.next_tick.get()).filter(|next| *next != u64::MAX);
        clock.now.set(before.max(next.unwrap_or_default()));
    }
    let now = clock.now.get();
    clock.next_tick.set(now.saturating_add(u64::from(clock.period.get()) * MILLISECOND));
    now.saturating_add(MILLISECOND - 1)
}

/// Returns the first timer that is due by then, and sets a periodic timer to its next time. Wakes
/// the tasks whose timers are due, which ends those timers.
pub(crate) fn take_due(plugin: u32, by: u64) -> Option<Due> {
    let clock = CLOCKS.with(|clocks| clocks.get(plugin))?;
    loop {
        let entry = clock.first().filter(|entry| entry.due.get() <= by)?;
        match entry.every {
            Some(every) => {
                let next = entry.due.get().saturating_add(every);
                // Missed times are left out. The next time is later than `by` in any case, so that
                // nothing is due twice in a tick.
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
            // The closure runs, because the host ticks within a host call of the closure.
            None => {}
        }
    }
}

/// Takes a closure back after its run, unless its timer was stopped meanwhile.
pub(crate) fn give_back(plugin: u32, number: u32, run: Run) {
    if let Some(entry) = CLOCKS.with(|clocks| clocks.get(plugin)).and_then(|clock| clock.get(number)) {
        entry.what.set(Some(What::Run(run)));
    }
}

/// Sets the tick to the timer that is due next.
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
