#![deny(unused_must_use)]

use sluicegate::prelude::*;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, _: &mut PluginHandle<'_>) -> Result<StartStatus> {
        check();
        Ok(StartStatus::Ok)
    }
}

fn check() -> StartStatus {
    StartStatus::Failed
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        request.hold_while(async { Ok(Action::Continue) })?;
        request.reply(&LocalResponse::new(403))?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        body.hold_while(async { Ok(Action::Continue) })?;
        body.reply(&LocalResponse::new(403))?;
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        judge();
        LocalResponse::new(403);
        HttpCall::new("auth");
        GrpcCall::new("auth", "Auth", "Check");
        Ok(FilterStatus::Continue)
    }
}

fn judge() -> FilterStatus {
    FilterStatus::StopIteration
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter(tasks)]
impl TcpFilter for Connection {
    type Plugin = Plugin;

    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_, Plugin>) -> Result<FilterStatus> {
        connection.hold_while(async { Ok(Action::Continue) })?;
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter, tcp: Connection);

fn main() {}
