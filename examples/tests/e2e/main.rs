//! Every example in a real Envoy, under each allocator: what a client sees, and what the proxy's
//! log says.
//!
//! The name of a test begins with its example's: `cargo compat` tells them by it.

/// Declares the end-to-end test of an example, which has the example's name.
///
/// The body runs once with each allocator. `proxy` is an Envoy with the example's configuration and
/// the example's modules. The second parameter, which may be left out, is the allocator.
macro_rules! example {
    ($name:ident, |$proxy:ident| $body:block) => {
        example!($name, |$proxy, _allocator| $body);
    };
    ($name:ident, |$proxy:ident, $allocator:ident| $body:block) => {
        #[test]
        pub(crate) fn $name() -> anyhow::Result<()> {
            crate::with_each_allocator(|$allocator| {
                let $proxy = sluicegate_envoy::Proxy::for_example(stringify!($name), $allocator)?;
                $body
            })
        }
    };
}

mod bodies;
mod callouts;
mod configurations;
mod ends;
mod lines;
mod memory;
mod modules;
mod network;
mod only;
mod originals;
mod routing;
mod sharing;
mod ticks;
mod versions;
mod wakes;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use sluicegate_envoy::Proxy;
use sluicegate_workspace::Allocator;
use sluicegate_workspace::allocator::ONLY_ALLOCATOR;

use lines::{texts, wait_for_lines};

/// The tests of the examples by name, whatever file they stand in.
mod of_example {
    pub(crate) use super::bodies::*;
    pub(crate) use super::callouts::*;
    pub(crate) use super::configurations::*;
    pub(crate) use super::memory::*;
    pub(crate) use super::network::*;
    pub(crate) use super::only::*;
    pub(crate) use super::routing::*;
    pub(crate) use super::sharing::*;
    pub(crate) use super::ticks::*;
    pub(crate) use super::{helloworld, http_headers};
}

/// The end-to-end test of an example.
type Test = fn() -> Result<()>;

// `EXAMPLES`: the test of each folder of `examples/`. An example without a test does not compile.
include!(concat!(env!("OUT_DIR"), "/examples.rs"));

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a test with each allocator, and with the one that the standard library brings; or with the
/// one that a variable names.
fn with_each_allocator(test: impl Fn(Option<Allocator>) -> Result<()>) -> Result<()> {
    if let Ok(only) = std::env::var(ONLY_ALLOCATOR) {
        return test(Some(only.parse()?)).with_context(|| format!("with the allocator {only}"));
    }
    for allocator in Allocator::ALL.iter().copied().map(Some).chain([None]) {
        test(allocator).with_context(|| format!("with the allocator {allocator:?}"))?;
    }
    Ok(())
}

/// The picked allocator is named at the plugin's start; without one nothing is.
fn names_its_allocator(proxy: &Proxy, allocator: Option<Allocator>) -> Result<()> {
    match allocator {
        Some(allocator) => proxy.wait_for_log(&format!("sluicegate: allocator {allocator}"), PATIENCE),
        None => {
            assert!(!proxy.log().contains("sluicegate: allocator"), "no feature picked one");
            Ok(())
        }
    }
}

example!(helloworld, |proxy, allocator| {
    let (start, begin) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos());
    wait_for_lines(&proxy, "info", &["OnPluginStart from Rust!", "OnTick called"])?;
    let (time, random) = time_and_random(&texts(&proxy, "info"))?;
    // The clocks of the test and of the proxy are one, and the tick came since the test began
    // or right before.
    let second = Duration::from_secs(1).as_nanos();
    let passed = begin.saturating_sub(second)..=begin + start.elapsed().as_nanos() + second;
    assert!(passed.contains(&time), "{time} is not in {passed:?}");
    assert_ne!(random, 0);
    names_its_allocator(&proxy, allocator)?;
    let response = proxy.get(18000, "/")?;
    assert_eq!((response.status, &*response.text()), (200, "example body\n"), "requests pass");
    Ok(())
});

#[test]
fn each_example_is_known_to_the_commands() -> Result<()> {
    let names: Vec<_> = EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, sluicegate_workspace::examples()?);
    Ok(())
}

/// The two numbers of the first line that a tick writes.
fn time_and_random(lines: &[String]) -> Result<(u128, u64)> {
    let numbers = lines.iter().find_map(|line| line.strip_prefix("It's ")?.split_once(": random value: "));
    let (time, random) = numbers.context("no line with the time")?;
    Ok((time.parse()?, random.parse()?))
}

example!(http_headers, |proxy, allocator| {
    names_its_allocator(&proxy, allocator)?;
    wait_for_lines(&proxy, "debug", &["loading plugin config"])?;
    let response = proxy.request("GET", 18000, "/uuid", &[("this-is-key", "this-is-value")], b"")?;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-sluicegate-example"), Some("http_headers"));
    assert_eq!(response.header("x-wasm-header"), Some("demo-wasm"));
    let lines = [
        "header from config: x-wasm-header = demo-wasm",
        "request header --> this-is-key: this-is-value",
        "request header --> test: best",
        "request header --> :path: /uuid",
        "adding header: x-wasm-header=demo-wasm",
        "response header <-- :status: 200",
        "response header <-- server: envoy",
        "response header <-- x-sluicegate-example: http_headers",
        "response header <-- x-wasm-header: demo-wasm",
        "2 finished",
    ];
    wait_for_lines(&proxy, "info", &lines)
});

/// A header that the client sends is replaced, repeats and all, and bytes that are not text pass.
#[test]
fn http_headers_keeps_what_it_does_not_set() -> Result<()> {
    let proxy = Proxy::for_example("http_headers", Some(Allocator::Talc))?;
    let headers = [("test", "first"), ("Test", "second"), ("x-repeated", "1"), ("x-repeated", "2")];
    assert_eq!(proxy.request("GET", 18000, "/", &headers, b"")?.status, 200);
    wait_for_lines(&proxy, "info", &["2 finished"])?;
    let lines = texts(&proxy, "info");
    for (name, values) in [("test", &["best"][..]), ("x-repeated", &["1", "2"])] {
        let name = format!("request header --> {name}: ");
        let logged: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix(&*name)).collect();
        assert_eq!(logged, values, "{lines:?}");
    }
    Ok(())
}
