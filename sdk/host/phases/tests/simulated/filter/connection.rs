//! A filter of connections that follows a script.

use sluicegate::prelude::*;

use super::{PLUGIN_ID, Plugin, flow, follow};

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        Ok(flow(follow(connection, connection.id(), "new_connection")))
    }

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_, Plugin>) -> Result<FilterStatus> {
        let connection = data.connection();
        Ok(flow(follow(connection, connection.id(), "downstream_data")))
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_, Plugin>) -> Result<FilterStatus> {
        let connection = data.connection();
        Ok(flow(follow(connection, connection.id(), "upstream_data")))
    }

    fn on_downstream_close(&mut self, connection: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
        follow(connection, connection.id(), "downstream_connection_close");
        Ok(())
    }

    fn on_upstream_close(&mut self, connection: &mut TcpHandle<'_, Plugin>, _: PeerType) -> Result<()> {
        follow(connection, connection.id(), "upstream_connection_close");
        Ok(())
    }

    fn on_http_call_response(&mut self, connection: &mut TcpHandle<'_, Plugin>, _: &CallResponse) -> Result<()> {
        follow(connection, PLUGIN_ID, "http_call_response");
        Ok(())
    }

    fn on_log(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        follow(connection, connection.id(), "log");
        Ok(())
    }

    fn on_done(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        follow(connection, connection.id(), "done");
        Ok(())
    }

    fn on_delete(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<()> {
        follow(connection, connection.id(), "delete");
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, tcp: Connection);
