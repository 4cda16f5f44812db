//! Tasks that wait until another task, or a callback, notifies them.

use core::cell::Cell;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::list::{Link, List};
use crate::error::Result;
use crate::table::Table;
use sluicegate_alloc::region::outside;

/// A notifier, which tells waiting tasks about an event, for example that one of them has fetched a
/// token for all. The tasks may belong to any streams and plugins of the VM.
///
/// A notified task is polled at the end of the callback that runs, with its own context. The task
/// waits without timers and without being polled.
///
/// ```
/// # use std::cell::Cell;
/// # use std::rc::Rc;
/// # use sluicegate::prelude::*;
/// # use sluicegate::task::Notify;
/// #[derive(Default)]
/// struct Gate {
///     open: Cell<bool>,
///     opened: Notify,
/// }
///
/// #[derive(Default)]
/// struct Plugin {
///     gate: Rc<Gate>,
/// }
///
/// #[sluicegate::plugin_context]
/// impl PluginContext for Plugin {
///     fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
///         self.gate.open.set(true);
///         self.gate.opened.notify_all();
///         Ok(())
///     }
/// }
///
/// #[derive(Default)]
/// struct Filter;
///
/// #[sluicegate::http_filter(tasks)]
/// impl HttpFilter for Filter {
///     type Plugin = Plugin;
///
///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
///         let gate = request.plugin().gate.clone();
///         request.hold_while(async move {
///             while !gate.open.get() {
///                 gate.opened.notified().await?;
///             }
///             Ok(Action::Continue)
///         })
///     }
/// }
/// # sluicegate::plugin!(plugin: Plugin, http: Filter);
/// # fn main() {}
/// ```
///
/// # Cost
///
/// Two small blocks for each waiting task. Waiting, notifying and giving up cost the same for few
/// waiting tasks and for many.
pub struct Notify {
    waiters: Table<Waiter>,
    /// The tasks that were not notified yet, in the order in which they came.
    untold: List,
    next: Cell<u32>,
}

struct Waiter {
    waker: Cell<Option<Waker>>,
    told: Cell<Told>,
    link: Link,
}

impl Waiter {
    const fn link(&self) -> &Link {
        &self.link
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Told {
    NotYet,
    WithAll,
    Alone,
}

impl Notify {
    /// Returns a value for which no task waits.
    #[must_use]
    pub const fn new() -> Self {
        Self { waiters: Table::new(), untold: List::new(), next: Cell::new(1) }
    }

    /// Waits until [`notify_all`](Self::notify_all), or until it is the turn of this task in
    /// [`notify_one`](Self::notify_one). The task waits from the first poll on. Earlier
    /// notifications do not count for it, so check first whether there is anything to wait for, as
    /// the example does.
    ///
    /// # Errors
    ///
    /// The future fails if the SDK is out of memory when the task begins to wait.
    ///
    /// # Cost
    ///
    /// A small block while the task waits.
    pub const fn notified(&self) -> Notified<'_> {
        Notified { of: self, number: None }
    }

    /// Notifies all tasks that wait now.
    pub fn notify_all(&self) {
        // No task begins to wait within this loop: tasks are polled later.
        while self.tell(Told::WithAll) {}
    }

    /// Notifies the task that has waited longest. If this task is dropped before it is polled, the
    /// next one is notified.
    pub fn notify_one(&self) {
        self.tell(Told::Alone);
    }

    /// Notifies the first task. Returns `false` if no task waits.
    fn tell(&self, how: Told) -> bool {
        let Some(number) = self.untold.first() else { return false };
        self.untold.remove(&self.waiters, Waiter::link, number);
        if let Some(waiter) = self.waiters.get(number) {
            waiter.told.set(how);
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
        true
    }

    fn wait(&self, waker: &Waker) -> Result<u32> {
        let mut number = self.next.get();
        // After 4 billion tasks the numbers start again.
        while self.waiters.contains(number) || number == 0 {
            number = number.wrapping_add(1);
        }
        self.next.set(number.wrapping_add(1));
        let waiter = Waiter { waker: Cell::new(Some(waker.clone())), told: Cell::new(Told::NotYet), link: Link::new() };
        // The table outlives the region of the stream.
        outside(|| self.waiters.insert(number, waiter))?;
        self.untold.push(&self.waiters, Waiter::link, number);
        Ok(number)
    }

    /// Removes a waiter, and returns the way in which it was notified.
    fn leave(&self, number: u32) -> Told {
        self.untold.remove(&self.waiters, Waiter::link, number);
        outside(|| self.waiters.remove(number)).map_or(Told::NotYet, |waiter| waiter.told.get())
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notify").finish_non_exhaustive()
    }
}

/// A future that waits for a notification of a [`Notify`].
///
/// ```
/// use sluicegate::task::Notify;
///
/// async fn wait(ready: &Notify) {
///     let notified = ready.notified(); // from here on it is told
///     notified.await;
/// }
/// ```
#[must_use = "a future waits when it is awaited"]
pub struct Notified<'a> {
    of: &'a Notify,
    number: Option<u32>,
}

impl fmt::Debug for Notified<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notified").finish_non_exhaustive()
    }
}

impl Future for Notified<'_> {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(number) = self.number else {
            return match self.of.wait(context.waker()) {
                Ok(number) => {
                    self.number = Some(number);
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            };
        };
        let waiter = self.of.waiters.get(number).filter(|waiter| waiter.told.get() == Told::NotYet);
        if let Some(waiter) = waiter {
            waiter.waker.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        self.of.leave(number);
        self.number = None;
        Poll::Ready(Ok(()))
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number.take()
            && self.of.leave(number) == Told::Alone
        {
            self.of.notify_one();
        }
    }
}
