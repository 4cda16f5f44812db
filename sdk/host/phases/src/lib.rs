//! The phase matrix: every host call in every callback, for each thing that a stream can hold, made
//! in real Envoys.
//!
//! A *cell* is one [`Call`] in one [`Moment`]: a callback, reached with a stream that holds
//! something. The filter of a cell is the raw tracer of `sluicegate-drift`, so no SDK stands
//! between the cell and Envoy. [`run`] plays the cells, [`judge`] compares what the peers received
//! with the same traffic without the call, and [`table`] keeps the outcomes in files.
//!
//! The load of the machine changes no outcome. After each move of a peer a cell waits until Envoy's
//! worker has nothing more to do, as the kernel shows it, and not for a time. An outcome that is
//! not that of the table counts only when it came twice.
//!
//! | module | holds |
//! |---|---|
//! | [`call`] | the host calls, and the effect that each should have |
//! | [`moment`] | the callbacks and what the stream holds in them: scripts and traffic |
//! | [`peers`] | the client, the upstream and the called service, as raw sockets |
//! | [`config`] | the configuration of an Envoy with a listener for each cell |
//! | [`run`] | batches of cells in an Envoy, and cells that end it in an Envoy of their own |
//! | `http2`, `hpack` | HTTP/2 for peers that send and receive metadata |
//! | [`wire`] | the bytes of HTTP/1.1 that the peers received |
//! | [`judge`] | the outcome of a cell |
//! | [`settle`] | which outcome counts when a cell is played more than once |
//! | [`play`] | the cells of some moments, up to their outcomes |
//! | [`table`] | the outcomes as a file and as tables of Markdown |
#![forbid(unsafe_code)]

pub mod call;
pub mod config;
mod hpack;
mod http2;
pub mod judge;
pub mod moment;
pub mod peers;
pub mod play;
pub mod run;
pub mod settle;
pub mod table;
pub mod wire;

pub use call::{CALLS, Call};
pub use judge::Outcome;
pub use moment::{MOMENTS, Moment};
