//! Makes request headers from fields of a JSON body, without a tree and without a block for each
//! field.
//!
//! The configuration names the fields and the headers:
//! `{"/user/id": "x-user", "/order/items/0/sku": "x-first-item"}`.
//! If a request lacks one of the fields, the filter replies with 400.

mod pointer;

use sluicegate::arena::allocator_api2::vec::Vec as ArenaVec;
use sluicegate::json::{self, Kind, Value};
use sluicegate::prelude::*;

use pointer::find;

#[derive(Default)]
struct Plugin {
    /// The pointers into the body, each with the header that gets the field.
    fields: Vec<(String, String)>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration()?;
        for (pointer, header) in json::parse(&configuration)?.members() {
            let header = header.to_text().ok_or(Error::new("a header is a string"))?.to_str()?;
            let pointer = pointer.to_str()?;
            if !pointer.starts_with('/') || header.is_empty() || header.starts_with(':') {
                critical!("not a pointer and a header: {pointer}, {header}");
                return Ok(StartStatus::Failed);
            }
            self.fields.push((pointer.into_owned(), header.into_owned()));
        }
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct JsonFields;

#[sluicegate::http_filter]
impl HttpFilter for JsonFields {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        // A client's own headers of these names are not the body's, so they are removed.
        let plugin = request.plugin();
        for (_, header) in &plugin.fields {
            request.remove(header)?;
        }
        // The headers wait while the body comes.
        Ok(if request.end_of_stream() { Action::Continue } else { Action::StopIteration })
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        let whole = body.bytes()?; // the one block: all views below are into it
        if let Err(problem) = take_fields(&whole, body.stream())? {
            return body.reply(&LocalResponse::new(400).body(problem));
        }
        Ok(FilterStatus::Continue)
    }
}

/// Sets the headers if all fields are there. Otherwise the inner error names the problem, and no
/// header is set.
fn take_fields(body: &[u8], stream: &HttpHandle<'_, Plugin>) -> Result<Result<(), &'static str>> {
    let Ok(json) = json::parse(body) else { return Ok(Err("not JSON\n")) };
    let fields = &stream.plugin().fields;
    // The fields are views, in the arena of the request. Making room for all of them is one step of
    // the arena's pointer.
    let arena = stream.arena()?;
    let mut found: ArenaVec<(&str, Value<'_>), _> = ArenaVec::new_in(&arena);
    found.try_reserve_exact(fields.len()).map_err(|_| Error::new("no memory for the fields"))?;
    for (pointer, header) in fields {
        match find(json, pointer).filter(|field| fits_a_header(*field)) {
            Some(field) => found.push((header, field)),
            None => return Ok(Err("a field is missing, or is no text or number\n")),
        }
    }
    let headers = stream.edit_request_headers();
    for (header, field) in found {
        // A string without escapes is borrowed from the body, too.
        match field.to_text() {
            Some(text) => headers.replace(header, &*text.to_str()?)?,
            None => headers.replace(header, field.raw())?,
        }
    }
    Ok(Ok(()))
}

/// Returns whether a field is a number, or a string without control characters. A line break would
/// end the header.
fn fits_a_header(field: Value<'_>) -> bool {
    match field.to_text() {
        Some(text) => !text.chars().any(char::is_control),
        None => field.kind() == Kind::Number,
    }
}

sluicegate::plugin!(plugin: Plugin, http: JsonFields);

#[cfg(test)]
mod tests;
