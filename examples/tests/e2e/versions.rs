//! The older versions of the ABI: the same examples, built for them, in a proxy that still speaks
//! them.

use anyhow::Result;
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;

use super::PATIENCE;

const MAIN: u16 = 18000;

/// Headers, their end, and the plugin's configuration.
#[test]
fn http_headers_speaks_every_version() -> Result<()> {
    for feature in ["abi-0-2-0", "abi-0-1-0"] {
        let proxy = Proxy::for_example_built_with("http_headers", Some(Allocator::Talc), &[feature])?;
        proxy.wait_for_log("header from config: x-wasm-header = demo-wasm", PATIENCE)?;
        let response = proxy.request("GET", MAIN, "/uuid", &[("this-is-key", "this-is-value")], b"")?;
        assert_eq!(response.status, 200, "{feature}");
        assert_eq!(response.header("x-wasm-header"), Some("demo-wasm"), "{feature}");
        proxy.wait_for_log("request header --> this-is-key: this-is-value", PATIENCE)?;
        proxy.wait_for_log("2 finished", PATIENCE)?;
    }
    Ok(())
}

/// Calls, local responses, and a request that is held and resumed.
#[test]
fn http_auth_random_speaks_every_version() -> Result<()> {
    for feature in ["abi-0-2-0", "abi-0-1-0"] {
        let proxy = Proxy::for_example_built_with("http_auth_random", Some(Allocator::Talc), &[feature])?;
        let mut seen = [false; 2];
        for _ in 0..64 {
            match proxy.get(MAIN, "/uuid")?.status {
                200 => seen[0] = true,
                403 => seen[1] = true,
                status => panic!("{feature}: {status}"),
            }
            if seen == [true; 2] {
                break;
            }
        }
        assert_eq!(seen, [true; 2], "{feature}");
    }
    Ok(())
}
