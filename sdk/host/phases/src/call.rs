//! The host calls of the matrix.

mod rows;

use crate::moment::Kind;
pub use rows::CALLS;

/// A host call with its arguments.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The host function without `proxy_`, and what it is called for.
    pub name: &'static str,
    /// The steps of the tracer's script; the last is the call.
    pub steps: &'static str,
    /// The sign that the call did something.
    pub effect: Effect,
}

/// How it is known that a call did something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The call returns a text that contains this after its status. Such calls change nothing, and
    /// share a stream.
    Returns(&'static str),
    /// The log holds a line that contains this.
    Logs(&'static str),
    /// The head, the body or the trailers that the upstream received contain this.
    Upstream(&'static str),
    /// What the upstream received does not contain this.
    NotUpstream(&'static str),
    /// What the client received contains this.
    Client(&'static str),
    /// What the client received does not contain this.
    NotClient(&'static str),
    /// The called service received this.
    Service(&'static str),
    /// More of the message went on than without the call.
    GoesOn,
    /// The stream or connection ended early.
    Ends,
    /// The status alone.
    Status,
    /// The status alone, of a call that may end the proxy before the stream goes on.
    Serves,
}

impl Call {
    /// Whether the call changes nothing that a stream or another call could see.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(self.effect, Effect::Returns(_))
    }

    /// The call itself, which follows what prepares it.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.steps.rsplit("; ").next().unwrap_or(self.steps)
    }

    /// Whether one of the calls lets a direction go on: then nothing else may.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.steps.contains("resume ")
    }

    /// The call that this row makes first, if that is a row by itself: then this row says what the
    /// first changes for the second.
    #[must_use]
    pub fn first(&self) -> Option<&'static Self> {
        let (before, _) = self.steps.rsplit_once("; ")?;
        CALLS.iter().find(|call| call.steps == before)
    }

    /// The call that this row makes second, if both are rows by themselves.
    #[must_use]
    pub fn second(&self) -> Option<&'static Self> {
        self.first().and_then(|_| CALLS.iter().find(|call| call.steps == self.step()))
    }

    /// Whether a row of two calls says more than their own rows: each of them is harmless by
    /// itself, or the first is a reply, which may take the place of what the second would harm.
    /// Only streams of HTTP have such calls.
    #[must_use]
    pub fn says_more(&self, kind: Kind, harms: impl Fn(&Self) -> bool) -> bool {
        let Some(first) = self.first() else { return true };
        let replies = first.steps.starts_with("reply ");
        kind == Kind::Http && !harms(first) && (replies || !self.second().is_some_and(harms))
    }
}

/// The call that does nothing: what becomes of a stream without one.
pub const NOTHING: Call = Call { name: "nothing", steps: "", effect: Effect::Status };
