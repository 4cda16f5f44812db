//! Starts a real Envoy: finds or fetches it, gives it a configuration on free ports, sends requests
//! to it, reads its log and its counters, and ends it in every case.
//!
//! Begin with [`Proxy`]: [`Proxy::for_example`] does every step up to an Envoy that serves.
//!
//! | module | contents |
//! |---|---|
//! | [`binary`] | an Envoy binary: found, or fetched |
//! | [`config`] | an Envoy configuration on free ports, with the modules that were just built |
//! | [`proxy`], [`http`], [`log`] | a running Envoy, requests to it, and its log |
//! | [`usage`] | the CPU time and memory of a process, and the linear memory of its VMs |
#![forbid(unsafe_code)]

pub mod binary;
pub mod config;
pub mod http;
pub mod log;
pub mod proxy;
pub mod usage;

pub use binary::Envoy;
pub use config::Config;
pub use http::Response;
pub use proxy::{Options, Proxy};
