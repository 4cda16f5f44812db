use sluicegate::prelude::*;

#[derive(Default)]
struct Keep {
    body: Option<RequestBody<'static>>,
    stream: Option<HttpHandle<'static>>,
    response: Option<&'static CallResponse>,
    event: Option<&'static GrpcEvent>,
}

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Keep {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let stream = request.stream();
        request.stream().spawn(async move {
            stream.resume_request()?;
            Ok(())
        })?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        self.body = Some(take(body));
        Ok(DataAction::Continue)
    }

    fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, response: &CallResponse) -> Result<()> {
        self.response = Some(response);
        Ok(())
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_>, event: &GrpcEvent) -> Result<()> {
        self.event = Some(event);
        self.stream = Some(take(stream));
        Ok(())
    }
}

#[derive(Default)]
struct Connection {
    data: Option<DownstreamData<'static>>,
}

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = ();

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
        self.data = Some(take(data));
        Ok(FilterStatus::Continue)
    }
}

fn take<T>(_: &mut T) -> T {
    loop {}
}

fn main() {}
