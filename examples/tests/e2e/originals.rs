//! The promise that a module takes the place of the Go SDK's under the same configuration of the
//! proxy: the form in which that has it.

use anyhow::{Result, ensure};
use serde_json::{Map, Value, json};
use sluicegate_envoy::proxy::example;
use sluicegate_envoy::{Envoy, Options, Proxy};
use sluicegate_workspace::Allocator;

const MAIN: u16 = 18000;
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The originals name the filter's message in a wrapper, which has its fields untyped.
fn wrap(typed: &mut Map<String, Value>) {
    if typed["typed_config"]["@type"] == WASM {
        let config = typed["typed_config"]["config"].take();
        typed["typed_config"] = json!({
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": WASM,
            "value": { "config": config },
        });
    }
}

fn start(name: &str) -> Result<Proxy> {
    let config = example(name, Some(Allocator::Talc))?.with_each("typed_config", wrap);
    let proxy = Proxy::start(&Envoy::provision()?, &config, &Options::default())?;
    ensure!(proxy.admin("/config_dump")?.contains("udpa.type.v1.TypedStruct"), "nothing was wrapped");
    Ok(proxy)
}

#[test]
fn http_headers_takes_the_form_of_the_original() -> Result<()> {
    let proxy = start("http_headers")?;
    assert_eq!(proxy.get(MAIN, "/")?.header("x-wasm-header"), Some("demo-wasm"));
    Ok(())
}

#[test]
fn http_body_takes_the_form_of_the_original() -> Result<()> {
    let proxy = start("http_body")?;
    for side in ["request", "response"] {
        let headers = [("buffer-replace-at", side), ("buffer-operation", "append")];
        let response = proxy.request("PUT", MAIN, "/anything", &headers, b"[original body]")?;
        assert_eq!(response.text(), "[original body][this is appended body]", "{side}");
    }
    Ok(())
}

#[test]
fn json_validation_takes_the_form_of_the_original() -> Result<()> {
    let proxy = start("json_validation")?;
    for (body, status) in [(&br#"{"id": 1, "token": "t"}"#[..], 200), (br#"{"id": 1}"#, 403)] {
        let response = proxy.request("POST", MAIN, "/", &[("content-type", "application/json")], body)?;
        assert_eq!(response.status, status);
    }
    Ok(())
}
