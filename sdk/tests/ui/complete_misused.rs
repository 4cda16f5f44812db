//! A body comes in parts or complete, to a filter that knows its streams.

use sluicegate::prelude::*;

#[derive(Default)]
struct Both;

#[sluicegate::http_filter]
impl HttpFilter for Both {
    fn on_response_body(&mut self, _: &mut ResponseBody<'_>) -> Result<DataAction> {
        Ok(DataAction::Continue)
    }

    fn on_complete_response_body(&mut self, _: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        Ok(FilterStatus::Continue)
    }
}

#[derive(Default)]
struct Nothing;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Nothing {
    fn on_complete_request_body(&mut self, _: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        Ok(FilterStatus::Continue)
    }
}

fn main() {}
