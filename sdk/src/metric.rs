//! Metrics that the proxy keeps: counters, gauges, histograms.
//!
//! A plugin defines a metric once, when it starts. From then on the metric is a number that is
//! copied freely. The streams reach it through their plugin.
//!
//! ```
//! use sluicegate::metric::Counter;
//! use sluicegate::prelude::*;
//!
//! #[derive(Default)]
//! struct Plugin {
//!     requests: Option<Counter>,
//! }
//!
//! #[sluicegate::plugin_context]
//! impl PluginContext for Plugin {
//!     fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
//!         self.requests = Some(Counter::with_tags("requests", &[("plugin", "demo")])?);
//!         Ok(StartStatus::Ok)
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Filter;
//!
//! #[sluicegate::http_filter]
//! impl HttpFilter for Filter {
//!     type Plugin = Plugin;
//!
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
//!         if let Some(requests) = request.plugin().requests {
//!             requests.increment(1)?;
//!         }
//!         Ok(Action::Continue)
//!     }
//! }
//!
//! sluicegate::plugin!(plugin: Plugin, http: Filter);
//! # fn main() {}
//! ```
//!
//! Metrics belong to the proxy: all VMs that define the same name share one metric, and the metric
//! outlives them. Envoy puts `wasmcustom.` before the name, and removes it again for Prometheus.
//!
//! # Tags
//!
//! The ABI knows names only. `with_tags` writes the tags into the name, as `requests_plugin=demo`.
//! Envoy extracts them again if its bootstrap has an expression for them:
//!
//! ```yaml
//! stats_config:
//!   stats_tags:
//!     - tag_name: plugin
//!       regex: "(_plugin=([^_]+))"  # the first group leaves the name, the second is the tag's value
//! ```
//!
//! The bytes of a tag go into the name as they are. A control byte is refused, because a line feed
//! would forge lines of the metrics that the proxy publishes. A value that contains the
//! expression's delimiter (`_` here) is cut there, so choose an expression that fits the values.
//!
//! **Every new value of a tag is a new metric, and no metric is ever removed.** A tag that a client
//! chooses (a path, a user agent, an address) is a memory leak in the proxy that any client can
//! drive. Map such values to a small fixed set before they become tags.
//!
//! # Cost
//!
//! An update is one host call that returns nothing (0.03 µs in Envoy), so adding up in the guest
//! gains nothing. A definition looks up the name in the proxy. Envoy keeps a record of each
//! definition until the VM ends, even if the name is defined already. So define a metric once, not
//! in each request. Names of up to 256 bytes are put together on the stack, longer ones in a block
//! that is freed at once.

use crate::abi::{MetricType, call};
use crate::buffer::Buffer;
use crate::error::{Call, Error, Result, Subject};
use crate::headers::{Check, printable};

const DEFINE: Call = Call { function: "proxy_define_metric", about: "metric" };

/// Defines a metric of this name.
///
/// # Errors
///
/// Fails without a host call if the name is empty, or if `check` refuses a control byte in it: a
/// line feed would forge lines of the metrics that the proxy publishes. Fails if the host refuses.
fn define(metric_type: MetricType, name: &[u8], check: Check) -> Result<u32> {
    if name.is_empty() {
        return Err(Error::not_asked(&DEFINE, b"", &"the name is missing"));
    }
    if check == Check::Both {
        printable(&"metric name", name, name).map_err(|error| error.within(&DEFINE.function))?;
    }
    call::define_metric(metric_type, name).map_err(|status| Error::named(&DEFINE, name, status, &""))
}

/// Defines a metric whose name is `NAME_TAG=VALUE_TAG=VALUE…`.
fn define_tagged<T: AsRef<[u8]>, V: AsRef<[u8]>>(
    metric_type: MetricType,
    name: &[u8],
    tags: &[(T, V)],
    check: Check,
) -> Result<u32> {
    let mut full = Buffer::new();
    full.append(name)?;
    for (tag, value) in tags {
        for part in [b"_", tag.as_ref(), b"=", value.as_ref()] {
            full.append(part)?;
        }
    }
    define(metric_type, full.written(), check)
}

fn increment(metric: u32, offset: i64) -> Result<()> {
    let error = |status| Error::host("proxy_increment_metric", Subject::Metric(metric), status);
    call::increment_metric(metric, offset).map_err(error)
}

fn record(metric: u32, value: u64) -> Result<()> {
    call::record_metric(metric, value)
        .map_err(|status| Error::host("proxy_record_metric", Subject::Metric(metric), status))
}

fn value(metric: u32) -> Result<u64> {
    call::metric(metric).map_err(|status| Error::host("proxy_get_metric", Subject::Metric(metric), status))
}

/// Declares a kind of metric, with the methods that all kinds have.
macro_rules! metric {
    ($(#[$doc:meta])* $name:ident; $(#[$define:meta])*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub struct $name {
            id: u32,
        }

        impl $name {
            /// Returns the metric of this name, and defines it if it is new.
            ///
            /// # Errors
            ///
            /// Fails if the name is empty or has a control byte, or if the host refuses.
            ///
            /// # Cost
            ///
            /// One host call that looks up the name; see [the module](self#cost).
            $(#[$define])*
            #[doc(alias = "define_metric")]
            pub fn define(name: impl AsRef<[u8]>) -> Result<Self> {
                Ok(Self { id: define(MetricType::$name, name.as_ref(), Check::Both)? })
            }

            /// Returns the metric of this name, and defines it if it is new, without checking the
            /// bytes of the name: for a proxy whose names have control bytes.
            ///
            /// # Errors
            ///
            /// Fails if the name is empty, or if the host refuses.
            ///
            /// # Cost
            ///
            /// The cost of [`define`](Self::define).
            pub fn define_unchecked(name: impl AsRef<[u8]>) -> Result<Self> {
                Ok(Self { id: define(MetricType::$name, name.as_ref(), Check::Neither)? })
            }

            /// Returns the metric of this name with these tags, and defines it if it is new. See
            /// [the module](self#tags) for how tags work, and why their values must be few.
            ///
            /// # Errors
            ///
            /// Fails if the name is empty, if the name or a tag has a control byte, if the host
            /// refuses, or if the SDK is out of memory.
            ///
            /// # Cost
            ///
            /// The cost of [`define`](Self::define).
            pub fn with_tags<T: AsRef<[u8]>, V: AsRef<[u8]>>(name: impl AsRef<[u8]>, tags: &[(T, V)]) -> Result<Self> {
                Ok(Self { id: define_tagged(MetricType::$name, name.as_ref(), tags, Check::Both)? })
            }

            /// Returns the metric of this name with these tags, and defines it if it is new,
            /// without checking the bytes of the name and the tags. A line feed forges a line of
            /// the metrics that the proxy publishes.
            ///
            /// # Errors
            ///
            /// Fails if the host refuses, or if the SDK is out of memory. Fails if the name and the
            /// tags are empty.
            ///
            /// # Cost
            ///
            /// The cost of [`define`](Self::define).
            pub fn with_tags_unchecked<T: AsRef<[u8]>, V: AsRef<[u8]>>(
                name: impl AsRef<[u8]>,
                tags: &[(T, V)],
            ) -> Result<Self> {
                Ok(Self { id: define_tagged(MetricType::$name, name.as_ref(), tags, Check::Neither)? })
            }

            /// Returns the number that the host gave this definition.
            #[must_use]
            pub const fn id(&self) -> u32 {
                self.id
            }
        }
    };
}

metric! {
    /// A counter: a number that only grows.
    #[doc(alias = "MetricCounter")]
    Counter;
    #[doc(alias = "DefineCounterMetric")]
}

impl Counter {
    /// Adds to the counter. Hosts refuse zero, so zero makes no host call.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use sluicegate::metric::Counter;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     let starts = Counter::define("starts")?;
    ///     starts.increment(1)?;
    ///     assert_eq!(starts.value()?, 1);
    ///     info!("plugin {} counts", plugin.id());
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::plugin(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the offset is over 2⁶³ - 1, which the ABI cannot pass.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (0.03 µs in Envoy).
    #[doc(alias = "increment_metric")]
    pub fn increment(&self, offset: u64) -> Result<()> {
        match i64::try_from(offset) {
            Ok(0) => Ok(()),
            Ok(offset) => increment(self.id, offset),
            Err(_) => Err(Error::new("a counter takes no more than 2^63 - 1 at once")),
        }
    }

    /// Returns the sum that all VMs have counted so far.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number.
    #[doc(alias = "get_metric")]
    pub fn value(&self) -> Result<u64> {
        value(self.id)
    }
}

metric! {
    /// A gauge: a number that goes up and down.
    #[doc(alias = "MetricGauge")]
    Gauge;
    #[doc(alias = "DefineGaugeMetric")]
}

impl Gauge {
    /// Adds to the gauge, or subtracts from it. Below zero Envoy's gauge wraps around.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use sluicegate::metric::Gauge;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     let open = Gauge::define("open")?;
    ///     open.add(2)?;
    ///     open.add(-1)?;
    ///     assert_eq!(open.value()?, 1);
    ///     info!("plugin {} counts", plugin.id());
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::plugin(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (0.03 µs in Envoy).
    #[doc(alias = "increment_metric")]
    pub fn add(&self, offset: i64) -> Result<()> {
        increment(self.id, offset)
    }

    /// Sets the gauge, and replaces any value that another VM set.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (0.03 µs in Envoy).
    #[doc(alias = "record_metric")]
    pub fn set(&self, value: u64) -> Result<()> {
        record(self.id, value)
    }

    /// Returns the value that results from the updates of all VMs.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number.
    #[doc(alias = "get_metric")]
    pub fn value(&self) -> Result<u64> {
        value(self.id)
    }
}

metric! {
    /// A histogram: the proxy keeps the distribution of its values. No host returns the values.
    #[doc(alias = "MetricHistogram")]
    Histogram;
    #[doc(alias = "DefineHistogramMetric")]
}

impl Histogram {
    /// Records a value. Envoy has no unit for the value: put the unit into the name, as in
    /// `wait_ms`.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// use sluicegate::metric::Histogram;
    /// fn example(plugin: &mut PluginHandle<'_>) -> Result<()> {
    ///     let wait = Histogram::define("wait_ms")?;
    ///     wait.record(12)?;
    ///     info!("plugin {} measures", plugin.id());
    ///     Ok(())
    /// }
    /// # sluicegate_host::example::plugin(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing.
    #[doc(alias = "record_metric")]
    pub fn record(&self, value: u64) -> Result<()> {
        record(self.id, value)
    }
}
