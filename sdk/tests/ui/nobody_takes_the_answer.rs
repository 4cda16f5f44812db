use sluicegate::prelude::*;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "auth")];

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        if request.end_of_stream() {
            request.call(&HttpCall::new("auth").headers(&HEADERS))?;
            return Ok(Action::Pause);
        }
        request.hold_while(async { Ok(Action::Continue) })
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        body.stream().spawn(async { Ok(()) })?;
        body.stream().grpc_call(&GrpcCall::new("auth", "Auth", "Check"))?;
        Ok(DataAction::Pause)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        let _ = trailers.stream().grpc_stream("auth", "Auth", "Watch", &[])?;
        Ok(FilterStatus::Pause)
    }
}

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        plugin.set_tick_period(core::time::Duration::from_secs(1))?;
        plugin.call::<_, _, &str>(&HttpCall::new("auth").headers(&HEADERS))?;
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct Connection;

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    fn on_new_connection(&mut self, connection: &mut TcpHandle<'_>) -> Result<FilterStatus> {
        connection.hold_while(async { Ok(Action::Continue) })
    }
}

fn main() {}
