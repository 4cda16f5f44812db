//! The compared variants: an Envoy without a filter, and filters that all do one job.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use sluicegate_envoy::{Proxy, http};
use sluicegate_workspace::{Allocator, guest};

/// The port of the listener in the configuration.
pub(super) const PORT: u16 = 18000;
/// The path whose response tells what the filter set in the request.
const CHECK: &str = "/check";
/// The number of headers that the filter sees: ours, `:authority`, `:path`, `:method` and
/// `:scheme`, and two that Envoy adds.
pub(super) const HEADERS_SEEN: usize = HEADERS.len() + 6;
/// The headers that the client sends beside `host`, like those of a browser and a mesh.
pub(super) const HEADERS: [(&str, &str); 19] = [
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0"),
    ("accept", "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8,fr;q=0.7"),
    (
        "authorization",
        "Bearer c2x1aWNlZ2F0ZS1sb2FkLXRlc3QtdG9rZW4tMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OQ",
    ),
    ("cache-control", "no-cache, max-age=0"),
    ("cookie", "session=0123456789abcdef0123456789abcdef; theme=dark; consent=1"),
    ("if-none-match", "W/\"5f3a-0123456789abcdef\""),
    ("origin", "https://shop.example.com"),
    ("referer", "https://shop.example.com/catalogue/lamps?page=3&sort=price"),
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    ("sec-ch-ua-platform", "\"Linux x86_64\""),
    ("sec-fetch-mode", "same-origin-cors"),
    ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ("tracestate", "vendor=t61rcWkgMzE,other=00f067aa0ba902b7"),
    ("x-api-version", "2025-01-01.preview"),
    ("x-client-id", "mobile-8d3f1c52-6c1b-4f0e-9f57-2f1d6c0b7a11"),
    ("x-correlation-id", "3c9e1d4a-77b2-4a0e-8b1f-d2c4f6a8e0b1"),
    ("x-tenant", "tenant-000042-eu-central"),
];
/// The headers that Envoy adds before the filters: their names, and the lengths of their values.
const ADDED_BY_ENVOY: [(&str, usize); 2] = [("x-forwarded-proto", "http".len()), ("x-request-id", 36)];

/// One of the compared variants.
pub(super) struct Variant {
    name: String,
    guest: Option<(&'static str, Option<Allocator>)>,
}

/// Returns all variants, or those with these names and the two with which the others are compared.
pub(super) fn chosen(names: &[String]) -> Result<Vec<Variant>> {
    let all = all();
    if let Some(unknown) = names.iter().find(|name| all.iter().all(|variant| variant.name != **name)) {
        let known: Vec<_> = all.iter().map(Variant::name).collect();
        bail!("there is no variant `{unknown}`; there are: {}", known.join(", "));
    }
    let always = ["filterless", "by-hand"];
    let wanted = |variant: &Variant| always.contains(&variant.name()) || names.contains(&variant.name);
    Ok(all.into_iter().filter(|variant| names.is_empty() || wanted(variant)).collect())
}

fn all() -> Vec<Variant> {
    let variant = |name: &str, guest| Variant { name: name.to_owned(), guest };
    let fixed = [
        variant("filterless", None),
        variant("by-hand", Some(("guest-floor", None))),
        variant("proxy-wasm", Some(("guest-incumbent", None))),
    ];
    let ours = Allocator::ALL
        .iter()
        .map(|&allocator| variant(&format!("sluicegate-{allocator}"), Some(("guest-sluicegate", Some(allocator)))));
    fixed.into_iter().chain(ours).collect()
}

impl Variant {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn has_filter(&self) -> bool {
        self.guest.is_some()
    }

    /// Builds the variant's module, if it has one.
    pub(super) fn build(&self) -> Result<Option<PathBuf>> {
        self.guest.map(|(package, allocator)| guest::build(package, allocator)).transpose()
    }

    /// Checks that the filter reads all headers, sums their lengths correctly, and sets both of its
    /// headers.
    pub(super) fn check(&self, proxy: &Proxy) -> Result<()> {
        let url = proxy.url(PORT, CHECK);
        let headers: Vec<_> = HEADERS.to_vec();
        let response = http::send("GET", &url, &headers, b"")?;
        ensure!(response.status == 200, "the response to the check has status {}", response.status);
        let told = response.header("x-total-bytes").map(str::parse::<usize>).transpose();
        let told = told.context("x-total-bytes is not a number")?;
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let expected = self.has_filter().then(|| total_bytes(authority));
        ensure!(told == expected, "the filter counted {told:?} bytes of headers, where {expected:?} are right");
        let marked = response.header("x-filter") == Some("1");
        ensure!(marked == self.has_filter(), "the response header of the filter: {:?}", response.header("x-filter"));
        Ok(())
    }
}

/// Returns the sum of the lengths of all names and values that the filter sees in the request of
/// the check.
fn total_bytes(authority: &str) -> usize {
    let pseudo = [(":authority", authority), (":path", CHECK), (":method", "GET"), (":scheme", "http")];
    let sent = HEADERS.iter().chain(&pseudo).map(|(name, value)| name.len() + value.len());
    let added = ADDED_BY_ENVOY.iter().map(|(name, value)| name.len() + value);
    sent.chain(added).sum()
}

/// Returns the configuration of a listener that responds itself, behind the module's filter if
/// there is one.
pub(super) fn envoy_config(module: Option<&Path>) -> Value {
    let typed = |of: &str| format!("type.googleapis.com/envoy.extensions.filters.{of}");
    let wasm = module.map(|module| {
        let code = json!({ "local": { "filename": module } });
        let vm = json!({ "runtime": "envoy.wasm.runtime.v8", "code": code });
        json!({
            "name": "wasm",
            "typed_config": { "@type": typed("http.wasm.v3.Wasm"), "config": { "name": "job", "vm_config": vm } },
        })
    });
    let router = json!({ "name": "router", "typed_config": { "@type": typed("http.router.v3.Router") } });
    let answer = json!({ "status": 200, "body": { "inline_string": "ok\n" } });
    let tell = json!([{ "header": { "key": "x-total-bytes", "value": "%REQ(x-total-bytes)%" } }]);
    let routes = json!([
        { "match": { "path": CHECK }, "direct_response": answer, "response_headers_to_add": tell },
        { "match": { "prefix": "/" }, "direct_response": answer },
    ]);
    let manager = json!({
        "@type": typed("network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "load",
        "route_config": { "virtual_hosts": [{ "name": "all", "domains": ["*"], "routes": routes }] },
        "http_filters": wasm.into_iter().chain([router]).collect::<Vec<_>>(),
    });
    json!({
        "static_resources": {
            "listeners": [{
                "name": "load",
                "address": { "socket_address": { "address": "127.0.0.1", "port_value": PORT } },
                "filter_chains": [{ "filters": [{ "name": "manager", "typed_config": manager }] }],
            }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_variant_for_each_allocator() {
        let names: Vec<_> = chosen(&[]).unwrap().into_iter().map(|variant| variant.name).collect();
        assert_eq!(names[..3], ["filterless", "by-hand", "proxy-wasm"]);
        assert_eq!(names.len(), 3 + Allocator::ALL.len());
        assert!(names.contains(&"sluicegate-talc".to_owned()));
    }

    #[test]
    fn a_choice_keeps_what_the_rest_is_compared_with() {
        let names: Vec<_> = chosen(&["proxy-wasm".into()]).unwrap().into_iter().map(|variant| variant.name).collect();
        assert_eq!(names, ["filterless", "by-hand", "proxy-wasm"]);
        assert!(chosen(&["nonesuch".into()]).is_err_and(|error| error.to_string().contains("there are: filterless")));
    }

    #[test]
    fn the_filter_sees_25_headers_of_ordinary_length() {
        assert_eq!(HEADERS_SEEN, 25);
        for (name, value) in HEADERS {
            assert!((12..=100).contains(&value.len()), "{name} has {}", value.len());
        }
    }
}
