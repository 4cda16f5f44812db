//! Proxy-Wasm filters in a real Envoy: provision it, build a guest, start it, talk to it, measure
//! it.
//!
//! The commands and the end-to-end tests stand on this library. [`Proxy`] is where to begin:
//! [`Proxy::for_example`] does everything from nothing to a serving Envoy.
//!
//! | module | gives |
//! |---|---|
//! | [`envoy`] | an Envoy binary: found, or fetched |
//! | [`guest`], [`allocator`], [`workspace`] | a built module |
//! | [`config`] | an Envoy configuration on free ports, with that module |
//! | [`proxy`], [`http`], [`log`], [`children`] | a running Envoy, requests to it, what it says, its end |
//! | [`usage`] | its CPU time and memory, the linear memory of its VMs |
//! | [`load`], [`exhaust`], [`serve`], [`compat`], [`image`], [`progress`] | the commands |
#![forbid(unsafe_code)]

pub mod allocator;
pub mod children;
pub mod compat;
pub mod config;
pub mod envoy;
pub mod exhaust;
pub mod guest;
pub mod http;
pub mod image;
pub mod load;
pub mod log;
pub mod progress;
pub mod proxy;
pub mod serve;
pub mod usage;
pub mod workspace;

pub use allocator::Allocator;
pub use config::Config;
pub use envoy::Envoy;
pub use http::Response;
pub use proxy::{Options, Proxy};
