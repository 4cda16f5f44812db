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

/// The way in which the effect of a call is recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The call returns a text that contains this after its status. Such calls change nothing, and
    /// share a stream.
    Returns(&'static str),
    /// The log holds a line that contains this.
    Logs(&'static str),
    /// The head, the body or the trailers that the upstream received contain this.
    Upstream(&'static str),
    /// The data that the upstream received do not contain this.
    NotUpstream(&'static str),
    /// The data that the client received contain this.
    Client(&'static str),
    /// The data that the client received do not contain this.
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
    /// Returns whether the call changes nothing that a stream or another call could see.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        matches!(self.effect, Effect::Returns(_))
    }

    /// Returns the call itself, which follows its preparation.
    #[must_use]
    pub fn step(&self) -> &'static str {
        self.steps.rsplit("; ").next().unwrap_or(self.steps)
    }

    /// Returns whether one of the calls lets a direction go on: then nothing else may.
    #[must_use]
    pub fn resumes(&self) -> bool {
        self.steps.contains("resume ")
    }

    /// Returns the first call of this row, if it is a row by itself. Then this row shows the effect
    /// of the first call on the second.
    #[must_use]
    pub fn first(&self) -> Option<&'static Self> {
        let (before, _) = self.steps.rsplit_once("; ")?;
        CALLS.iter().find(|call| call.steps == before)
    }

    /// Returns the second call of this row, if both are rows by themselves.
    #[must_use]
    pub fn second(&self) -> Option<&'static Self> {
        self.first().and_then(|_| CALLS.iter().find(|call| call.steps == self.step()))
    }

    /// Returns whether a row of two calls says more than the rows of the single calls: each of them
    /// is harmless by itself, or the first is a reply, which may take the place of the data that
    /// the second would harm. Only HTTP streams have such calls.
    #[must_use]
    pub fn says_more(&self, kind: Kind, harms: impl Fn(&Self) -> bool) -> bool {
        let Some(first) = self.first() else { return true };
        let replies = first.steps.starts_with("reply ");
        kind == Kind::Http && !harms(first) && (replies || !self.second().is_some_and(harms))
    }
}

/// The call that does nothing: what becomes of a stream without one.
pub const NOTHING: Call = Call { name: "nothing", steps: "", effect: Effect::Status };
