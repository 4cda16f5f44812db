//! The access of a plugin to its streams by their numbers.

use super::{Dispatcher, Stream, Table};
use crate::abi::StreamType;
use crate::abi::scoped::Scoped;
use crate::context::{HttpFilter, PluginContext, TcpFilter};
use crate::error::{Error, On, Result};
use crate::stream_state::{Abilities, State};

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
pub(super) trait Streams {
    /// Passes the state of a stream to a function, if there is such a stream.
    fn with_state(&self, kind: Kind, id: u32, with: &mut dyn FnMut(&State));
}

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Streams for Dispatcher<H, T> {
    fn with_state(&self, kind: Kind, id: u32, with: &mut dyn FnMut(&State)) {
        match kind {
            Kind::Http => look_up(&self.streams, id, with),
            Kind::Tcp => look_up(&self.connections, id, with),
        }
    }
}

fn look_up<K: super::Runs>(streams: &Table<Stream<K>>, id: u32, with: &mut dyn FnMut(&State)) {
    if let Some(stream) = streams.get(id) {
        with(&stream.state);
    }
}

crate::__vm_local! {
    /// The streams of the plugin whose callback runs.
    static REACHED: Scoped<dyn Streams> = Scoped::new();
}

/// Runs a callback of a plugin, which can reach its streams meanwhile.
pub(super) fn within_plugin<P: PluginContext, R>(streams: &(dyn Streams + 'static), callback: impl FnOnce() -> R) -> R {
    let state = State::new(Abilities::of_plugin(P::HTTP_ANSWERS, P::GRPC_ANSWERS, P::TASKS));
    state.within(|| if P::ABSENT { callback() } else { REACHED.with(|reached| reached.within(streams, callback)) })
}

/// Passes the state of a stream of the plugin whose callback runs to a function.
///
/// # Errors
///
/// Fails if the plugin has no open stream of this kind and number, or with the function's error.
pub(crate) fn with_stream<R>(kind: Kind, id: u32, with: impl FnOnce(&State) -> Result<R>) -> Result<R> {
    let (mut with, mut answer) =
        (Some(with), Err(Error::stream(On::Context(id), "the plugin has no open stream of this number")));
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
