//! The interpreter on this SDK.

use sluicegate::prelude::*;
use sluicegate::property;

use crate::program::{HEADER, Operations, run};

#[derive(Default)]
struct Interpreter {
    program: String,
    trace: String,
}

/// Writes what a step failed with into the trace of the proxy's log, and goes on, as the other SDK does.
fn tell(result: Result<()>) {
    if let Err(error) = result {
        info!("{error}");
    }
}

macro_rules! operations {
    ($name:ident, $handle:ident, headers) => {
        operations!(@impl $name, $handle, {
            fn add(&mut self, name: &str, value: &str) { tell(self.0.add(name, value)); }
            fn replace(&mut self, name: &str, value: &str) { tell(self.0.replace(name, value)); }
            fn remove(&mut self, name: &str) { tell(self.0.remove(name)); }
            fn get(&mut self, name: &str) -> Option<Vec<u8>> {
                self.0.get(name).ok().flatten().map(|value| value.as_bytes().to_vec())
            }
            fn pairs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> {
                let pairs = self.0.snapshot().map(|map| {
                    map.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
                });
                pairs.unwrap_or_default()
            }
            fn body(&mut self) -> Vec<u8> { Vec::new() }
            fn append(&mut self, _: &str) {}
            fn prepend(&mut self, _: &str) {}
            fn replace_body(&mut self, _: &str) {}
        });
    };
    ($name:ident, $handle:ident, body) => {
        operations!(@impl $name, $handle, {
            fn add(&mut self, _: &str, _: &str) {}
            fn replace(&mut self, _: &str, _: &str) {}
            fn remove(&mut self, _: &str) {}
            fn get(&mut self, _: &str) -> Option<Vec<u8>> { None }
            fn pairs(&mut self) -> Vec<(Vec<u8>, Vec<u8>)> { Vec::new() }
            fn body(&mut self) -> Vec<u8> {
                self.0.read(0, usize::MAX >> 1).map(|bytes| bytes.to_vec()).unwrap_or_default()
            }
            fn append(&mut self, text: &str) { tell(self.0.append(text)); }
            fn prepend(&mut self, text: &str) { tell(self.0.prepend(text)); }
            fn replace_body(&mut self, text: &str) { tell(self.0.replace(text)); }
        });
    };
    (@impl $name:ident, $handle:ident, { $($operations:item)* }) => {
        struct $name<'a, 'cb>(&'a mut $handle<'cb>);

        impl Operations for $name<'_, '_> {
            $($operations)*
            fn property(&mut self, path: &[&str]) -> Option<Vec<u8>> {
                property::get(path).ok().flatten().map(|value| value.into_bytes().to_vec())
            }
            fn set_property(&mut self, name: &str, value: &str) { tell(property::set(&[name], value)); }
            fn reply(&mut self, status: u32, body: &str) {
                let status = u16::try_from(status).unwrap_or(500);
                tell(self.0.reply(&LocalResponse::new(status.into()).body(body)).map(drop));
            }
        }
    };
}

operations!(OfRequest, RequestHeaders, headers);
operations!(OfResponse, ResponseHeaders, headers);
operations!(OfRequestBody, RequestBody, body);
operations!(OfResponseBody, ResponseBody, body);

impl Interpreter {
    fn run(&mut self, callback: &str, operations: &mut impl Operations) -> bool {
        run(&self.program, callback, &mut self.trace, operations)
    }
}

#[sluicegate::http_filter]
impl HttpFilter for Interpreter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.program = request.get(HEADER)?.map(|value| value.display().to_string()).unwrap_or_default();
        let replied = self.run("q", &mut OfRequest(request));
        Ok(if replied { Action::Pause } else { Action::Continue })
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let replied = self.run("b", &mut OfRequestBody(body));
        Ok(if replied { DataAction::Pause } else { DataAction::Continue })
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        let replied = self.run("h", &mut OfResponse(response));
        if !replied {
            tell(response.add("x-trace", self.trace.as_str()));
        }
        Ok(if replied { Action::Pause } else { Action::Continue })
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        let replied = self.run("c", &mut OfResponseBody(body));
        Ok(if replied { DataAction::Pause } else { DataAction::Continue })
    }
}

sluicegate::plugin!(http: Interpreter);
