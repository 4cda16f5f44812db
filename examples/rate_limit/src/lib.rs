//! Limits the requests of each plan over all worker threads, with a token bucket for each plan in
//! data that the VMs share.
//!
//! The configuration is
//!
//! ```json
//! {
//!   "header": "x-plan",
//!   "plans": {
//!     "free": {"rate": 1, "burst": 3},
//!     "paid": {"rate": 1000, "burst": 2000, "batch": 50}
//!   }
//! }
//! ```
//!
//! A request whose header names no plan counts for the first plan.

mod bucket;

use std::time::Duration;

use sluicegate::json::{self, Value};
use sluicegate::prelude::*;

use bucket::Bucket;

/// The interval at which a worker returns the tokens that it did not spend.
const GIVE_BACK: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Plugin {
    header: String,
    /// The plans. There are as many as the configuration names, so a client cannot make the proxy
    /// keep more.
    plans: Vec<(String, Bucket)>,
}

impl Plugin {
    fn parse(configuration: Value<'_>) -> Option<Self> {
        let header = configuration.get("header")?.to_text()?.to_str().ok()?.into_owned();
        let mut plans = Vec::new();
        for (name, plan) in configuration.get("plans")?.members() {
            let name = name.to_str().ok()?.into_owned();
            let number = |member| plan.get(member).map(|number| number.to_u64());
            let batch = number("batch").unwrap_or(Some(1))?;
            let bucket = Bucket::new(&name, number("rate")??, number("burst")??, batch)?;
            plans.push((name, bucket));
        }
        (!plans.is_empty()).then_some(Self { header, plans })
    }

    fn bucket(&self, plan: Option<ByteStr<'_>>) -> Option<&Bucket> {
        let named = self.plans.iter().find(|(name, _)| plan.is_some_and(|plan| plan == **name));
        named.or(self.plans.first()).map(|(_, bucket)| bucket)
    }
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration()?;
        let Some(parsed) = Self::parse(json::parse(&configuration)?) else {
            critical!("not a header and plans, each with a rate, a burst and perhaps a batch of 1 to 1,000,000");
            return Ok(StartStatus::Failed);
        };
        *self = parsed;
        plugin.set_tick_period(GIVE_BACK)?;
        Ok(StartStatus::Ok)
    }

    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        self.plans.iter().try_for_each(|(_, bucket)| bucket.give_back())
    }
}

#[derive(Default)]
struct RateLimit;

#[sluicegate::http_filter]
impl HttpFilter for RateLimit {
    type Plugin = Plugin;

    // A request that could not be counted passes. A limiter that fails must not be the outage.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let plugin = request.plugin();
        let Some(bucket) = plugin.bucket(request.get(&plugin.header)?) else { return Ok(Action::Continue) };
        let Some(wait) = bucket.take()? else { return Ok(Action::Continue) };
        let seconds = wait.as_nanos().div_ceil(1_000_000_000).to_string();
        request.reply(&LocalResponse::new(429).headers(&[("retry-after", &*seconds)]).body("too many requests\n"))
    }
}

sluicegate::plugin!(plugin: Plugin, http: RateLimit);

#[cfg(test)]
mod tests;
