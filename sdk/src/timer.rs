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
//! A timer has a name: one that is started under a name in use takes the other's place, so `on_configure` may run again. The name also says in the log which
//! timer failed.
//!
//! # When they run
//!
//! The host's tick is set to the next timer that is due, and off when there is none, so the VM is entered no more often than timers run. A host counts in
//! milliseconds: no timer waits less than one, and those that are due within one run together, in the order of their times. A periodic timer that came late
//! runs once, not once for each time that it missed.
//!
//! The host has no clock but the wall clock. If that goes back, stands still or is not told, time stands still for the timers until the next tick, which counts for
//! as long as it was to take: a timer is late once, and never lost. If it goes ahead, what is due by then runs at the next tick.
//!
//! [`on_tick`](crate::PluginContext::on_tick) and [`set_tick_period`](crate::PluginHandle::set_tick_period) go on as they are: the period is one timer more.
//!
//! # Cost
//!
//! Two blocks for each timer. To start or stop one is a host call for the time, and one more if the tick changes. A tick costs one host call for the time, one if the period
//! changes, and a look at each timer: 10,000 of them take some 40 µs, at most a thousand times a second.

use alloc::boxed::Box;
use core::cell::Cell;
use core::time::Duration;

use crate::abi::{call, try_box};
use crate::callout::Asker;
use crate::dispatch::Table;
use crate::error::{Error, On, Result};
use crate::handle::set_effective_context;
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
    /// A task of a context.
    #[cfg(feature = "async")]
    Wake(u32),
}

/// What an entry does when its time has come.
enum What {
    Tick,
    Run(Run),
    #[cfg(feature = "async")]
    Wake(u32, crate::abi::Shared<crate::task::Slot<()>>),
}

struct Entry {
    name: &'static str,
    /// In nanoseconds of the plugin's own clock.
    due: Cell<u64>,
    /// The period; none if it runs once.
    every: Option<u64>,
    /// None while it runs.
    what: Cell<Option<What>>,
}

/// A plugin's timers, and a clock that does not go back.
struct Clock {
    timers: Table<Entry>,
    next_number: Cell<u32>,
    /// How long this clock has run, in nanoseconds.
    now: Cell<u64>,
    /// What the wall clock said when it was last asked; the largest number before it was.
    wall: Cell<u64>,
    /// The host's tick in milliseconds; 0 is off.
    period: Cell<u32>,
    /// When the host ticks next.
    next_tick: Cell<u64>,
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

/// Whether a plugin of the VM asked for ticks, so that something may run later.
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
/// The time up to which a clock follows the wall clock: half of all that there is, so that sums of it and of a wait are still times.
const LATEST: u64 = u64::MAX / 2;
/// The number of the timer that is `on_tick`.
const TICK: u32 = 0;

fn set_shared(plugin: u32, milliseconds: u32) -> Result<()> {
    // A plugin of another root, which has no timers.
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return set_at_host(plugin, milliseconds) };
    clock.timers.remove(TICK);
    if milliseconds != 0 {
        let every = u64::from(milliseconds) * MILLISECOND;
        clock.insert(TICK, "on_tick", every, Some(every), What::Tick)?;
    }
    clock.arm(None)
}

/// The clock of a plugin, made when it is first asked for.
fn clock(plugin: u32) -> Result<crate::abi::Shared<Clock>> {
    CLOCKS.with(|clocks| {
        if clocks.get(plugin).is_none() {
            let clock = Clock {
                timers: Table::new(),
                next_number: Cell::new(TICK + 1),
                now: Cell::new(0),
                wall: Cell::new(u64::MAX),
                period: Cell::new(0),
                next_tick: Cell::new(u64::MAX),
            };
            outside(|| clocks.insert(plugin, clock))?;
        }
        clocks.get(plugin).ok_or(Error::out_of_memory(0))
    })
}

/// A duration as the clock counts it: at least what a host can count.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(LATEST / 2).clamp(MILLISECOND, LATEST / 2)
}

impl Clock {
    /// Lets the clock run up to now; false if the wall clock went back or centuries ahead, or the host does not tell the time.
    fn look(&self) -> bool {
        let Ok(wall) = call::time() else { return false };
        let passed = wall.checked_sub(self.wall.replace(wall));
        let now = passed.and_then(|passed| self.now.get().checked_add(passed)).filter(|now| *now <= LATEST);
        if let Some(now) = now {
            self.now.set(now);
        }
        now.is_some()
    }

    fn insert(&self, number: u32, name: &'static str, wait: u64, every: Option<u64>, what: What) -> Result<()> {
        self.look();
        let due = Cell::new(self.now.get().saturating_add(wait));
        outside(|| self.timers.insert(number, Entry { name, due, every, what: Cell::new(Some(what)) }))?;
        Ok(())
    }

    fn start(&self, name: &'static str, wait: u64, every: Option<u64>, what: What) -> Result<u32> {
        let number = self.next_number.get();
        // After 4 billion timers the numbers begin anew; the ones that run so long are stopped by then.
        self.next_number.set(number.checked_add(1).unwrap_or(TICK + 1));
        self.timers.remove(number);
        self.insert(number, name, wait, every, what)?;
        Ok(number)
    }

    /// The number and time of the timer that is due first.
    fn first(&self) -> Option<(u32, u64)> {
        let mut first: Option<(u32, u64)> = None;
        self.timers.each(|number, entry| {
            let due = entry.due.get();
            if first.is_none_or(|(_, earliest)| due < earliest) {
                first = Some((number, due));
            }
        });
        first
    }

    /// Makes the host tick when the first timer is due. `stream` is the context that acts now, if it is not the plugin's.
    fn arm(&self, stream: Option<(u32, u32)>) -> Result<()> {
        let now = self.now.get();
        let wanted = match self.first() {
            None => 0,
            Some((_, due)) => {
                let wait = due.saturating_sub(now).max(MILLISECOND);
                // The host ticks then anyway.
                if self.period.get() != 0 && due.abs_diff(self.next_tick.get()) < MILLISECOND {
                    return Ok(());
                }
                u32::try_from(wait.div_ceil(MILLISECOND)).unwrap_or(u32::MAX)
            }
        };
        if wanted == 0 && self.period.get() == 0 {
            return Ok(());
        }
        if let Some((plugin, _)) = stream {
            set_effective_context(plugin)?;
        }
        let set = set_at_host(0, wanted);
        if let Some((_, stream)) = stream {
            set_effective_context(stream)?;
        }
        set?;
        self.period.set(wanted);
        self.next_tick.set(match wanted {
            0 => u64::MAX,
            _ => now.saturating_add(u64::from(wanted) * MILLISECOND),
        });
        Ok(())
    }
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
    let mut before = None;
    clock.timers.each(|number, entry| {
        if number != TICK && entry.name == name {
            before = Some(number);
        }
    });
    let wait = nanoseconds(wait);
    let number = clock.start(name, wait, periodic.then_some(wait), What::Run(run))?;
    if let Some(before) = before {
        clock.timers.remove(before);
    }
    clock.arm(None)?;
    Ok(Timer { plugin, number })
}

/// Stops a timer; false if it is not running any more.
pub(crate) fn stop(timer: Timer) -> Result<bool> {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(timer.plugin)) else { return Ok(false) };
    let stopped = clock.timers.remove(timer.number).is_some();
    if stopped {
        clock.look();
        clock.arm(None)?;
    }
    Ok(stopped)
}

/// Wakes a task of a context after some time.
#[cfg(feature = "async")]
pub(crate) fn wake(
    plugin: u32,
    context: u32,
    wait: Duration,
    slot: crate::abi::Shared<crate::task::Slot<()>>,
) -> Result<Timer> {
    let clock = clock(plugin)?;
    let number = clock.start("", nanoseconds(wait), None, What::Wake(context, slot))?;
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
        clock.timers.remove(timer.number);
    }
}

/// The host has ticked: the time up to which timers are due.
pub(crate) fn ticked(plugin: u32) -> u64 {
    let Some(clock) = CLOCKS.with(|clocks| clocks.get(plugin)) else { return 0 };
    let before = clock.now.get();
    if !clock.look() || clock.now.get() == before {
        // The wall clock does not say how long the tick took, so it took as long as was asked for; none was, if the host ticks unasked.
        let next = Some(clock.next_tick.get()).filter(|next| *next != u64::MAX);
        clock.now.set(before.max(next.unwrap_or_default()));
    }
    let now = clock.now.get();
    clock.next_tick.set(now.saturating_add(u64::from(clock.period.get()) * MILLISECOND));
    now.saturating_add(MILLISECOND - 1)
}

/// The first timer that is due by then, which runs again at its next time.
pub(crate) fn take_due(plugin: u32, by: u64) -> Option<Due> {
    let clock = CLOCKS.with(|clocks| clocks.get(plugin))?;
    let (number, due) = clock.first()?;
    if due > by {
        return None;
    }
    let entry = clock.timers.get(number)?;
    match entry.every {
        Some(every) => {
            let next = due.saturating_add(every);
            // What was missed is left out. It is later than this in any case: nothing is due twice in a tick.
            let next = if next > by { next } else { clock.now.get().saturating_add(every) };
            entry.due.set(next.max(by.saturating_add(1)));
        }
        None => drop(clock.timers.remove(number)),
    }
    Some(match entry.what.take()? {
        What::Tick => {
            entry.what.set(Some(What::Tick));
            Due::Tick
        }
        What::Run(run) => Due::Run(number, entry.name, run),
        #[cfg(feature = "async")]
        What::Wake(context, slot) => {
            slot.fill(());
            Due::Wake(context)
        }
    })
}

/// Gives a closure back after its run, unless its timer was stopped meanwhile.
pub(crate) fn give_back(plugin: u32, number: u32, run: Run) {
    if let Some(entry) = CLOCKS.with(|clocks| clocks.get(plugin)).and_then(|clock| clock.timers.get(number)) {
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
    SET_TICK.with(|set| set.set(set_at_host));
    TICKS.with(|ticks| ticks.set(false));
}
