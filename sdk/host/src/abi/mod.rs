//! The host functions, as a guest calls them.
//!
//! | files | contents |
//! |---|---|
//! | `arguments`, `guest` | the guest's memory, which each backend provides, and the host as the guest sees it |
//! | `imports` | each host function: takes the arguments, does the work, hands over the result |
//! | `streams`, `maps`, `services`, `calls`, `property`, `foreign` | the work of the host functions on the state |
//! | `grpc_service`, `zlib` | the formats that host functions read and write |

pub(crate) mod arguments;
mod calls;
mod foreign;
mod grpc_service;
pub(crate) mod guest;
mod imports;
mod maps;
mod property;
mod services;
mod streams;
mod zlib;
