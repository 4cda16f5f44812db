//! The access of a task to the context that it belongs to.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::task::Poll;

use super::slot::Slot;
use super::{Tasks, WITH, With, polled};
use crate::abi::{Shared, try_box};
use crate::callout::ContextRef;
use crate::context::Action;
use crate::error::Result;
use crate::handle::{HttpHandle, PluginHandle, TcpHandle, with_context};
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

/// Passes a task of a stream its filter and its handle, until the closure returns.
///
/// # Errors
///
/// The future fails if it is awaited outside of a task of such a context, or if the SDK is out of
/// memory.
///
/// # Cost
///
/// Two small blocks.
pub fn with_filter<F, R>(
    with: impl FnOnce(&mut F, &mut HttpHandle<'_, F::Above>) -> R + 'static,
) -> impl Future<Output = Result<R>>
where
    F: Tasks<Kind = HttpStream>,
    R: 'static,
{
    in_context(move |context| with_context(context, |of: &mut F, handle| Ok(with(of, handle))))
}

/// Passes a task of a connection its filter and its handle, until the closure returns.
///
/// # Errors
///
/// The future fails if it is awaited outside of a task of such a context, or if the SDK is out of
/// memory.
///
/// # Cost
///
/// Two small blocks.
pub fn with_connection<F, R>(
    with: impl FnOnce(&mut F, &mut TcpHandle<'_, F::Above>) -> R + 'static,
) -> impl Future<Output = Result<R>>
where
    F: Tasks<Kind = Connection>,
    R: 'static,
{
    in_context(move |context| with_context(context, |of: &mut F, handle| Ok(with(of, handle))))
}

/// Passes a task of a plugin its context and its handle, until the closure returns.
///
/// # Errors
///
/// The future fails if it is awaited outside of a task of such a context, or if the SDK is out of
/// memory.
///
/// # Cost
///
/// Two small blocks.
pub fn with_plugin<F, R>(
    with: impl FnOnce(&mut F, &mut PluginHandle<'_, F::Above>) -> R + 'static,
) -> impl Future<Output = Result<R>>
where
    F: Tasks<Kind = Plugin>,
    R: 'static,
{
    in_context(move |context| with_context(context, |of: &mut F, handle| Ok(with(of, handle))))
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
