use sluicegate::prelude::*;

#[derive(Default)]
struct Asks;

#[sluicegate::http_filter]
impl HttpFilter for Asks {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        request.call_then(&HttpCall::new("auth"), |_: &mut Self, stream, _| stream.resume_request())?;
        Ok(Action::Pause)
    }
}

sluicegate::plugin!(http: Asks);

fn main() {}
