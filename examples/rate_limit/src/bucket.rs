//! A token bucket that all worker threads share.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{shared_data, time};

/// A token, in the units of a level: at a rate of one a second, a nanosecond fills one unit.
const TOKEN: u64 = 1_000_000_000;
/// The most that a rate, a burst or a batch may be: a burst in units still fits 64 bits.
const MOST: u64 = 1_000_000;

/// One plan's tokens. What is shared is 16 bytes under its key: the level in units, and when it was
/// that, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Bucket {
    key: String,
    /// Tokens a second.
    rate: u64,
    /// The most tokens that gather.
    burst: u64,
    /// How many tokens a worker takes at once.
    batch: u64,
    /// Tokens that this worker took and has not spent.
    own: Cell<u64>,
    /// Before this time there is no token: refusals until then ask nobody.
    empty_until: Cell<Duration>,
}

impl Bucket {
    /// A bucket that starts full; none if a number is 0 or too large.
    pub(crate) fn new(plan: &str, rate: u64, burst: u64, batch: u64) -> Option<Self> {
        let sane = [rate, burst, batch].iter().all(|number| (1..=MOST).contains(number));
        let (own, empty_until) = (Cell::new(0), Cell::new(Duration::ZERO));
        sane.then(|| Self { key: format!("rate_limit {plan}"), rate, burst, batch, own, empty_until })
    }

    /// Takes a token: none if there was one, otherwise how long it takes until there is.
    pub(crate) fn take(&self) -> Result<Option<Duration>> {
        if let Some(left) = self.own.get().checked_sub(1) {
            self.own.set(left);
            return Ok(None);
        }
        let now = clock()?;
        let wait = self.empty_until.get().saturating_sub(now);
        if !wait.is_zero() {
            return Ok(Some(wait.min(self.one_token())));
        }
        let (mut taken, mut level) = (0, 0);
        self.update(now, |found| {
            taken = (found / TOKEN).min(self.batch);
            level = found - taken * TOKEN;
            level
        })?;
        if let Some(left) = taken.checked_sub(1) {
            self.own.set(left);
            return Ok(None);
        }
        let wait = Duration::from_nanos((TOKEN - level).div_ceil(self.rate));
        self.empty_until.set(now + wait);
        Ok(Some(wait))
    }

    /// Gives what this worker did not spend to the others.
    pub(crate) fn give_back(&self) -> Result<()> {
        let own = self.own.get();
        if own > 0 {
            self.update(clock()?, |level| (level + own * TOKEN).min(self.burst * TOKEN))?;
            self.own.set(0);
        }
        Ok(())
    }

    /// The time that one token takes.
    fn one_token(&self) -> Duration {
        Duration::from_nanos(TOKEN / self.rate)
    }

    /// Changes the shared level, filled up to now. If another worker is faster, the change is made
    /// again with what that one left.
    fn update(&self, now: Duration, mut change: impl FnMut(u64) -> u64) -> Result<()> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let full = self.burst * TOKEN;
        shared_data::update(&self.key, |value| {
            let level = value.and_then(read).map_or(full, |(level, then)| {
                // A clock that was set back fills nothing, and starts again from where it is.
                let filled = now.saturating_sub(then).saturating_mul(self.rate);
                level.saturating_add(filled).min(full)
            });
            let mut value = [0; 16];
            value[..8].copy_from_slice(&change(level).to_le_bytes());
            value[8..].copy_from_slice(&now.to_le_bytes());
            value
        })
    }
}

/// A level and its time; none if another plugin of the same `vm_id` wrote something else.
/// The time, if it is one: buckets would stay empty until the end of time.
fn clock() -> Result<Duration> {
    let now = time::now()?;
    if now.as_nanos() < u128::from(u64::MAX) { Ok(now) } else { Err(Error::new("the proxy's clock is at its end")) }
}

fn read(value: &[u8]) -> Option<(u64, u64)> {
    let (level, then) = value.split_first_chunk()?;
    Some((u64::from_le_bytes(*level), u64::from_le_bytes(then.try_into().ok()?)))
}
