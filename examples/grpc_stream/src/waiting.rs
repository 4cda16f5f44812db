//! Paths that wait for the stream, up to a limit.

use std::collections::VecDeque;

use sluicegate::prelude::*;

/// The greatest number of paths that wait, and of their bytes together.
pub(crate) const PATHS: usize = 1024;
pub(crate) const BYTES: usize = 64 * 1024;

/// The paths that wait, oldest first.
#[derive(Default)]
pub(crate) struct Waiting {
    paths: VecDeque<String>,
    bytes: usize,
    /// The number of paths that found no room since the last one was taken.
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

    /// Takes the oldest path. Logs the number of paths that were dropped.
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
