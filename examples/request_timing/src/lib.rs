//! Adds the size of the headers to each request and response.
//!
//! The module is built with the feature `timing`, so the cost of its callbacks becomes metrics and
//! lines in the log. The filter needs no code for that.

use sluicegate::prelude::*;

#[derive(Default)]
struct RequestTiming;

#[sluicegate::http_filter]
impl HttpFilter for RequestTiming {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let size = size(request.snapshot()?);
        request.replace("x-request-header-bytes", size)?;
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        let size = size(response.snapshot()?);
        response.replace("x-response-header-bytes", size)?;
        Ok(Action::Continue)
    }
}

/// Returns the bytes of all names and values.
fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

sluicegate::plugin!(http: RequestTiming);

#[cfg(test)]
mod tests;
