use sluicegate::prelude::*;

#[derive(Default)]
struct Keep {
    agent: Option<ByteStr<'static>>,
}

#[sluicegate::http_filter]
impl HttpFilter for Keep {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.agent = request.get("user-agent")?;
        Ok(Action::Continue)
    }
}

fn main() {}
