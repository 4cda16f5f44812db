//! Jobs that read and edit the headers of a request. `benches/header_access.py` counts the
//! instructions of each job in a whole proxy.
//!
//! The plugin's configuration names the job, so one module does all of them. The features of the
//! module choose the SDK: this one by default, the crate `proxy-wasm` with the feature `incumbent`,
//! and none with the feature `floor`.

mod jobs;

#[cfg(all(target_family = "wasm", feature = "floor"))]
mod floor;
#[cfg(all(target_family = "wasm", feature = "incumbent", not(feature = "floor")))]
mod incumbent;
#[cfg(not(all(target_family = "wasm", any(feature = "floor", feature = "incumbent"))))]
mod sluicegate;
