use sluicegate::prelude::*;

macro_rules! deny {
    () => {
        fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
            request.reply(&LocalResponse::new(403))
        }
    };
}

#[derive(Default)]
struct ByMacro;

#[sluicegate::http_filter]
impl HttpFilter for ByMacro {
    deny!();
}

mod by_macro {
    sluicegate::plugin!(http: super::ByMacro);
}

/// Any attribute that is a macro could add a callback.
#[derive(Default)]
struct ByAttribute;

#[sluicegate::http_filter]
#[sluicegate::vm_context]
impl HttpFilter for ByAttribute {}

fn main() {}
