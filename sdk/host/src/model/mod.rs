//! The state of a simulated proxy, and the rules by which it treats a message.
//!
//! | files | contents |
//! |---|---|
//! | `state`, `proxy`, `plugin`, `stream` | the state of a VM, of the proxy that its VMs share, of a plugin, and of a stream |
//! | `direction`, `flow`, `body`, `map`, `reply` | a stream's directions with their progress, bodies, headers and local replies |
//! | `call`, `metric`, `shared`, `property`, `functions` | pending calls, metrics, shared data and queues, properties, foreign functions |
//! | `act`, `phases` | the calls of a guest on a stream, and the table of what they do in real Envoys |
//! | `valid` | the checks of a message that leaves the proxy |
//! | `faults`, `cost`, `version` | planned faults, counts of cost, versions of the ABI |

pub(crate) mod act;
pub(crate) mod body;
pub(crate) mod call;
pub(crate) mod cost;
pub(crate) mod direction;
pub(crate) mod faults;
pub(crate) mod flow;
pub(crate) mod functions;
pub(crate) mod map;
pub(crate) mod metric;
pub(crate) mod phases;
pub(crate) mod plugin;
pub(crate) mod property;
pub(crate) mod proxy;
pub(crate) mod reply;
pub(crate) mod shared;
pub(crate) mod state;
pub(crate) mod stream;
pub(crate) mod valid;
pub(crate) mod version;
