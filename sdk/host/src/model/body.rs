//! Bodies and connections' data that a proxy holds back.

use std::collections::VecDeque;
use std::mem;

use sluicegate::abi::Status;

/// A body, or one direction of a connection's data.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// The bytes that the filter sees: those that it holds back, and the newest part.
    pub(crate) held: Vec<u8>,
    /// The bytes that the proxy holds back without showing them again.
    pub(crate) kept: Vec<u8>,
    /// The bytes that went on.
    pub(crate) sent: Vec<u8>,
    /// True after the filter resumed the body: the filter sees nothing until the next part comes.
    pub(crate) hidden: bool,
    /// True while there is a part that the filter sees. False once the filter let it go on.
    pub(crate) shows: bool,
    /// True while the callback runs for a part that is all that there is. The proxy does not hold
    /// the part yet, so a resume does not affect it.
    pub(crate) passing: bool,
    /// True if the proxy was told to keep the part before. The proxy then joins the next part to
    /// what it keeps before the filter sees both. The filter can change those bytes until the
    /// trailers have gone on.
    pub(crate) keeps: bool,
    /// True if what the proxy kept has gone on since, so that an empty part joins nothing. What is
    /// written into that part is lost, unless the proxy is told to keep or to resume.
    pub(crate) resumed: bool,
    /// True if what the filter writes between parts is lost, though the host call returns OK. That
    /// is so if the proxy dropped the last part, or keeps it without showing it.
    pub(crate) loses: bool,
    /// True if the filter dropped a part of the body.
    pub(crate) dropped: bool,
    /// True if the proxy holds back too much, and reads no more until half of its limit is left.
    pub(crate) full: bool,
    /// True if the proxy read no more before the filter saw the first part: more than the limit
    /// waited for the headers. The proxy does not refuse the body for that, and does not read on
    /// if it keeps the part.
    pub(crate) late: bool,
    /// The parts that came while the proxy read no more, each with whether it was the last.
    pub(crate) unread: VecDeque<(Vec<u8>, bool)>,
}

impl Body {
    /// Returns the number of bytes that the proxy holds back.
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.kept.len()
    }

    /// Stops reading if the proxy holds back more than the limit and `waits` is set. Reads again
    /// when half of the limit is left.
    pub(crate) fn watch(&mut self, limit: usize, waits: bool) {
        let over = if self.full { limit / 2 } else { limit };
        self.full = self.len() > over && (waits || self.full || self.late);
        self.late &= self.full;
    }

    /// Lets everything that is held back go on.
    pub(crate) fn release(&mut self) {
        self.sent.append(&mut self.kept);
        self.sent.append(&mut self.held);
        (self.full, self.late) = (false, false);
    }

    /// Loses everything that is held back.
    pub(crate) fn lose(&mut self) {
        self.held.clear();
        self.kept.clear();
    }

    /// Holds back what the filter saw, to show it again. The bytes that the filter held back before
    /// without seeing them again are shown with it.
    pub(crate) fn show(&mut self) {
        self.kept.append(&mut self.held);
        mem::swap(&mut self.kept, &mut self.held);
    }

    /// Holds back what the filter saw, without showing it again.
    pub(crate) fn keep(&mut self) {
        self.kept.append(&mut self.held);
    }

    /// Writes into the bytes that the filter sees, as Envoy's `proxy_set_buffer_bytes` does. From
    /// the start it replaces bytes, and past the end it appends.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] if `start` is in the middle, or if there is nothing to
    /// write to.
    pub(crate) fn set(&mut self, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
        if !self.shows && !self.keeps {
            return Err(Status::BadArgument);
        }
        if self.loses {
            return Ok(());
        }
        // Bytes written where everything went on are visible.
        self.hidden &= !self.held.is_empty();
        if start == 0 {
            let size = size.min(self.held.len());
            self.held.splice(..size, bytes.iter().copied());
            Ok(())
        } else if start >= self.held.len() {
            self.held.extend(bytes);
            Ok(())
        } else {
            Err(Status::BadArgument)
        }
    }
}
