//! A filter that does nothing: what a module takes before it does something.

use sluicegate::prelude::*;

#[derive(Default)]
struct Noop;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Noop {
    fn on_request_headers(&mut self, _: &mut RequestHeaders<'_>) -> Result<Action> {
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Noop);
