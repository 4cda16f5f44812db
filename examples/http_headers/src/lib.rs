//! Reads and edits headers. The filter sets one request header, adds one constant and one
//! configured response header, and logs all headers.
//!
//! The configuration is `{"header": "x-wasm-header", "value": "demo-wasm"}`, or nothing.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

use alloc::vec::Vec;

use core::fmt::Display;

use sluicegate::json;
use sluicegate::prelude::*;

/// The header that the configuration asks for, or empty without a configuration. The texts are
/// bytes, like everything in headers. Logging a `str` with `{}` would link the standard library's
/// padding, which is 2 kB.
#[derive(Default)]
struct Configured {
    header: Vec<u8>,
    value: Vec<u8>,
}

impl Configured {
    /// Parses both fields, without the space around them. Returns `None` if one is missing, no
    /// text, or empty.
    fn parse(configuration: &[u8]) -> Option<Self> {
        let json = json::parse(configuration).ok()?;
        let text = |name| {
            let text = json.get(name)?.to_text()?.to_str().ok()?;
            let trimmed = text.trim_ascii();
            (!trimmed.is_empty()).then(|| Vec::from(trimmed))
        };
        Some(Self { header: text("header")?, value: text("value")? })
    }

    /// Returns both fields in a form for the log.
    fn display(&self) -> (impl Display, impl Display) {
        (ByteStr::new(&self.header).display(), ByteStr::new(&self.value).display())
    }
}

#[derive(Default)]
struct Plugin {
    configured: Configured,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_configure(&mut self, plugin: &mut PluginHandle<'_>) -> Result<StartStatus> {
        debug!("loading plugin config");
        let configuration = plugin.configuration()?;
        if configuration.is_empty() {
            return Ok(StartStatus::Ok);
        }
        let Some(configured) = Configured::parse(&configuration) else {
            critical!(
                r#"invalid configuration format; expected {{"header": "<header name>", "value": "<header value>"}}"#
            );
            return Ok(StartStatus::Failed);
        };
        self.configured = configured;
        let (header, value) = self.configured.display();
        info!("header from config: {header} = {value}");
        Ok(StartStatus::Ok)
    }
}

#[derive(Default)]
struct HttpHeaders;

#[sluicegate::http_filter]
impl HttpFilter for HttpHeaders {
    type Plugin = Plugin;

    // A failure is logged and changes nothing. No client is turned away because a header could not
    // be set.
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        if request.replace("test", "best").is_err() {
            critical!("failed to set request header: test");
        }
        match request.snapshot() {
            Ok(headers) => {
                for (name, value) in headers {
                    info!("request header --> {}: {}", name.display(), value.display());
                }
            }
            Err(error) => critical!("failed to get request headers: {error}"),
        }
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_, Plugin>) -> Result<Action> {
        let configured = &response.plugin().configured;
        let (header, value) = configured.display();
        info!("adding header: {header}={value}");
        if let Err(error) = response.add("x-sluicegate-example", "http_headers") {
            critical!("failed to set response constant header: {error}");
        }
        if !configured.header.is_empty()
            && let Err(error) = response.add(&configured.header, &configured.value)
        {
            critical!("failed to set response headers: {error}");
        }
        match response.snapshot() {
            Ok(headers) => {
                for (name, value) in headers {
                    info!("response header <-- {}: {}", name.display(), value.display());
                }
            }
            Err(error) => critical!("failed to get response headers: {error}"),
        }
        Ok(Action::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        info!("{} finished", stream.id());
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: HttpHeaders);
#[cfg(not(feature = "std"))]
sluicegate::panic_handler!();

#[cfg(test)]
mod tests;
