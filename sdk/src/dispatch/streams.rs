//! The access of a plugin to the streams of its dispatcher, by their numbers.

use super::Dispatcher;
use super::tracked::{Runs, Stream};
use crate::context::{HttpFilter, TcpFilter};
use crate::stream_state::{Kind, State, Streams};
use crate::table::Table;

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Streams for Dispatcher<H, T> {
    fn with_state(&self, kind: Kind, id: u32, with: &mut dyn FnMut(&State)) {
        match kind {
            Kind::Http => look_up(&self.streams, id, with),
            Kind::Tcp => look_up(&self.connections, id, with),
        }
    }
}

fn look_up<K: Runs>(streams: &Table<Stream<K>>, id: u32, with: &mut dyn FnMut(&State)) {
    if let Some(stream) = streams.get(id) {
        with(&stream.state);
    }
}
