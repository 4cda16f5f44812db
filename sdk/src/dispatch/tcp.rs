//! The callbacks of connections.

use core::marker::PhantomData;

use super::{Dispatcher, note_failure};
use crate::abi::{BufferType, LogLevel, PeerType, StreamType, call};
use crate::callout::held;
use crate::context::{Flow, HttpFilter, TcpFilter};
use crate::error::Result;
use crate::failures;
use crate::handle::{ConnectionData, TcpHandle};
use crate::log;

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    pub fn proxy_on_new_connection(&self, context: u32) -> u32 {
        let flow = self.connections.run(context, |filter, plugin| {
            filter.on_new_connection(&mut TcpHandle { id: context, plugin }) //
        });
        note_held::<T>(context, finish::<T>("on_new_connection", code(flow)))
    }

    pub fn proxy_on_downstream_data(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let flow = self.on_data(context, BufferType::DownstreamData, size, end_of_stream, T::on_downstream_data);
        note_held::<T>(context, finish::<T>("on_downstream_data", code(flow)))
    }

    pub fn proxy_on_upstream_data(&self, context: u32, size: usize, end_of_stream: u32) -> u32 {
        let flow = self.on_data(context, BufferType::UpstreamData, size, end_of_stream, T::on_upstream_data);
        finish::<T>("on_upstream_data", code(flow))
    }

    fn on_data<D>(
        &self,
        context: u32,
        buffer: BufferType,
        size: usize,
        end_of_stream: u32,
        callback: impl FnOnce(&mut T, &mut ConnectionData<'_, D, T::Plugin>) -> Result<Flow>,
    ) -> Option<Result<Flow>> {
        self.connections.run(context, |filter, plugin| {
            let connection = TcpHandle { id: context, plugin };
            let end_of_stream = end_of_stream != 0;
            callback(filter, &mut ConnectionData { connection, buffer, size, end_of_stream, direction: PhantomData })
        })
    }

    pub fn proxy_on_downstream_connection_close(&self, context: u32, peer: u32) {
        let closed = self.connections.run(context, |filter, plugin| {
            filter.on_downstream_close(&mut TcpHandle { id: context, plugin }, PeerType::from(peer))
        });
        note_failure("on_downstream_close", closed);
    }

    pub fn proxy_on_upstream_connection_close(&self, context: u32, peer: u32) {
        let closed = self.connections.run(context, |filter, plugin| {
            filter.on_upstream_close(&mut TcpHandle { id: context, plugin }, PeerType::from(peer))
        });
        note_failure("on_upstream_close", closed);
    }

    /// Whether it was a connection, as with the two below.
    pub(super) fn log_tcp(&self, context: u32) -> bool {
        self.end_tcp(context, "on_log", T::on_log)
    }

    pub(super) fn done_tcp(&self, context: u32) -> bool {
        self.end_tcp(context, "on_done", T::on_done)
    }

    fn end_tcp(
        &self,
        context: u32,
        name: &str,
        callback: fn(&mut T, &mut TcpHandle<'_, T::Plugin>) -> Result<()>,
    ) -> bool {
        let Some(connection) = self.connections.get(context).filter(|_| T::TRACKED) else { return false };
        let ended = connection.run(context, |filter, plugin| callback(filter, &mut TcpHandle { id: context, plugin }));
        note_failure(name, ended);
        true
    }

    pub(super) fn delete_tcp(&self, context: u32) -> bool {
        let Some(connection) = T::TRACKED.then(|| self.connections.remove(context)).flatten() else { return false };
        let ended = connection.run(context, |filter, plugin| filter.on_delete(&mut TcpHandle { id: context, plugin }));
        note_failure("on_delete", ended);
        true
    }
}

fn code(answer: Option<Result<Flow>>) -> Option<Result<u32>> {
    answer.map(|answer| answer.map(|flow| flow as u32))
}

/// The answer to the host; for an error, and for a context that is missing or busy, what the filter's policy says.
pub(super) fn finish<T: TcpFilter>(name: &str, answer: Option<Result<u32>>) -> u32 {
    #[cfg(feature = "async")]
    let at_once = T::TASKS && crate::task::ended_at_once();
    #[cfg(not(feature = "async"))]
    let at_once = false;
    match answer {
        Some(Ok(_)) if at_once => return Flow::Continue as u32,
        Some(Ok(code)) => return code,
        Some(Err(error)) => log::failure(LogLevel::Error, name, &error),
        None => failures::count(),
    }
    if T::ON_ERROR.status().is_none() {
        return Flow::Continue as u32;
    }
    close();
    Flow::StopIteration as u32
}

/// Closes the connection after an error. What the host answers changes nothing: the data stays here.
pub(super) fn close() {
    let _ = call::close_stream(StreamType::Downstream);
}

/// Notes whether the filter holds the client's data back, for the answer to a call that fails. No host resumes the upstream's.
fn note_held<T: TcpFilter>(context: u32, answer: u32) -> u32 {
    if T::ANSWERS && T::ON_ERROR.status().is_none() {
        held::note(context, StreamType::Downstream, answer != 0);
    }
    answer
}
