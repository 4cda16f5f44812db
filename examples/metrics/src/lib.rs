//! Counts requests by the value of a header, in counters of the proxy that have the value as a tag.
//! The number of counters is bounded.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sluicegate::metric::Counter;
use sluicegate::prelude::*;
use sluicegate::region::outside;

const HEADER: &str = "my-custom-header";
const COUNTER: &str = "custom_header_value_counts";

/// The greatest number of values with a counter of their own. A counter is never removed, and the
/// client chooses the value.
const MOST_VALUES: usize = 64;
/// The greatest length of such a value.
const MOST_LETTERS: usize = 32;
/// The value that stands for all other values.
const OTHER: &str = "other";

/// The counters, each defined at the first request with its value.
#[derive(Default)]
struct Plugin {
    counters: RefCell<BTreeMap<String, Counter>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {}

impl Plugin {
    fn counter(&self, value: &[u8]) -> Result<Counter> {
        let value = self.counted_as(value);
        // No borrow is held during the host call.
        let known = self.counters.borrow().get(value).copied();
        if let Some(counter) = known {
            return Ok(counter);
        }
        let counter = Counter::with_tags(COUNTER, &[("value", value), ("reporter", "sluicegate")])?;
        // The entry outlives the stream, so it must not be a block of the stream's region.
        outside(|| self.counters.borrow_mut().insert(value.to_owned(), counter));
        Ok(counter)
    }

    /// Returns the value itself while there is room for it, and else the value that stands for
    /// others.
    fn counted_as<'a>(&self, value: &'a [u8]) -> &'a str {
        let counters = self.counters.borrow();
        let room = |value: &&str| counters.len() < MOST_VALUES || counters.contains_key(*value);
        countable(value).filter(room).unwrap_or(OTHER)
    }
}

/// Returns the value, if it is all letters. The proxy's expression for the tag takes only letters,
/// and would leave the rest in the counter's name.
fn countable(value: &[u8]) -> Option<&str> {
    let letters = !value.is_empty() && value.len() <= MOST_LETTERS && value.iter().all(u8::is_ascii_alphabetic);
    letters.then(|| str::from_utf8(value).ok()).flatten()
}

#[derive(Default)]
struct Metrics;

#[sluicegate::http_filter]
impl HttpFilter for Metrics {
    type Plugin = Plugin;

    // No client is turned away because its request could not be counted.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if let Some(value) = request.fetch(HEADER)? {
            request.plugin().counter(&value)?.increment(1)?;
        }
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Metrics);

#[cfg(test)]
mod tests;
