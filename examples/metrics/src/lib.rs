//! Counts requests by the value of a header, in counters of the proxy that have the value as a tag.
//! The number of counters is bounded.

use std::cell::RefCell;
use std::collections::BTreeMap;

use sluicegate::metric::Counter;
use sluicegate::prelude::*;
use sluicegate::region::outside;

const HEADER: &str = "my-custom-header";
const COUNTER: &str = "custom_header_value_counts";

/// How many values have a counter of their own. A counter never goes, and the value is the client's
/// to choose.
const MOST_VALUES: usize = 64;
/// How long such a value may be.
const MOST_LETTERS: usize = 32;
/// What all other values count as.
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
        // No borrow is held while the proxy is asked.
        let known = self.counters.borrow().get(value).copied();
        if let Some(counter) = known {
            return Ok(counter);
        }
        let counter = Counter::with_tags(COUNTER, &[("value", value), ("reporter", "sluicegate")])?;
        // The entry outlives the stream: it is no block of the stream's that is left behind.
        outside(|| self.counters.borrow_mut().insert(value.to_owned(), counter));
        Ok(counter)
    }

    /// The value itself as long as there is room for it.
    fn counted_as<'a>(&self, value: &'a [u8]) -> &'a str {
        let counters = self.counters.borrow();
        let room = |value: &&str| counters.len() < MOST_VALUES || counters.contains_key(*value);
        countable(value).filter(room).unwrap_or(OTHER)
    }
}

/// The value, if the proxy's expression for the tag takes all of it: it knows letters only, and
/// leaves the rest in the counter's name.
fn countable(value: &[u8]) -> Option<&str> {
    let letters = !value.is_empty() && value.len() <= MOST_LETTERS && value.iter().all(u8::is_ascii_alphabetic);
    letters.then(|| str::from_utf8(value).ok()).flatten()
}

#[derive(Default)]
struct Metrics;

#[sluicegate::http_filter]
impl HttpFilter for Metrics {
    type Plugin = Plugin;

    // No client is turned away because it could not be counted.
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
