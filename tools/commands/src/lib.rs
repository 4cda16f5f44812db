//! The commands of this repository: `serve` an example, test the examples on versions of Envoy with
//! `compat`, write an `image` for a registry, draw a heap profile with `flame`.
#![forbid(unsafe_code)]

pub mod compat;
pub mod flame;
pub mod image;
pub mod serve;
