//! A token bucket that all worker threads share.

use std::cell::Cell;
use std::time::Duration;

use sluicegate::prelude::*;
use sluicegate::{shared_data, time};

/// One token, in the units of a level. At a rate of one token a second, a nanosecond fills one
/// unit.
const TOKEN: u64 = 1_000_000_000;
/// The greatest rate, burst and batch. A burst in units still fits 64 bits.
const MOST: u64 = 1_000_000;

/// The tokens of one plan. The shared value is 16 bytes under the plan's key: the level in units,
/// and the time of that level in nanoseconds.
#[derive(Debug)]
pub(crate) struct Bucket {
    key: String,
    /// The tokens that are filled a second.
    rate: u64,
    /// The greatest number of tokens in the bucket.
    burst: u64,
    /// The number of tokens that a worker takes at once.
    batch: u64,
    /// The tokens that this worker took and has not spent.
    own: Cell<u64>,
    /// The time before which there is no token. Until then a refusal makes no host call for shared
    /// data.
    empty_until: Cell<Duration>,
}

impl Bucket {
    /// Makes a bucket that starts full. Returns `None` if a number is 0 or too large.
    pub(crate) fn new(plan: &str, rate: u64, burst: u64, batch: u64) -> Option<Self> {
        let sane = [rate, burst, batch].iter().all(|number| (1..=MOST).contains(number));
        let (own, empty_until) = (Cell::new(0), Cell::new(Duration::ZERO));
        sane.then(|| Self { key: format!("rate_limit {plan}"), rate, burst, batch, own, empty_until })
    }

    /// Takes a token. Returns `None` if there was one, or else the time until there is one.
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

    /// Gives the tokens that this worker did not spend back to the shared bucket.
    pub(crate) fn give_back(&self) -> Result<()> {
        let own = self.own.get();
        if own > 0 {
            self.update(clock()?, |level| (level + own * TOKEN).min(self.burst * TOKEN))?;
            self.own.set(0);
        }
        Ok(())
    }

    /// Returns the time that one token takes.
    fn one_token(&self) -> Duration {
        Duration::from_nanos(TOKEN / self.rate)
    }

    /// Changes the shared level, after filling it up to now. If another worker is faster, the
    /// change is made again on the value that the other worker wrote.
    fn update(&self, now: Duration, mut change: impl FnMut(u64) -> u64) -> Result<()> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let full = self.burst * TOKEN;
        shared_data::update(&self.key, |value| {
            let level = value.and_then(read).map_or(full, |(level, then)| {
                // A clock that was set back fills nothing, and the level starts again at the
                // clock's time.
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

/// Returns the time.
///
/// # Errors
///
/// Fails if the clock is at its greatest value, because buckets would then stay empty.
fn clock() -> Result<Duration> {
    let now = time::now()?;
    if now.as_nanos() < u128::from(u64::MAX) { Ok(now) } else { Err(Error::new("the proxy's clock is at its end")) }
}

/// Reads a level and its time. Returns `None` if another plugin of this `vm_id` wrote something
/// else.
fn read(value: &[u8]) -> Option<(u64, u64)> {
    let (level, then) = value.split_first_chunk()?;
    Some((u64::from_le_bytes(*level), u64::from_le_bytes(then.try_into().ok()?)))
}
