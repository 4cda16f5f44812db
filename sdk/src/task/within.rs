//! The access of a task to the context that it belongs to.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::task::Poll;

use super::slot::Slot;
use super::{Tasks, WITH, With, polled};
use crate::abi::{Shared, try_box};
use crate::callout::{ContextRef, wrong_context};
use crate::context::Action;
use crate::error::Result;
use crate::handle::{HttpHandle, PluginHandle, TcpHandle};
use crate::owner::{Connection, HttpStream, Plugin};
use crate::reply::LocalResponse;

/// Sends a local reply to the client from a task of its stream, and returns the action for the task
/// to return: `return task::reply(&LocalResponse::new(403));`
///
/// # Errors
///
/// Fails without a host call if this is called outside of a task, if the stream was replied to
/// before, if it has ended, or if the [`LocalResponse`] is not valid. Fails if the headers are over
/// the host's limits, if the SDK is out of memory, or if the host refuses.
///
/// # Cost
///
/// One host call. If there are headers, one block for them.
pub fn reply(response: &LocalResponse<'_>) -> Result<Action> {
    polled()?;
    response.send()?;
    Ok(Action::StopIteration)
}

/// Declares the functions that pass a task its context, which differ in the type of the context.
macro_rules! with {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $handle:ident, $make:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// The future fails if it is awaited outside of a task of such a context, or if the SDK is
        /// out of memory.
        ///
        /// # Cost
        ///
        /// Two small blocks.
        pub fn $name<F, R>(
            with: impl FnOnce(&mut F, &mut $handle<'_, F::Above>) -> R + 'static,
        ) -> impl Future<Output = Result<R>>
        where
            F: Tasks<Kind = $kind>,
            R: 'static,
        {
            in_context(move |asker| {
                let context = asker.context.downcast_mut::<F>().ok_or_else(wrong_context)?;
                let above = asker.above.downcast_ref::<F::Above>().ok_or_else(wrong_context)?;
                let make: fn(u32, &F::Above) -> $handle<'_, F::Above> = $make;
                Ok(with(context, &mut make(asker.id, above)))
            })
        }
    };
}

with! {
    /// Passes a task of a stream its filter and its handle, until the closure returns.
    with_filter, HttpStream, HttpHandle, |id, plugin| HttpHandle { id, plugin }
}

with! {
    /// Passes a task of a connection its filter and its handle, until the closure returns.
    with_connection, Connection, TcpHandle, |id, plugin| TcpHandle { id, plugin }
}

with! {
    /// Passes a task of a plugin its context and its handle, until the closure returns.
    with_plugin, Plugin, PluginHandle, |id, vm| PluginHandle { id, vm, configuration_size: 0 }
}

/// Runs a closure with the context of the task, right after the poll in which the future is
/// awaited.
fn in_context<R: 'static>(with: impl FnOnce(ContextRef<'_>) -> Result<R> + 'static) -> impl Future<Output = Result<R>> {
    let mut with = Some(with);
    let mut wanted: Option<Shared<Slot<Result<R>>>> = None;
    poll_fn(move |context| {
        if let Some(slot) = &wanted {
            return slot.poll(context);
        }
        if let Err(error) = polled() {
            return Poll::Ready(Err(error));
        }
        let taken = WITH.with(Cell::take);
        if taken.is_some() {
            // Another future of this task asked first. This one asks again at the next poll.
            WITH.with(|wanted| wanted.set(taken));
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(with) = with.take() else { return Poll::Pending };
        let kept = Slot::new().and_then(|slot| {
            let filled = slot.clone();
            let run: With = try_box(move |asker: ContextRef<'_>| filled.fill(with(asker)))?;
            WITH.with(|wanted| wanted.set(Some(run)));
            Ok(slot)
        });
        match kept {
            Ok(slot) => {
                let polled = slot.poll(context);
                wanted = Some(slot);
                polled
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    })
}
