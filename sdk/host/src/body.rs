//! What a proxy holds back of a body, or of a connection's data.

use std::collections::VecDeque;
use std::mem;

use sluicegate::abi::Status;

/// A body, or the data of one direction.
#[derive(Debug, Default)]
pub(crate) struct Body {
    /// What the filter sees: what it holds back, and the newest part.
    pub(crate) held: Vec<u8>,
    /// What the proxy holds back without showing it again.
    pub(crate) kept: Vec<u8>,
    /// What went on.
    pub(crate) sent: Vec<u8>,
    /// Whether the filter resumed it, and so sees nothing of it until the next part comes.
    pub(crate) hidden: bool,
    /// Whether there is a part that the filter sees: none once it has let that go on.
    pub(crate) shows: bool,
    /// Whether the newest part is all that there is and its callback runs: the proxy does not hold
    /// it yet, so resuming does nothing to it.
    pub(crate) passing: bool,
    /// Whether the proxy was told to keep the part before: it joins the next one to what it keeps
    /// before the filter sees both, and the filter can change that until the trailers have gone on.
    pub(crate) keeps: bool,
    /// Whether what the proxy kept has gone on since, so that an empty part joins nothing: what is
    /// written into that one is lost, unless the proxy is told to keep or to resume.
    pub(crate) resumed: bool,
    /// Whether what the filter writes between parts is lost, though the proxy says that all is
    /// well: the proxy dropped the last part, or keeps it without showing it.
    pub(crate) loses: bool,
    /// Whether the filter dropped a part of it.
    pub(crate) dropped: bool,
    /// Whether so much is held back that the proxy reads no more until half of its limit is left.
    pub(crate) full: bool,
    /// What came since, and whether it was the end, in the parts in which it came.
    pub(crate) unread: VecDeque<(Vec<u8>, bool)>,
}

impl Body {
    /// How much the proxy holds back.
    pub(crate) fn len(&self) -> usize {
        self.held.len() + self.kept.len()
    }

    /// Reads no more if more than the limit is held back, and the proxy is to wait then; reads
    /// again when half of it is left.
    pub(crate) fn watch(&mut self, limit: usize, waits: bool) {
        let over = if self.full { limit / 2 } else { limit };
        self.full = self.len() > over && (waits || self.full);
    }

    /// Lets everything go on.
    pub(crate) fn release(&mut self) {
        self.sent.append(&mut self.kept);
        self.sent.append(&mut self.held);
        self.full = false;
    }

    /// Loses what was written where nothing is left.
    pub(crate) fn lose(&mut self) {
        self.held.clear();
        self.kept.clear();
    }

    /// Holds back what the filter saw, which sees it again, and with it what it held back before
    /// without seeing it again.
    pub(crate) fn show(&mut self) {
        self.kept.append(&mut self.held);
        mem::swap(&mut self.kept, &mut self.held);
    }

    /// Holds back what the filter saw, which does not see it again.
    pub(crate) fn keep(&mut self) {
        self.kept.append(&mut self.held);
    }

    /// Envoy's `proxy_set_buffer_bytes`: from the start it replaces, past the end it appends, and
    /// in the middle it refuses.
    pub(crate) fn set(&mut self, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
        if !self.shows && !self.keeps {
            return Err(Status::BadArgument);
        }
        if self.loses {
            return Ok(());
        }
        // What is written where all went on is seen.
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
