//! Edits many headers by a list of rules: it renames, removes, sets and appends.
//!
//! The configuration is
//!
//! ```json
//! {
//!   "request": [
//!     {"rename": "x-a", "to": "x-b"},
//!     {"remove": "x-c"},
//!     {"set": "x-d", "to": "v"},
//!     {"append": "x-e", "to": "v"}
//!   ],
//!   "response": []
//! }
//! ```
//!
//! Either list may be left out.

use sluicegate::json::{self, Value};
use sluicegate::prelude::*;
use sluicegate::{Head, Headers};

/// One edit. Names are in lower case, as in proxies.
enum Rule {
    Rename { from: String, to: String },
    Remove { name: String },
    Set { name: String, value: String },
    Append { name: String, value: String },
}

impl Rule {
    /// Parses a rule. Returns `None` if it is no rule, or if it names no header. The proxy's own
    /// names, such as `:path`, are not allowed.
    fn parse(rule: Value<'_>) -> Option<Self> {
        let text = |member: &str| Some(rule.get(member)?.to_text()?.to_str().ok()?.into_owned());
        let name = |member: &str| {
            let name = text(member)?.to_ascii_lowercase();
            (!name.is_empty() && !name.starts_with(':')).then_some(name)
        };
        if let Some(from) = name("rename") {
            let to = name("to").filter(|to| *to != from)?;
            return Some(Self::Rename { from, to });
        }
        if let Some(name) = name("remove") {
            return Some(Self::Remove { name });
        }
        if let Some(name) = name("set") {
            return Some(Self::Set { name, value: text("to")? });
        }
        Some(Self::Append { name: name("append")?, value: text("to")? })
    }

    /// Parses a list of rules. A list that is left out is empty.
    fn parse_all(rules: Option<Value<'_>>) -> Option<Vec<Self>> {
        rules.map_or(Some(Vec::new()), |rules| rules.elements().map(Self::parse).collect())
    }
}

#[derive(Default)]
struct Plugin {
    request: Vec<Rule>,
    response: Vec<Rule>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = plugin.configuration()?;
        let json = json::parse(&configuration)?;
        let lists = Rule::parse_all(json.get("request")).zip(Rule::parse_all(json.get("response")));
        let Some((request, response)) = lists else {
            critical!("a rule is none of rename, remove, set and append, or names no header");
            return Ok(StartStatus::Failed);
        };
        info!("{} rules for requests, {} for responses", request.len(), response.len());
        (self.request, self.response) = (request, response);
        Ok(StartStatus::Ok)
    }
}

/// Applies the rules to a message's headers. Renames use the headers that the message came with,
/// and the other edits read nothing.
///
/// Each edit is one host call. A rule that removes a header that the message does not have makes
/// none.
fn apply<D>(rules: &[Rule], headers: &mut Headers<'_, D, Plugin, Head>) -> Result<()> {
    let original = headers.snapshot()?; // the one host call that reads
    for rule in rules {
        match rule {
            Rule::Rename { from, to } => {
                for value in original.get_all(from) {
                    headers.add(to, value)?;
                }
                headers.remove(from)?;
            }
            Rule::Remove { name } => headers.remove(name)?,
            Rule::Set { name, value } => headers.replace(name, value)?,
            Rule::Append { name, value } => headers.add(name, value)?,
        }
    }
    Ok(())
}

#[derive(Default)]
struct HeaderBatch;

// A header that could not be edited must not pass on. `FailurePolicy::Closed` is the default, and
// the filter replies with 500.
#[sluicegate::http_filter]
impl HttpFilter for HeaderBatch {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        apply(&request.plugin().request, request)?;
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        apply(&response.plugin().response, response)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: HeaderBatch);

#[cfg(test)]
mod tests;
