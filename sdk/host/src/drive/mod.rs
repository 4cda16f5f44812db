//! Drives a module: the running proxy, and what a test sends through it.
//!
//! | files | contents |
//! |---|---|
//! | `running` | the running proxy: the path that every callback takes |
//! | `controls`, `proxy` | the controls of a test: the log, costs and faults; metrics, data, queues and properties |
//! | `filter`, `flow` | the callbacks of a filter, and the path of a message through the filter |
//! | `stream`, `tcp`, `access_log`, `plugin` | an HTTP stream, a connection, an entry of an access log, a plugin |
//! | `answers`, `time` | responses to calls, and the time that passes |
//! | `deferred` | the requests of a guest that take effect when the guest has returned |

pub(crate) mod access_log;
mod answers;
mod controls;
mod deferred;
mod filter;
pub(crate) mod flow;
pub(crate) mod plugin;
mod proxy;
pub(crate) mod running;
pub(crate) mod stream;
pub(crate) mod tcp;
mod time;
