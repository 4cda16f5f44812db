//! The progress of one direction of a stream.

use crate::model::direction::Part;
use crate::model::map::Map;

/// The progress of one direction.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// True once the headers came to the filter.
    pub(crate) begun: bool,
    /// True once the headers went on from the filter.
    pub(crate) gone: bool,
    /// The part that the filter holds.
    pub(crate) stopped: Option<Part>,
    /// True once the proxy has checked the headers that went on. `refused` is true if the proxy
    /// does not send them.
    pub(crate) checked: bool,
    pub(crate) refused: bool,
    /// True once the trailers went on.
    pub(crate) ended_by_trailers: bool,
    /// True if the proxy keeps the last part of the body, even an empty one.
    pub(crate) keeps_end: bool,
    /// True while everything after the headers waits for the headers.
    pub(crate) held: bool,
    /// True if the proxy replies when too much waits for the headers. Otherwise the proxy reads no
    /// more.
    pub(crate) refuses: bool,
    /// The number of bytes of the body that came from the peer. `ended` is true once the message
    /// ended.
    pub(crate) came: usize,
    pub(crate) ended: bool,
    /// The parts that came since and that the filter has not seen: the body with whether it ended,
    /// and the trailers.
    pub(crate) waiting: Option<(Vec<u8>, bool)>,
    pub(crate) waiting_trailers: Option<Map>,
    /// True while the filter gets, within a resume of the headers, the parts that waited for them.
    pub(crate) late: bool,
    /// True if the kept part of the body is lost.
    pub(crate) loses: bool,
    /// The number of times the waiting parts were shown again.
    pub(crate) shown_again: u32,
}
