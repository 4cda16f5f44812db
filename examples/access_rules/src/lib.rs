//! Replies to requests by rules that the operator writes in CEL, over everything that the proxy
//! knows of a request. The first rule that is true decides. If no rule is true, the request passes.
//!
//! The configuration is `[{"when": "request.path.startsWith('/admin')", "status": 403}]`.

use sluicegate::foreign::Expression;
use sluicegate::json::{self, Value};
use sluicegate::prelude::*;

struct Rule {
    when: Expression,
    status: u16,
}

impl Rule {
    fn parse(rule: Value<'_>) -> Result<Self> {
        let status = rule.get("status").and_then(|status| u16::try_from(status.to_u64()?).ok());
        let status = status.filter(|status| (200..600).contains(status)).ok_or(Error::new("a rule needs a status"))?;
        let when = rule.get("when").and_then(|when| when.to_text()).ok_or(Error::new("a rule needs a `when`"))?;
        // The proxy parses the expression once, here. The proxy's log names the problem of a bad
        // one.
        let when = Expression::create(&*when.to_str().map_err(Error::other)?)?;
        Ok(Self { when, status })
    }
}

#[derive(Default)]
struct Plugin {
    rules: Vec<Rule>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    // A bad rule refuses the configuration. No proxy at all is better than one that lets everybody
    // in.
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        self.rules = json::parse(&plugin.configuration()?)?.elements().map(Rule::parse).collect::<Result<_>>()?;
        info!("{} rules", self.rules.len());
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct AccessRules;

#[sluicegate::http_filter]
impl HttpFilter for AccessRules {
    type Plugin = Plugin;

    // A rule has no value if it reads a header that the request does not have. Such a request must
    // not pass.
    const ON_ERROR: FailurePolicy = FailurePolicy::Unavailable;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        for rule in &request.plugin().rules {
            if rule.when.is_true()? {
                return request.reply(&LocalResponse::new(rule.status).details("access_rules"));
            }
        }
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: AccessRules);

#[cfg(test)]
mod tests;
