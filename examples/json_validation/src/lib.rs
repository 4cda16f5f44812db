//! Lets a request pass if its body is JSON with the keys that the configuration asks for, and
//! otherwise replies with 403.
//!
//! The configuration is `{"requiredKeys": ["id", "user.name"]}`, or nothing. A key is a GJSON path
//! that names one value.

mod path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sluicegate::prelude::*;

use path::Path;

/// The bytes of a refused body that go to the log.
const SHOWN: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    #[serde(default)]
    required_keys: Vec<String>,
}

#[derive(Default)]
struct Plugin {
    required_keys: Vec<Path>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        let configuration = match plugin.configuration() {
            Ok(configuration) => configuration,
            Err(error) => {
                critical!("error reading plugin configuration: {error}");
                return Ok(StartStatus::Failed);
            }
        };
        if configuration.is_empty() {
            return Ok(StartStatus::Ok);
        }
        let parsed = match serde_json::from_slice::<Configuration>(&configuration) {
            Ok(parsed) => parsed,
            Err(error) => {
                let expected =
                    if error.is_data() { r#"not {"requiredKeys": ["<key>", …]}"# } else { "not a valid json" };
                let shown = ByteStr::new(&configuration);
                critical!("error parsing plugin configuration: the plugin configuration is {expected}: {shown:?}");
                return Ok(StartStatus::Failed);
            }
        };
        let paths = parsed.required_keys.iter().map(|key| Path::parse(key).map_err(|what| (key, what)));
        match paths.collect() {
            Ok(paths) => self.required_keys = paths,
            Err((key, what)) => {
                let key = ByteStr::new(key.as_bytes());
                critical!(
                    "error parsing plugin configuration: the required key {key:?} asks for {what}, which this filter \
                     does not read: name one value, with a backslash before a character that is part of a name"
                );
                return Ok(StartStatus::Failed);
            }
        }
        Ok(StartStatus::Ok)
    }
}

impl Plugin {
    /// Returns whether a body is JSON with all required keys. Otherwise this logs the problem.
    fn accepts(&self, body: &[u8]) -> bool {
        let shown = ByteStr::new(&body[..body.len().min(SHOWN)]);
        // JSON is UTF-8, and the parser does not check the strings that it skips.
        let text = str::from_utf8(body).ok().filter(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
        let Some(text) = text else {
            error!("body is not a valid json: {shown:?}");
            return false;
        };
        let missing = self.required_keys.iter().find(|key| !key.is_in(text));
        if let Some(key) = missing {
            error!("required key ({key}) is missing: {shown:?}");
        }
        missing.is_none()
    }
}

#[derive(Default)]
struct JsonValidation;

// If the body cannot be read, the filter replies with 500: `FailurePolicy::Closed` is the default.
#[sluicegate::http_filter]
impl HttpFilter for JsonValidation {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if !request.get("content-type")?.is_some_and(|value| is_json(&value)) {
            let response = LocalResponse::new(403).body("content-type must be provided");
            return request.reply(&response).inspect_err(not_sent);
        }
        if request.end_of_stream() {
            error!("a request without a body");
            return request.reply(&invalid()).inspect_err(not_sent);
        }
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_, Plugin>) -> Result<FilterStatus> {
        let whole = body.bytes().inspect_err(not_read)?;
        if !body.plugin().accepts(&whole) {
            return body.reply(&invalid()).inspect_err(not_sent);
        }
        Ok(FilterStatus::Continue)
    }
}

fn not_read(error: &Error) {
    error!("failed to get request body: {error}");
}

fn not_sent(error: &Error) {
    error!("failed to send the 403 response: {error}");
}

fn invalid() -> LocalResponse<'static> {
    LocalResponse::new(403).body("invalid payload")
}

/// Returns whether a `content-type` is that of JSON, with or without parameters. A proxy joins
/// repeats of a header with commas, and those are refused.
fn is_json(value: &[u8]) -> bool {
    let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
    media_type.trim_ascii().eq_ignore_ascii_case(b"application/json") && !value.contains(&b',')
}

sluicegate::plugin!(plugin: Plugin, http: JsonValidation);

#[cfg(test)]
mod tests;
