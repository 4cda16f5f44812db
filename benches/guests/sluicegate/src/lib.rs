//! The load comparison's job on the SDK, written as a filter's author would write it.

use sluicegate::prelude::*;

#[derive(Default)]
struct Job;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Job {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let total: usize = request.snapshot()?.iter().map(|(name, value)| name.len() + value.len()).sum();
        request.replace("x-total-bytes", total)?;
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.add("x-filter", 1)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Job);
