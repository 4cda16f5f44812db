//! An end of a connection, and what came over it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::Result;

use crate::http2::Http2;

/// An end of a connection, which sends and keeps HTTP/1.1 or bytes, and may speak HTTP/2.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) stream: UnixStream,
    pub(super) bytes: Vec<u8>,
    /// Returns the number of bytes that came, in any protocol.
    pub(super) count: usize,
    /// `true` if nothing more comes.
    pub(super) ended: bool,
    http2: Option<Http2>,
}

impl Side {
    pub(super) fn new(stream: UnixStream) -> Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, bytes: Vec::new(), count: 0, ended: false, http2: None })
    }

    /// A client that speaks HTTP/2.
    pub(super) fn client(stream: UnixStream) -> Result<Self> {
        Self::begun(stream, Http2::new(true))
    }

    /// A server that speaks HTTP/2.
    pub(super) fn server(stream: UnixStream) -> Result<Self> {
        Self::begun(stream, Http2::new(false))
    }

    fn begun(stream: UnixStream, (http2, first): (Http2, Vec<u8>)) -> Result<Self> {
        let mut side = Self { http2: Some(http2), ..Self::new(stream)? };
        side.write(&first);
        Ok(side)
    }

    /// Takes what is there.
    pub(super) fn look(&mut self) {
        let mut part = [0; 4096];
        while !self.ended {
            match self.stream.read(&mut part) {
                Ok(0) => self.ended = true,
                Ok(read) => self.came(&part[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A reset is an end, too.
                Err(_) => self.ended = true,
            }
        }
    }

    fn came(&mut self, bytes: &[u8]) {
        self.count += bytes.len();
        let Some(http2) = &mut self.http2 else {
            self.bytes.extend(bytes);
            return;
        };
        let came = http2.came(bytes);
        self.bytes.extend(came.text);
        self.ended |= came.ended;
        if !came.answers.is_empty() && self.stream.write_all(&came.answers).is_err() {
            self.ended = true;
        }
    }

    /// Sends a part of a message. A connection that Envoy closed takes none, which is no error
    /// here.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        match &self.http2 {
            Some(http2) => {
                let frames = http2.sent(bytes);
                self.write(&frames);
            }
            None => self.write(bytes),
        }
    }

    /// Sends metadata, if the connection speaks HTTP/2.
    pub(super) fn send_metadata(&mut self) {
        if let Some(frame) = self.http2.as_ref().map(Http2::metadata) {
            self.write(&frame);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.stream.write_all(bytes).is_err() {
            self.look();
        }
    }
}
