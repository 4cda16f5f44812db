//! Waiting for a time to pass, and for two futures at once.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use super::polled;
use super::slot::Slot;
use crate::abi::Shared;
use crate::error::Result;
use crate::timer::{self, Timer};
use sluicegate_alloc::region::outside;

/// Waits for some time, in a task. The shortest wait is a millisecond, because hosts count
/// milliseconds.
///
/// # Errors
///
/// The future fails if the SDK is out of memory, if the host refuses to tick, or if it is awaited
/// outside of a task.
///
/// # Cost
///
/// The cost of one timer of [`timer`](mod@crate::timer).
pub fn sleep(duration: Duration) -> impl Future<Output = Result<()>> {
    let mut sleep = Sleep(None);
    poll_fn(move |context| {
        if sleep.0.is_none() {
            let started = polled().and_then(|polled| {
                let slot = outside(Slot::new)?;
                Ok((timer::wake(polled.plugin, polled.context, duration, slot.clone())?, slot))
            });
            match started {
                Ok(started) => sleep.0 = Some(started),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match &sleep.0 {
            Some((_, slot)) => slot.poll(context).map(Ok),
            None => Poll::Pending,
        }
    })
}

/// A timer that a future waits for.
struct Sleep(Option<(Timer, Shared<Slot<()>>)>);

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some((timer, _)) = self.0 {
            timer::forget_timer(timer);
        }
    }
}

/// Waits for both futures, which proceed side by side.
///
/// ```
/// # use sluicegate::prelude::*;
/// # use sluicegate::task;
/// async fn both() -> Result<usize, CallFailure> {
///     let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
///     let (user, limits) = task::join(
///         HttpCall::new("users").headers(&headers).send(),
///         HttpCall::new("limits").headers(&headers).send(),
///     )
///     .await;
///     Ok(user?.body().len() + limits?.body().len())
/// }
/// ```
pub async fn join<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut of_first, mut of_second) = (None, None);
    poll_fn(move |context| {
        if of_first.is_none()
            && let Poll::Ready(value) = first.as_mut().poll(context)
        {
            of_first = Some(value);
        }
        if of_second.is_none()
            && let Poll::Ready(value) = second.as_mut().poll(context)
        {
            of_second = Some(value);
        }
        match (of_first.take(), of_second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (first, second) => {
                (of_first, of_second) = (first, second);
                Poll::Pending
            }
        }
    })
    .await
}
