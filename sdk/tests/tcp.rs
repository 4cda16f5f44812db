//! Connections: their data, their ends, and a module that has both kinds of filter.

use std::cell::Cell;

use sluicegate::LogLevel;
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin {
    http: Cell<bool>,
    open: Cell<i32>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.http.set(*plugin.configuration()? == *b"http");
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn create(plugin: &Plugin, _: u32) -> Self {
        plugin.open.set(plugin.open.get() + 1);
        Self
    }

    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        info!("new {}, {} open", connection.id(), connection.plugin().open.get());
        Ok(FilterStatus::Continue)
    }

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        let bytes = data.read(0, data.size())?;
        match &*bytes {
            b"close" => data.connection().close_upstream()?,
            b"fail" => return Err(Error::new("told to fail")),
            _ if !bytes.ends_with(b"\n") && !data.end_of_stream() => return Ok(FilterStatus::Pause),
            _ => data.prepend("> ")?,
        }
        Ok(FilterStatus::Continue)
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        if data.size() > 0 {
            data.append("!")?;
        }
        Ok(FilterStatus::Continue)
    }

    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Plugin>, peer: PeerType) -> Result<()> {
        info!("{} closed by {peer:?}", connection.id());
        Ok(())
    }

    fn on_log(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        info!("log");
        Ok(())
    }

    fn on_done(&mut self, _: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        info!("done");
        Ok(())
    }

    fn on_delete(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        let open = &connection.plugin().open;
        open.set(open.get() - 1);
        Ok(())
    }
}

#[derive(Default)]
struct Request;

#[sluicegate::http_filter]
impl HttpFilter for Request {
    type Plugin = Plugin;

    fn accepts(plugin: &Plugin, _: u32) -> bool {
        plugin.http.get()
    }

    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        info!("request");
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Request, tcp: Connection);

#[test]
fn data_is_held_changed_and_goes_on() {
    let host = Host::new(&PLUGIN).start();
    let connection = host.tcp_connection();
    assert_eq!(connection.opened(), 0);
    assert_eq!(connection.downstream_data("GET", false), 1);
    assert_eq!(connection.downstream_data(" /\n", false), 0);
    assert_eq!(connection.sent_upstream(), b"> GET /\n");
    assert_eq!(connection.upstream_data("ok", false), 0);
    assert_eq!(connection.upstream_data("", true), 0);
    assert_eq!(connection.sent_downstream(), b"ok!");
    assert!(!connection.closed_upstream());
    assert_eq!(connection.downstream_data("close", false), 0);
    assert!(connection.closed_upstream() && !connection.closed_downstream());
    connection.close_downstream();
    connection.close_upstream();
    let id = connection.id();
    connection.complete();
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [format!("new {id}, 1 open"), format!("{id} closed by Local"), "done".into(), "log".into()]);
    let next = host.tcp_connection();
    assert!(host.logged(LogLevel::Info, &format!("new {}, 1 open", next.id())), "the first one is gone");
}

#[test]
fn an_error_closes_the_connection() {
    let host = Host::new(&PLUGIN).start();
    let connection = host.tcp_connection();
    assert_eq!(connection.downstream_data("fail", false), FilterStatus::Pause as u32);
    assert!(connection.closed_downstream());
    assert!(host.logged(LogLevel::Error, "on_downstream_data (context 2): told to fail"));
}

#[test]
fn a_plugin_decides_which_kind_its_streams_are() {
    let host = Host::new(&PLUGIN).plugin_configuration("http").start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("a", "b")]), 0);
    assert!(host.logged(LogLevel::Info, "request"));
    stream.complete();

    let host = Host::new(&PLUGIN).plugin_configuration("tcp").start();
    assert_eq!(host.tcp_connection().opened(), 0);
    assert!(host.log().iter().all(|line| line.level == LogLevel::Info), "{:?}", host.log());
}
