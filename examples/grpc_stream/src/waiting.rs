//! Paths that wait for the stream, up to a limit.

use std::collections::VecDeque;

use sluicegate::prelude::*;

/// How many paths wait at most, and how many bytes they have together.
pub(crate) const PATHS: usize = 1024;
pub(crate) const BYTES: usize = 64 * 1024;

/// Oldest first.
#[derive(Default)]
pub(crate) struct Waiting {
    paths: VecDeque<String>,
    bytes: usize,
    /// How many found no room since the last one was taken.
    dropped: usize,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Adds a path, or drops it if there is no room.
    pub(crate) fn add(&mut self, path: &str) {
        if self.paths.len() == PATHS || path.len() > BYTES - self.bytes {
            self.dropped += 1;
            return;
        }
        self.bytes += path.len();
        self.paths.push_back(path.to_owned());
    }

    /// Takes the oldest path, and tells how many were dropped.
    pub(crate) fn take(&mut self) -> Option<String> {
        if self.dropped > 0 {
            warn!("no room for {} paths", self.dropped);
            self.dropped = 0;
        }
        let path = self.paths.pop_front()?;
        self.bytes -= path.len();
        Some(path)
    }

    /// Drops the oldest paths.
    pub(crate) fn skip(&mut self, paths: usize) {
        for _ in 0..paths.min(self.paths.len()) {
            self.take();
        }
    }
}
