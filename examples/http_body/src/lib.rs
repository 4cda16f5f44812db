//! Edits bodies: it appends to them, prepends to them or replaces them, as a header of the request
//! asks. With the configuration `echo` it sends the request's body back to the client instead.

use sluicegate::CompleteBody;
use sluicegate::prelude::*;

#[derive(Default)]
struct Plugin {
    echo: bool,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        match plugin.configuration() {
            Ok(configuration) => self.echo = &*configuration == b"echo",
            Err(error) => critical!("error reading plugin configuration: {error}"),
        }
        Ok(StartStatus::Ok)
    }
}

/// The message whose body is edited, by the header `buffer-replace-at`.
#[derive(Clone, Copy, Default, PartialEq)]
enum Side {
    #[default]
    Request,
    Response,
}

impl Side {
    fn asked_for(value: &[u8]) -> Self {
        if value == b"response" { Self::Response } else { Self::Request }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// The edit, by the header `buffer-operation`.
#[derive(Clone, Copy, Default)]
enum Operation {
    Append,
    Prepend,
    #[default]
    Replace,
}

impl Operation {
    fn asked_for(value: &[u8]) -> Self {
        match value {
            b"append" => Self::Append,
            b"prepend" => Self::Prepend,
            _ => Self::Replace,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::Replace => "replace",
        }
    }
}

#[derive(Default)]
struct HttpBody {
    side: Side,
    operation: Operation,
}

#[sluicegate::http_filter]
impl HttpFilter for HttpBody {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if request.plugin().echo {
            // The headers go on. Holding them until the body is complete needs a setting that not
            // every proxy offers to its users.
            return if request.end_of_stream() {
                request.reply(&LocalResponse::new(200))
            } else {
                Ok(Action::Continue)
            };
        }
        let headers = request.snapshot()?;
        if !headers.contains("content-length") {
            return request.reply(&LocalResponse::new(400).body("content must be provided"));
        }
        self.side = Side::asked_for(&headers.get("buffer-replace-at").unwrap_or_default());
        self.operation = Operation::asked_for(&headers.get("buffer-operation").unwrap_or_default());
        // The headers go on before the body is complete, so they cannot give its new size. The body
        // goes on in chunks.
        request.body_will_change()?;
        if self.side != Side::Request {
            request.let_body_pass();
        }
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        if body.plugin().echo {
            return body.reply(&LocalResponse::new(200).body(&*body.bytes()?));
        }
        Ok(self.edit(body))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        if self.side == Side::Response && !response.plugin().echo {
            response.body_will_change()?;
        } else {
            response.let_body_pass();
        }
        Ok(Action::Continue)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_, Plugin>) -> Result<FilterStatus> {
        Ok(self.edit(body))
    }
}

impl HttpBody {
    /// Edits a body. If that fails, the error is logged, and the body goes on unchanged.
    fn edit<D>(&self, body: &mut CompleteBody<'_, D, Plugin>) -> FilterStatus {
        let (side, operation) = (self.side.name(), self.operation.name());
        match body.bytes() {
            Ok(original) => info!("original {side} body: {}", ByteStr::new(&original).display()),
            Err(error) => {
                error!("failed to get {side} body: {error}");
                return FilterStatus::Continue;
            }
        }
        let edited = match self.operation {
            Operation::Append => body.append("[this is appended body]"),
            Operation::Prepend => body.prepend("[this is prepended body]"),
            Operation::Replace => body.replace("[this is replaced body]"),
        };
        if let Err(error) = edited {
            error!("failed to {operation} {side} body: {error}");
        }
        FilterStatus::Continue
    }
}

sluicegate::plugin!(plugin: Plugin, http: HttpBody);

#[cfg(test)]
mod tests;
