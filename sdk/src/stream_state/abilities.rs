//! The abilities of a context, and the checks that a context has what a host call needs.

use super::current;
use crate::error::{Error, Result};

/// The abilities of a context, by its attribute and its callbacks: bits of [`State`](super::State)
/// that never change.
#[derive(Clone, Copy)]
pub(crate) struct Abilities(pub(super) u32);

impl Abilities {
    const HTTP_ANSWERS: Self = Self(1 << 16);
    const GRPC_ANSWERS: Self = Self(1 << 17);
    const TASKS: Self = Self(1 << 18);
    pub(super) const STREAM: Self = Self(1 << 19);
    pub(super) const CONNECTION: Self = Self(1 << 12);

    /// Returns the abilities of a connection, which takes no HTTP reply.
    pub(crate) const fn of_connection(http_answers: bool, grpc_answers: bool, tasks: bool) -> Self {
        Self(Self::of_stream(http_answers, grpc_answers, tasks).0 | Self::CONNECTION.0)
    }

    /// Returns the abilities of a stream.
    pub(crate) const fn of_stream(http_answers: bool, grpc_answers: bool, tasks: bool) -> Self {
        Self(Self::of_plugin(http_answers, grpc_answers, tasks).0 | Self::STREAM.0)
    }

    /// Returns the abilities of a plugin, which is not a stream.
    pub(crate) const fn of_plugin(http_answers: bool, grpc_answers: bool, tasks: bool) -> Self {
        let mut bits = 0;
        if http_answers {
            bits |= Self::HTTP_ANSWERS.0;
        }
        if grpc_answers {
            bits |= Self::GRPC_ANSWERS.0;
        }
        if tasks {
            bits |= Self::TASKS.0;
        }
        Self(bits)
    }
}

/// Checks that the context that runs takes the responses to HTTP calls in a callback.
///
/// # Errors
///
/// Fails if it does not.
pub(crate) fn takes_http_answers() -> Result<()> {
    able(
        Abilities::HTTP_ANSWERS,
        "this context has no callback for the response: implement `on_http_call_response`, or use `call_then` or `call_and_forget`",
    )
}

/// Checks that the context that runs takes the events of gRPC in a callback.
///
/// # Errors
///
/// Fails if it does not.
pub(crate) fn takes_grpc_answers() -> Result<()> {
    able(
        Abilities::GRPC_ANSWERS,
        "this context has no callback for the response: implement `on_grpc_event`, or use `grpc_call_then`, `grpc_stream_then` or `grpc_call_and_forget`",
    )
}

/// Checks that the context that runs has tasks.
///
/// # Errors
///
/// Fails if it has none.
#[cfg(feature = "async")]
pub(crate) fn runs_tasks() -> Result<()> {
    able(Abilities::TASKS, "this context runs no tasks: add `tasks` to its attribute, as `#[http_filter(tasks)]`")
}

fn able(ability: Abilities, otherwise: &'static str) -> Result<()> {
    let is_able = current(|state| state.is_some_and(|state| state.has(ability.0)));
    if is_able { Ok(()) } else { Err(Error::new(otherwise)) }
}
