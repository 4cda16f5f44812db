//! The access of a plugin to its streams by their numbers.

use super::{Abilities, State};
use crate::abi::StreamType;
use crate::abi::scoped::Scoped;
use crate::error::{Error, Result, Subject};

/// The kind of stream that a number belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Http,
    Tcp,
}

impl From<StreamType> for Kind {
    fn from(direction: StreamType) -> Self {
        match direction {
            StreamType::HttpRequest | StreamType::HttpResponse => Self::Http,
            StreamType::Downstream | StreamType::Upstream => Self::Tcp,
        }
    }
}

/// The open streams of a dispatcher, for any types of filters.
pub(crate) trait Streams {
    /// Passes the state of a stream to a function, if there is such a stream.
    fn with_state(&self, kind: Kind, id: u32, with: &mut dyn FnMut(&State));
}

crate::__vm_local! {
    /// The streams of the plugin whose callback runs.
    static REACHED: Scoped<dyn Streams> = Scoped::new();
}

/// Runs a callback of a plugin with these abilities. The callback can reach the plugin's streams
/// meanwhile, if there are `streams`.
pub(crate) fn within_plugin<R>(
    abilities: Abilities,
    streams: Option<&(dyn Streams + 'static)>,
    callback: impl FnOnce() -> R,
) -> R {
    let state = State::new(abilities);
    state.within(|| match streams {
        Some(streams) => REACHED.with(|reached| reached.within(streams, callback)),
        None => callback(),
    })
}

/// Passes the state of a stream of the plugin whose callback runs to a function.
///
/// # Errors
///
/// Fails if the plugin has no open stream of this kind and number, or with the function's error.
pub(crate) fn with_stream<R>(kind: Kind, id: u32, with: impl FnOnce(&State) -> Result<R>) -> Result<R> {
    let (mut with, mut answer) =
        (Some(with), Err(Error::stream(Subject::Context(id), "the plugin has no open stream of this number")));
    REACHED.with(|reached| {
        reached.with(|streams| {
            if let Some(streams) = streams {
                streams.with_state(kind, id, &mut |state| {
                    if let Some(with) = with.take() {
                        state.reach();
                        answer = with(state);
                    }
                });
            }
        });
    });
    answer
}
