//! Runs Proxy-Wasm filters in a real Envoy: fetches Envoy, builds a guest, starts Envoy with it,
//! sends requests, and measures.
//!
//! The commands and the end-to-end tests use this library. Begin with [`Proxy`]:
//! [`Proxy::for_example`] does every step up to an Envoy that serves.
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
pub mod flame;
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
