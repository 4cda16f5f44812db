//! The change of a body that the filter holds, from elsewhere than the callback that holds it.

use super::{CompleteBody, HttpHandle, Request, Response};
use crate::abi::BufferType;
use crate::error::{Error, Result};
use crate::stream_state;

impl<P> HttpHandle<'_, P> {
    /// Replaces the body of the request that the filter holds, for example from the response to a
    /// call that decides about the body.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// # #[derive(Default)]
    /// # struct Scrub;
    /// #[sluicegate::http_filter(calls)]
    /// impl HttpFilter for Scrub {
    ///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///         request.body_will_change()?;
    ///         Ok(Action::Continue)
    ///     }
    ///
    ///     fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
    ///         let bytes = body.bytes()?;
    ///         let headers = [(":method", "POST"), (":path", "/scrub"), (":authority", "scrub")];
    ///         let call = HttpCall::new("scrub").headers(&headers).body(&bytes);
    ///         body.hold_for_call(&call, |_: &mut Self, stream, answer| {
    ///             stream.replace_request_body(answer?.body()?)?;
    ///             Ok(Action::Continue)
    ///         })
    ///     }
    /// }
    /// # sluicegate::plugin!(http: Scrub);
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the filter does not hold the body, or if the body ended with
    /// trailers that have come: Envoy then takes no bytes any more. In the callback that shows the
    /// body, use the methods of the body. Fails without a change if the size differs, the headers
    /// have gone on, and [`body_will_change`](super::Headers::body_will_change) was not called.
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call, which copies the bytes, and one that returns the size of the body. Two more
    /// if the filter holds the headers, to correct `content-length`.
    pub fn replace_request_body(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        replace(
            CompleteBody::<Request, _>::new(HttpHandle::new(self.id, self.above), BufferType::HttpRequestBody, false),
            bytes.as_ref(),
        )
    }

    /// Replaces the body of the response that the filter holds, as
    /// [`replace_request_body`](Self::replace_request_body) does for the request.
    ///
    /// # Errors
    ///
    /// Fails as [`replace_request_body`](Self::replace_request_body) does.
    ///
    /// # Cost
    ///
    /// The cost of [`replace_request_body`](Self::replace_request_body).
    pub fn replace_response_body(&self, bytes: impl AsRef<[u8]>) -> Result<()> {
        replace(
            CompleteBody::<Response, _>::new(HttpHandle::new(self.id, self.above), BufferType::HttpResponseBody, false),
            bytes.as_ref(),
        )
    }
}

fn replace<D, P>(mut body: CompleteBody<'_, D, P>, bytes: &[u8]) -> Result<()> {
    let direction = body.buffer.direction();
    if !stream_state::current(|state| state.is_some_and(|state| state.keeps_body(direction))) {
        return Err(Error::stream(
            direction,
            "its body is not held here, or its trailers have come: it cannot be replaced",
        ));
    }
    body.replace(bytes)?;
    body.settle_length()
}
