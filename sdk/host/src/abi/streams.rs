//! The host calls on the effective stream: its body, its resumes, its end and its local reply.

use sluicegate::abi::{BufferType, Status, StreamType};

use crate::model::act::{Act, Deferred};
use crate::model::direction::Way;
use crate::model::reply::LocalReply;
use crate::model::state::State;
use crate::model::stream::Stream;

impl State {
    pub(crate) fn buffer(&self, buffer: u32, start: usize, max_size: usize) -> Result<Vec<u8>, Status> {
        let bytes = match buffer {
            buffer if buffer == BufferType::VmConfiguration as u32 => &self.vm_configuration,
            buffer if buffer == BufferType::PluginConfiguration as u32 => {
                let plugin = self.configuring.ok_or(Status::NotFound)?;
                &self.plugins.get(&plugin).ok_or(Status::NotFound)?.configuration
            }
            buffer if self.answer.buffers.contains_key(&buffer) => &self.answer.buffers[&buffer],
            // Envoy has an empty buffer if there is none.
            0..=3 => match self.streams.get(&self.effective).and_then(|stream| stream.bodies.get(&buffer)) {
                Some(body) if !body.hidden => &body.held,
                _ => return Ok(Vec::new()),
            },
            5 | 8 => return Ok(Vec::new()),
            4 | 7 => return Err(Status::NotFound),
            _ => return Err(Status::BadArgument),
        };
        let end = start.checked_add(max_size).ok_or(Status::BadArgument)?.min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn stream_mut(&mut self) -> Result<&mut Stream, Status> {
        self.streams.get_mut(&self.effective).ok_or(Status::BadArgument)
    }

    pub(crate) fn set_buffer(&mut self, buffer: u32, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
        if (4..=8).contains(&buffer) {
            return Err(Status::NotFound);
        }
        let limit = self.buffer_limit;
        let body = self.stream_mut()?.bodies.get_mut(&buffer).ok_or(Status::BadArgument)?;
        body.set(start, size, bytes)?;
        body.watch(limit, body.full);
        Ok(())
    }

    /// Resumes a direction, when the guest has returned.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::Unimplemented`] for the upstream's side of a connection, which Envoy
    /// cannot resume, and with [`Status::BadArgument`] for an unknown direction.
    pub(crate) fn resume(&mut self, direction: u32) -> Result<(), Status> {
        if direction == StreamType::Upstream as u32 {
            return Err(Status::Unimplemented);
        }
        if let Some(way) = Way::from_number(direction)
            && let Some(stream) = self.streams.get_mut(&self.effective)
        {
            // The filter sees nothing from the call on, before the resume takes effect.
            stream.visible.remove(&(way.headers() as u32));
            stream.visible.remove(&(way.trailers() as u32));
            if let Some(body) = stream.bodies.get_mut(&direction) {
                body.hidden = true;
            }
        }
        self.note_act(Way::from_number(direction).map(Act::Resume));
        self.defer(Deferred::Resume(direction))
    }

    /// Closes a direction, when the guest has returned. An HTTP stream has no connection to close,
    /// and a connection has no request to close: such a call returns OK and does nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] for an unknown direction.
    pub(crate) fn close(&mut self, direction: u32) -> Result<(), Status> {
        let of_connections = direction >= StreamType::Downstream as u32;
        if direction <= StreamType::Upstream as u32
            && self.streams.get(&self.effective).is_none_or(|stream| stream.is_connection != of_connections)
        {
            return Ok(());
        }
        self.note_act(Way::from_number(direction).map(Act::Close));
        self.defer(Deferred::Close(direction))
    }

    /// Defers a request of the guest. If the context has no stream, the request has no effect.
    fn defer(&mut self, what: Deferred) -> Result<(), Status> {
        if let Deferred::Resume(direction) | Deferred::Close(direction) = what
            && direction > StreamType::Upstream as u32
        {
            return Err(Status::BadArgument);
        }
        self.deferred.push((self.effective, what));
        Ok(())
    }

    /// Defers a local reply. If there is no request to reply to, this returns OK and does nothing.
    pub(crate) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        let context = self.effective;
        self.note_act(Some(Act::Reply));
        if self.streams.get(&context).is_none_or(|stream| stream.is_connection) {
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&context) else { return Ok(()) };
        let waits = self.deferred.iter().any(|(id, what)| *id == context && matches!(what, Deferred::Answer));
        let has_ended = stream.logged || self.logging;
        if !has_ended && !waits && (stream.reply.is_none() || stream.answering) {
            stream.reply = Some(reply);
            self.deferred.push((context, Deferred::Answer));
        }
        Ok(())
    }
}
