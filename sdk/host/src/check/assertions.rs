//! Assertions on the effects of a filter. Their messages show what the filter did.

use std::fmt::Write as _;

use sluicegate::LogLevel;

use crate::drive::running::RunningHost;
use crate::drive::stream::HttpStream;
use crate::drive::tcp::TcpConnection;
use crate::model::direction::Way;
use crate::model::map::Map;
use crate::model::reply::LocalReply;
use crate::model::state::LogLine;

/// Formats lines of the log for people, one below the other.
fn lines(log: &[LogLine]) -> String {
    if log.is_empty() {
        return "\nnothing was logged".to_owned();
    }
    log.iter().fold("\nthe log:".to_owned(), |mut text, line| {
        // Writing to a string does not fail.
        let _ = write!(text, "\n  {:?} {}", line.level, line.text);
        text
    })
}

fn headers(map: &Map) -> String {
    if map.is_empty() {
        return "\nthere are no headers".to_owned();
    }
    map.to_text().iter().fold("\nthe headers:".to_owned(), |mut text, (name, value)| {
        let _ = write!(text, "\n  {name}: {value}");
        text
    })
}

impl RunningHost {
    /// Asserts that a line of this level and exactly this text was logged.
    ///
    /// # Panics
    ///
    /// Panics if no such line was logged. The message shows the log.
    #[track_caller]
    pub fn assert_logged(&self, level: LogLevel, text: &str) -> &Self {
        let log = self.log();
        assert!(self.logged(level, text), "the log has no line {level:?} {text:?}{}", lines(&log));
        self
    }

    /// Asserts that no line of this level or of a more severe one was logged:
    /// `host.assert_no_log_at(LogLevel::Warn)`.
    ///
    /// # Panics
    ///
    /// Panics if such a line was logged. The message shows the log.
    #[track_caller]
    pub fn assert_no_log_at(&self, level: LogLevel) -> &Self {
        let log = self.log();
        let loud = log.iter().find(|line| line.level as u32 >= level as u32);
        assert_eq!(loud, None, "the log has a line of {level:?} or worse{}", lines(&log));
        self
    }
}

impl RunningHost {
    /// Asserts the value of a counter: `host.assert_counter("requests", 2)`. A counter that was
    /// never defined counts as 0.
    ///
    /// # Panics
    ///
    /// Panics if the counter has another value.
    #[track_caller]
    pub fn assert_counter(&self, name: &str, value: u64) -> &Self {
        let found = self.counter(name);
        assert_eq!(found.unwrap_or_default(), value, "the counter {name}, which is {found:?}{}", lines(&self.log()));
        self
    }

    /// Asserts that no HTTP call waits and no gRPC call or stream is open.
    ///
    /// # Panics
    ///
    /// Panics if a call waits or is open. The message shows the calls.
    #[track_caller]
    pub fn assert_no_calls(&self) -> &Self {
        let (calls, grpc) = (self.pending_calls(), self.open_grpc());
        assert!(calls.is_empty() && grpc.is_empty(), "pending calls: {calls:?} {grpc:?}{}", lines(&self.log()));
        self
    }
}

impl HttpStream<'_> {
    /// Asserts that a response went on to the client: the upstream's, or the filter's local reply.
    ///
    /// # Panics
    ///
    /// Panics if no response went on. The message says what became of the stream.
    #[track_caller]
    pub fn assert_response_passed(&self) -> &Self {
        assert!(!self.was_reset(), "the stream was reset{}", self.log());
        assert!(self.reached_client(), "the response is held, or none came{}", self.log());
        self.assert_framed(Way::Response)
    }

    /// Asserts that the filter reset the stream.
    ///
    /// # Panics
    ///
    /// Panics if the stream was not reset. The message shows the log.
    #[track_caller]
    pub fn assert_reset(&self) -> &Self {
        assert!(self.was_reset(), "the stream was not reset{}", self.log());
        self
    }

    /// Asserts that the request went on to the upstream. It was not held back, replied to or reset.
    ///
    /// # Panics
    ///
    /// Panics if the request did not go on. The message says what became of it.
    #[track_caller]
    pub fn assert_passed(&self) -> &Self {
        assert_eq!(self.reply(), None, "the request got a local reply{}", self.log());
        assert!(!self.was_reset(), "the request was reset{}", self.log());
        assert!(self.reached_upstream(), "the request is held{}", self.log());
        self.assert_framed(Way::Request)
    }

    /// Asserts that the request is held back. It did not go on, and was not replied to or reset.
    ///
    /// # Panics
    ///
    /// Panics if the request is not held back. The message says what became of it.
    #[track_caller]
    pub fn assert_held(&self) -> &Self {
        assert_eq!(self.reply(), None, "the request got a local reply{}", self.log());
        assert!(!self.was_reset(), "the request was reset{}", self.log());
        assert!(!self.reached_upstream(), "the request passed{}", self.log());
        self
    }

    /// Asserts that the stream got a local reply with this status, and returns the reply.
    ///
    /// # Panics
    ///
    /// Panics if there is no such reply. The message says what became of the request.
    #[track_caller]
    pub fn assert_reply(&self, status: u32) -> LocalReply {
        let Some(reply) = self.reply() else {
            let passed = if self.reached_upstream() { "passed" } else { "is held" };
            panic!("no local reply with status {status}: the request {passed}{}", self.log());
        };
        assert_eq!(reply.status, status, "{reply:?}{}", self.log());
        reply
    }

    /// Asserts the first value of a request header as the upstream sees it. `None` asserts that the
    /// header is absent.
    ///
    /// # Panics
    ///
    /// Panics if the value is another one. The message shows all headers.
    #[track_caller]
    pub fn assert_request_header<'a>(&self, name: &str, value: impl Into<Option<&'a str>>) -> &Self {
        let all = self.request_map();
        assert_eq!(self.request_header(name).as_deref(), value.into(), "the request's {name}{}", headers(&all));
        self
    }

    /// Asserts the first value of a response header as the client sees it. `None` asserts that the
    /// header is absent.
    ///
    /// # Panics
    ///
    /// Panics if the value is another one. The message shows all headers.
    #[track_caller]
    pub fn assert_response_header<'a>(&self, name: &str, value: impl Into<Option<&'a str>>) -> &Self {
        let all = self.response_map();
        assert_eq!(self.response_header(name).as_deref(), value.into(), "the response's {name}{}", headers(&all));
        self
    }

    /// Asserts the bytes of the request's body that the upstream got.
    ///
    /// # Panics
    ///
    /// Panics if the bytes are others. The message shows both as text.
    #[track_caller]
    pub fn assert_request_body(&self, body: impl AsRef<[u8]>) -> &Self {
        same(&self.sent_request_body(), body.as_ref(), "what the upstream got");
        self.assert_framed(Way::Request)
    }

    /// Asserts the bytes of the response's body that the client got.
    ///
    /// # Panics
    ///
    /// Panics if the bytes are others. The message shows both as text.
    #[track_caller]
    pub fn assert_response_body(&self, body: impl AsRef<[u8]>) -> &Self {
        same(&self.sent_response_body(), body.as_ref(), "what the client got");
        self.assert_framed(Way::Response)
    }

    /// Asserts that the headers do not give the old length of a body that the filter changed. With
    /// the old length the peer would wait for more, or take the rest for another message.
    #[track_caller]
    fn assert_framed(&self, way: Way) -> &Self {
        let misframed = self.host().state().streams.get(&self.id()).and_then(|stream| stream.misframed(way));
        if let Some((said, sent)) = misframed {
            let message = if way == Way::Request { "request" } else { "response" };
            panic!(
                "the {message}'s content-length says {said}, and {sent} bytes of a changed body passed: call \
                 `body_will_change` in the headers callback, or hold the headers until the body is changed{}",
                self.log()
            );
        }
        self
    }

    fn log(&self) -> String {
        lines(&self.host().log())
    }
}

impl TcpConnection<'_> {
    /// Asserts that the filter closed a side of the connection.
    ///
    /// # Panics
    ///
    /// Panics if the filter closed no side. The message shows the log.
    #[track_caller]
    pub fn assert_closed(&self) -> &Self {
        let closed = self.closed_downstream() || self.closed_upstream();
        assert!(closed, "the connection was not closed{}", lines(&self.host().log()));
        self
    }

    /// Asserts the bytes that the upstream and the client got.
    ///
    /// # Panics
    ///
    /// Panics if the bytes are others. The message shows both as text.
    #[track_caller]
    pub fn assert_sent(&self, upstream: impl AsRef<[u8]>, downstream: impl AsRef<[u8]>) -> &Self {
        same(&self.sent_upstream(), upstream.as_ref(), "what the upstream got");
        same(&self.sent_downstream(), downstream.as_ref(), "what the client got");
        self
    }
}

#[track_caller]
fn same(found: &[u8], expected: &[u8], what: &str) {
    assert!(
        found == expected,
        "{what}\n  is:        {}\n  should be: {}",
        found.escape_ascii(),
        expected.escape_ascii()
    );
}
