//! Metrics as the proxy keeps them.

use sluicegate::abi::Import;
use sluicegate::metric::{Counter, Gauge, Histogram};
use sluicegate::prelude::*;
use sluicegate_host::{Host, RunningHost};

struct Metrics {
    requests: Counter,
    open: Gauge,
    sizes: Histogram,
}

#[derive(Default)]
struct Plugin {
    metrics: Option<Metrics>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.metrics = Some(Metrics {
            requests: Counter::with_tags("requests", &[("plugin", "demo"), ("kind", "all")])?,
            open: Gauge::define("open")?,
            sizes: Histogram::with_tags("sizes", &[("unit", "bytes")])?,
        });
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let metrics = request.plugin().metrics.as_ref().ok_or(Error::new("not configured"))?;
        metrics.requests.increment(1)?;
        metrics.open.add(1)?;
        metrics.sizes.record(request.snapshot()?.len() as u64)?;
        Ok(Action::Continue)
    }

    fn on_done(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        if let Some(metrics) = &stream.plugin().metrics {
            metrics.open.add(-1)?;
        }
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

const REQUESTS: &str = "requests_plugin=demo_kind=all";

fn start() -> RunningHost {
    let host = Host::new(&PLUGIN).start();
    assert!(host.started(), "{:?}", host.log());
    host
}

#[test]
fn streams_update_what_the_plugin_defined() {
    let host = start();
    assert_eq!((host.counter(REQUESTS), host.gauge("open")), (Some(0), Some(0)));
    let first = host.http_stream();
    assert_eq!(first.request_headers(&[("a", "b")]), 0);
    let second = host.http_stream();
    assert_eq!(second.request_headers(&[("a", "b"), ("c", "d")]), 0);
    assert_eq!((host.counter(REQUESTS), host.gauge("open")), (Some(2), Some(2)));
    first.complete();
    second.complete();
    assert_eq!((host.counter(REQUESTS), host.gauge("open")), (Some(2), Some(0)));
    assert_eq!(host.histogram("sizes_unit=bytes"), Some(vec![1, 2]));
    assert_eq!(host.histogram("sizes"), None, "a tag is part of the name");
    assert_eq!(host.calls(Import::proxy_define_metric), 3, "once each, not in each stream");
}

#[test]
fn a_name_is_one_metric_however_often_it_is_defined() -> Result<()> {
    let _host = start();
    let (first, second) = (Counter::define("c")?, Counter::define("c")?);
    first.increment(3)?;
    second.increment(4)?;
    assert_eq!((first.value()?, second.value()?), (7, 7));
    assert_ne!(first.id(), second.id());
    let gauge = Gauge::define("g")?;
    gauge.set(9)?;
    gauge.add(-2)?;
    assert_eq!(gauge.value()?, 7);
    assert_eq!(Gauge::define("c")?.value()?, 0, "a gauge is not the counter of its name");
    Ok(())
}

#[test]
fn a_name_of_any_length_is_whole() -> Result<()> {
    let host = start();
    for len in [0, 200, 250, 256, 257, 3000] {
        let (name, value) = ("n".repeat(len), "v".repeat(len));
        Counter::with_tags(&name, &[("tag", &value)])?.increment(len as u64 + 1)?;
        assert_eq!(host.counter(&format!("{name}_tag={value}")), Some(len as u64 + 1));
    }
    Counter::with_tags::<&str, &str>("plain", &[])?;
    assert_eq!(host.counter("plain"), Some(0));
    Histogram::define("h")?.record(u64::MAX)?;
    assert_eq!(host.histogram("h"), Some(vec![u64::MAX]));
    Ok(())
}

#[test]
fn what_a_counter_cannot_take_is_no_host_call() -> Result<()> {
    let host = start();
    let counter = Counter::define("c")?;
    counter.increment(0)?;
    let error = counter.increment(1 << 63).unwrap_err();
    assert_eq!(error.to_string(), "a counter takes no more than 2^63 - 1 at once");
    assert_eq!(host.calls(Import::proxy_increment_metric), 0);
    counter.increment((1 << 63) - 1)?;
    assert_eq!(counter.value()?, (1 << 63) - 1);
    Ok(())
}

#[test]
fn a_refusal_is_an_error_that_names_the_call() -> Result<()> {
    let host = start();
    let gauge = Gauge::define("g")?;
    host.fail(Import::proxy_get_metric, Status::InternalFailure);
    let error = gauge.value().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("proxy_get_metric (metric {}): error status returned by host: internal failure", gauge.id())
    );
    host.fail(Import::proxy_define_metric, Status::Unimplemented);
    assert_eq!(Counter::define("c").unwrap_err().status(), Some(Status::Unimplemented));
    assert!(!host.start_plugin(), "the plugin's `?` refuses the configuration");
    host.fail(Import::proxy_record_metric, Status::BadArgument);
    assert_eq!(gauge.set(1).unwrap_err().call(), Some("proxy_record_metric"));
    host.fail(Import::proxy_increment_metric, Status::NotFound);
    assert_eq!(gauge.add(1).unwrap_err().status(), Some(Status::NotFound));
    Ok(())
}
