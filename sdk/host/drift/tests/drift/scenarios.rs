//! The scenarios.

use crate::Step::*;
use crate::{Pairs, Scenario, Setup};

const GET: Pairs = &[(":path", "/a?b=c"), ("X-Mixed", "Value"), ("x-repeated", "1"), ("x-repeated", "2")];
const POST: Pairs = &[(":method", "POST"), ("content-length", "5")];
const CHUNKED: Pairs = &[(":method", "POST"), ("transfer-encoding", "chunked")];
const EMPTY: Pairs = &[(":status", "200"), ("content-length", "0")];
const OK: Pairs = &[(":status", "200"), ("content-length", "4")];
const STREAMED: Pairs = &[(":status", "200"), ("transfer-encoding", "chunked")];
const TRAILERS: Pairs = &[("x-trailer", "1"), ("x-trailer", "2")];
const HEAD: Pairs = &[(":method", "HEAD")];
const GRPC: Pairs = &[(":method", "POST"), ("content-type", "application/grpc"), ("transfer-encoding", "chunked")];
const REPEATS: Pairs = &[
    ("via", "1"),
    ("via", "2"),
    ("cookie", "a"),
    ("cookie", "b"),
    ("accept", "1"),
    ("accept", "2"),
    ("x-custom", "1"),
    ("x-custom", "2"),
];
const REPEATS_BACK: Pairs = &[
    (":status", "200"),
    ("content-length", "0"),
    ("via", "1"),
    ("via", "2"),
    ("set-cookie", "a"),
    ("set-cookie", "b"),
    ("vary", "1"),
    ("vary", "2"),
];
const NONE: Pairs = &[];

/// More than half of what a proxy with a [`LIMIT`] holds back.
const PART: &str = "0123456789012345678901234567890123456789";
/// More than all of it.
const LARGE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789";
const LIMIT: Setup = Setup { limit: Some(64), ..Setup::DEFAULT };
const OPEN: Setup = Setup { failure: "FAIL_OPEN", ..Setup::DEFAULT };
const SHOWN: Setup = Setup { shows_body: true, ..Setup::DEFAULT };
const RELOAD: Setup = Setup { failure: "FAIL_RELOAD", ..Setup::DEFAULT };

macro_rules! scenarios {
    (@setup) => { Setup::DEFAULT };
    (@setup $setup:ident) => { $setup };
    ($($name:ident $(with $setup:ident)?: $script:literal, [$($step:expr),* $(,)?];)*) => {
        pub(crate) const ALL: &[Scenario] = &[$(
            Scenario { name: stringify!($name), setup: scenarios!(@setup $($setup)?),
                script: $script, steps: &[$($step),*] }
        ),*];
    };
}

mod bodies;
mod calls;
pub(crate) mod grpc;
pub(crate) mod harm;
mod limits;
mod messages;
mod older;
mod plugins;
mod repeats;
mod replies;
mod services;
mod tcp;
mod traps;
mod wire;

/// Returns those that are made when the test runs: each again in the older versions of the ABI, and
/// those of many names.
pub(crate) fn made() -> Vec<&'static Scenario> {
    let names = &*Box::leak(Box::new(grpc::names()));
    older::again().iter().chain([names]).collect()
}

/// Returns all scenarios.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    let basic =
        [messages::ALL, replies::ALL, calls::ALL, tcp::ALL, limits::ALL, traps::ALL, repeats::ALL, services::ALL];
    basic.into_iter().chain([bodies::ALL, wire::ALL, grpc::ALL, plugins::ALL, older::ALL]).flatten()
}
