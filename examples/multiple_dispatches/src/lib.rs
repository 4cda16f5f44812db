//! Holds each response back until ten calls to another service have ended.

use std::time::Duration;

use sluicegate::prelude::*;

const CALLS: u32 = 10;
const CLUSTER: &str = "httpbin";
const TIMEOUT: Duration = Duration::from_secs(50);

#[derive(Default)]
struct MultipleDispatches {
    pending: u32,
}

#[sluicegate::http_filter]
impl HttpFilter for MultipleDispatches {
    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        let headers = [(":method", "GET"), (":path", "/"), (":authority", CLUSTER)];
        let call = HttpCall::new(CLUSTER).headers(&headers).timeout(TIMEOUT);
        for _ in 0..CALLS {
            response.call(&call)?;
            self.pending += 1;
        }
        Ok(Action::Pause)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
        self.pending -= 1;
        if self.pending > 0 {
            info!("pending dispatched requests: {}", self.pending);
            return Ok(());
        }
        stream.edit_response_headers().add("total-dispatched", CALLS)?;
        stream.resume_response()?;
        info!("response resumed after processed {CALLS} dispatched request");
        Ok(())
    }
}

sluicegate::plugin!(http: MultipleDispatches);

#[cfg(test)]
mod tests;
