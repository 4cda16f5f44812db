//! A plugin that writes an access log, beside filters of the same module or without any.

use std::cell::Cell;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, property};
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin {
    streams: Cell<u32>,
    entries: u32,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_log(&mut self, plugin: &mut PluginHandle<'_>, entry: &AccessLogEntry<'_>) -> Result<()> {
        self.entries += 1;
        let id = plugin.id();
        let sizes = [
            entry.request_headers()?.len(),
            entry.response_headers()?.len(),
            entry.request_trailers()?.len(),
            entry.response_trailers()?.len(),
        ];
        info!("entry {} of {id} after {} streams: {sizes:?}", self.entries, self.streams.get());
        let values = [
            entry.fetch_request_header(":path")?,
            entry.fetch_response_header("server")?,
            entry.fetch_request_trailer("t")?,
            entry.fetch_response_trailer("grpc-status")?,
        ];
        let [path, server, trailer, status] =
            values.map(|value| value.map_or("none".into(), |value| ByteStr::new(&value).display().to_string()));
        info!("{path} {server} {trailer} {status} {:?}", property::response::code()?);
        Ok(())
    }
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        let streams = &stream.plugin().streams;
        streams.set(streams.get() + 1);
        info!("stream {:?}", stream.fetch_response_trailer("grpc-status"));
        let trailers = (stream.request_trailers(), stream.response_trailers());
        info!("trailers {:?} {:?}", trailers.0.map(|map| map.len()), trailers.1.map(|map| map.len()));
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

#[test]
fn an_entry_of_the_access_log_comes_to_the_plugin() {
    assert!(PLUGIN.names().contains(&"proxy_on_log"));
    let host = Host::new(&PLUGIN).start();
    let entry = host.access_log().request_headers(&[(":path", "/a"), (":method", "POST")]);
    let entry = entry.response_headers(&[(":status", "200"), ("server", "envoy"), ("x", "y")]);
    assert!(entry.response_trailers(&[("grpc-status", "5")]).log());
    host.assert_logged(LogLevel::Info, "entry 1 of 1 after 0 streams: [2, 3, 0, 1]");
    host.assert_logged(LogLevel::Info, "/a envoy none 5 Some(200)");
    // Nothing is left of it for the next one, or for a stream.
    assert!(host.access_log().log());
    host.assert_logged(LogLevel::Info, "entry 2 of 1 after 0 streams: [0, 0, 0, 0]");
    host.assert_logged(LogLevel::Info, "none none none none None");
}

#[test]
fn a_stream_logs_itself_and_not_in_the_plugin() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":path", "/")]);
    stream.request_trailers(&[("t", "1")]);
    stream.response_headers(&[(":status", "200")]);
    stream.response_trailers(&[("grpc-status", "0"), ("grpc-message", "")]);
    stream.complete();
    host.assert_logged(LogLevel::Info, "stream Ok(Some(\"0\"))");
    assert!(!host.log().iter().any(|line| line.text.starts_with("entry")));
    host.access_log().log();
    host.assert_logged(LogLevel::Info, "entry 1 of 1 after 1 streams: [0, 0, 0, 0]");
}

#[test]
fn entries_go_to_the_plugin_whose_log_it_is() {
    let host = Host::new(&PLUGIN).start();
    let other = host.add_plugin("other", "");
    other.access_log().request_headers(&[(":path", "/")]).log();
    host.assert_logged(LogLevel::Info, &format!("entry 1 of {} after 0 streams: [1, 0, 0, 0]", other.id()));
}

#[test]
fn an_error_of_an_entry_is_logged_and_counted() {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_get_header_map_pairs, Status::InternalFailure);
    assert!(host.access_log().log());
    assert!(
        host.log().iter().any(|line| line.level == LogLevel::Error && line.text.starts_with("on_log (context 1): "))
    );
    assert_eq!(host.counter("sluicegate_errors"), Some(1));
}
