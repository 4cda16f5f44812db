//! Jobs of reading and editing the headers of a request, to count what each takes in a whole proxy:
//! `benches/header_access.py` does.
//!
//! The job comes as the plugin's configuration, so one module does all of them. Which SDK does them
//! is picked when the module is built: this one; with the feature `incumbent` the crate
//! `proxy-wasm`; with the feature `floor` none.

mod jobs;

#[cfg(all(target_family = "wasm", feature = "floor"))]
mod floor;
#[cfg(all(target_family = "wasm", feature = "incumbent", not(feature = "floor")))]
mod incumbent;
#[cfg(not(all(target_family = "wasm", any(feature = "floor", feature = "incumbent"))))]
mod sluicegate;
