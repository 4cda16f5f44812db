//! `async`/`await` for calls and timers, with the feature `async` and without a runtime to bring.
//!
//! ```
//! use std::time::Duration;
//!
//! use sluicegate::prelude::*;
//! use sluicegate::task;
//!
//! #[derive(Default)]
//! struct Authorise {
//!     tries: u32,
//! }
//!
//! #[sluicegate::http_filter(tasks)]
//! impl HttpFilter for Authorise {
//!     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
//!         request.hold_while(async {
//!             let headers = [(":method", "GET"), (":path", "/check"), (":authority", "auth")];
//!             for wait in [50, 200] {
//!                 let answer = HttpCall::new("auth").headers(&headers).send().await;
//!                 match answer.map(|answer| answer.status()) {
//!                     Ok(Some(200)) => return Ok(Action::Continue),
//!                     Ok(Some(403)) => return task::reply(&LocalResponse::new(403)),
//!                     _ => task::sleep(Duration::from_millis(wait)).await?,
//!                 }
//!                 task::with_filter(|filter: &mut Self, _| filter.tries += 1).await?;
//!             }
//!             task::reply(&LocalResponse::new(503))
//!         })
//!     }
//! }
//! # sluicegate::plugin!(http: Authorise);
//! # fn main() {}
//! ```
//!
//! [`hold_while`](crate::RequestHeaders::hold_while) holds the stream here while its task runs, and does at the end what the task answers: `Action::Continue` lets it go on, any
//! other action leaves it as it is, because the task has replied, or something else will resume it. An error is logged, and the filter's
//! [`ON_ERROR`](crate::HttpFilter::ON_ERROR) decides. `spawn` runs a task beside the stream, and holds nothing.
//!
//! # What a task may do
//!
//! It belongs to its stream, connection or plugin, and is dropped with it: a task of a deleted stream does not run on. It owns what it works with, because the
//! callback that made it is over by then. Between its awaits it acts on its own stream, so functions such as [`property`](crate::property)'s and [`reply`] are good there;
//! the filter and its handle it reaches with [`with_filter`], [`with_connection`] or [`with_plugin`].
//!
//! A task awaits [`HttpCall::send`](crate::callout::HttpCall::send), [`GrpcCall::send`](crate::callout::GrpcCall::send), [`sleep`], [`join`], and any
//! future that is made of these, by whatever crate. It is polled when its own context has a callback: what another stream sends it through a channel is seen then. A
//! future that waits for anything else, such as a socket, is never woken.
//!
//! To drop a future gives its call up: a gRPC call is cancelled at the proxy, an HTTP call is answered to nobody.
//!
//! # Cost
//!
//! A task is a block of the size of its future, and two small ones; the first of a context takes 200 bytes more. Each callback of a context that has tasks looks whether
//! something woke them. An answer is read whole when it comes: one host call for the headers, one for the body if there is one. The module has the compiler's checks of
//! futures in it, and with them the panic machinery: 45 kB more than with closures on wasm32-wasip1, and the WASI imports.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use crate::abi::{Shared, StreamType, try_box};
use crate::callout::{Answered, Asker, Kind, Pending, keep, wrong_context};
use crate::context::{Action, HttpFilter, PluginContext, TcpFilter};
use crate::dispatch::Table;
use crate::error::{Error, Result};
use crate::handle::{HttpHandle, PluginHandle, TcpHandle};
use crate::reply::LocalResponse;
use crate::stream_state;
use crate::timer::{self, Timer};
use sluicegate_alloc::region::outside;

/// A context that runs tasks. The attributes implement it for those that say `tasks`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` runs no tasks",
    note = "say so in its attribute, for example `#[sluicegate::http_filter(tasks)]`: the module then exports the callbacks that drive them"
)]
pub trait Tasks {}

/// What a task runs.
enum Work {
    /// It holds a direction of its stream, and says at the end whether that goes on.
    Holds(StreamType, Pin<Box<dyn Future<Output = Result<Action>>>>),
    /// It runs beside.
    Beside(Pin<Box<dyn Future<Output = Result<()>>>>),
}

struct Task {
    /// None while it is polled.
    work: Cell<Option<Work>>,
}

/// How a task ended.
pub(crate) enum Ended {
    /// It held this direction of its stream, and answered this.
    Held { direction: StreamType, answer: Result<Action> },
    /// It ran beside.
    Beside(Result<()>),
}

/// The tasks of one context.
struct OfContext {
    tasks: Table<Task>,
    next: Cell<u32>,
    woken: Arc<Woken>,
    waker: Waker,
}

/// Whether something woke the tasks of a context.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A closure of a task that wants the context.
type With = Box<dyn FnOnce(Asker<'_>)>;

/// Whose task is polled.
#[derive(Clone, Copy)]
struct Polled {
    context: u32,
    plugin: u32,
}

crate::__vm_local! {
    /// By the numbers of the contexts.
    static TASKS: Table<OfContext> = Table::new();
}

crate::__vm_local! {
    static POLLED: Cell<Option<Polled>> = Cell::new(None);
}

crate::__vm_local! {
    /// What the task that is polled wants done with its context.
    static WITH: Cell<Option<With>> = Cell::new(None);
}

/// Starts a task that holds a direction of its stream: it is polled when the callback that runs is over.
pub(crate) fn hold(
    context: u32,
    direction: StreamType,
    future: impl Future<Output = Result<Action>> + 'static,
) -> Result<()> {
    stream_state::runs_tasks()?;
    stream_state::hold(direction)?;
    // The future lies with what its stream allocates.
    let started = try_box(future).and_then(|future| start(context, Work::Holds(direction, Box::into_pin(future))));
    started.inspect_err(|_| stream_state::release(direction))
}

/// Starts a task that holds nothing.
pub(crate) fn spawn(context: u32, future: impl Future<Output = Result<()>> + 'static) -> Result<()> {
    stream_state::runs_tasks()?;
    start(context, Work::Beside(Box::into_pin(try_box(future)?)))
}

fn start(context: u32, work: Work) -> Result<()> {
    // The tables outlive the region of the stream.
    outside(|| {
        TASKS.with(|all| {
            if all.get(context).is_none() {
                // An `Arc` is made infallibly, so a block of its size is asked for first. Nothing runs between the two.
                drop(try_box([0_usize; 4])?);
                let woken = Arc::new(Woken(AtomicBool::new(false)));
                let waker = Waker::from(woken.clone());
                all.insert(context, OfContext { tasks: Table::new(), next: Cell::new(0), woken, waker })?;
            }
            let of_context = all.get(context).ok_or(Error::out_of_memory(0))?;
            let number = of_context.next.get();
            of_context.next.set(number.wrapping_add(1));
            of_context.tasks.insert(number, Task { work: Cell::new(Some(work)) })?;
            of_context.woken.wake_by_ref();
            Ok(())
        })
    })
}

/// Polls the tasks of a context, if something woke them: at the end of each of its callbacks.
pub(crate) fn drive(id: u32, plugin: u32, context: &mut dyn Any, above: &dyn Any, end: &mut dyn FnMut(Ended)) {
    let Some(of_context) = TASKS.with(|all| all.get(id)) else { return };
    // A future that wakes itself without an end would hold the proxy's worker for ever: it goes on at the next callback.
    for _ in 0..ROUNDS {
        if !of_context.woken.0.swap(false, Ordering::Relaxed) {
            break;
        }
        let mut from = Some(0);
        while let Some((number, task)) = from.and_then(|from| of_context.next_from(from)) {
            from = number.checked_add(1);
            // A host that calls back into this context finds it busy, so nobody else polls it meanwhile.
            let Some(mut work) = task.work.take() else { continue };
            let before = POLLED.with(|polled| polled.replace(Some(Polled { context: id, plugin })));
            // Of a task that waits for a host call in which the host calls this context.
            let outer = WITH.with(Cell::take);
            let waker = &mut Context::from_waker(&of_context.waker);
            let ended = match &mut work {
                Work::Holds(direction, future) => {
                    let direction = *direction;
                    future.as_mut().poll(waker).map(|answer| Ended::Held { direction, answer })
                }
                Work::Beside(future) => future.as_mut().poll(waker).map(Ended::Beside),
            };
            POLLED.with(|polled| polled.set(before));
            let with = WITH.with(|with| with.replace(outer));
            match ended {
                Poll::Pending => task.work.set(Some(work)),
                Poll::Ready(ended) => {
                    of_context.tasks.remove(number);
                    drop(work);
                    end(ended);
                }
            }
            if let Some(with) = with {
                with(Asker { id, context, above });
            }
        }
    }
}

/// How often the tasks of a context are polled in one callback.
const ROUNDS: u32 = 1000;

impl OfContext {
    /// The first task of this number or a higher one.
    fn next_from(&self, from: u32) -> Option<(u32, Shared<Task>)> {
        let mut next: Option<u32> = None;
        self.tasks.each(|number, _| {
            if number >= from && next.is_none_or(|next| number < next) {
                next = Some(number);
            }
        });
        let next = next?;
        Some((next, self.tasks.get(next)?))
    }
}

/// Drops the tasks of a context.
pub(crate) fn forget(context: u32) {
    TASKS.with(|all| all.remove(context));
}

/// Drops all tasks.
pub(crate) fn clear() {
    TASKS.with(Table::clear);
}

/// Whose task is polled.
fn polled() -> Result<Polled> {
    POLLED.with(Cell::get).ok_or(Error::new("awaited outside of a task"))
}

/// Where an answer is left for a future that waits for it.
pub(crate) struct Slot<T> {
    value: Cell<Option<T>>,
    waker: RefCell<Option<Waker>>,
}

impl<T> Slot<T> {
    fn new() -> Result<Shared<Self>> {
        Shared::try_new(Self { value: Cell::new(None), waker: RefCell::new(None) })
    }

    /// Leaves the answer, and wakes who waits.
    pub(crate) fn fill(&self, value: T) {
        self.value.set(Some(value));
        if let Some(waker) = self.waker.try_borrow_mut().ok().and_then(|mut waker| waker.take()) {
            waker.wake();
        }
    }

    /// Takes the answer, or asks to be woken.
    fn poll(&self, context: &Context<'_>) -> Poll<T> {
        if let Some(value) = self.value.take() {
            return Poll::Ready(value);
        }
        if let Ok(mut waker) = self.waker.try_borrow_mut() {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

/// A call that a task awaits. The first poll sends it; dropped before its end, it is given up.
pub(crate) struct Call<T: 'static> {
    sent: Option<(Shared<Slot<T>>, Pending)>,
}

impl<T: 'static> Call<T> {
    pub(crate) const NEW: Self = Self { sent: None };

    /// Sends it the first time, and then waits for what `read` makes of the answer.
    pub(crate) fn poll(
        &mut self,
        context: &Context<'_>,
        kind: Kind,
        send: impl FnOnce(u32) -> Result<crate::callout::CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Poll<Result<T>> {
        if self.sent.is_none() {
            match Self::send(kind, send, read) {
                Ok(call) => self.sent = Some(call),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match &self.sent {
            Some((slot, _)) => slot.poll(context).map(Ok),
            None => Poll::Pending,
        }
    }

    fn send(
        kind: Kind,
        send: impl FnOnce(u32) -> Result<crate::callout::CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Result<(Shared<Slot<T>>, Pending)> {
        let Polled { context, .. } = polled()?;
        let slot = outside(Slot::new)?;
        let filled = slot.clone();
        let pending = keep(context, kind, send, move |_, answered| {
            if let Some(value) = read(answered) {
                filled.fill(value);
            }
            Ok(())
        })?;
        Ok((slot, pending))
    }
}

impl<T: 'static> Drop for Call<T> {
    fn drop(&mut self) {
        if let Some((_, pending)) = &self.sent {
            // Whether it was answered before changes nothing.
            let _ = pending.cancel();
        }
    }
}

/// Waits for some time; at least a millisecond, which is what hosts count in. In a task only.
///
/// # Errors
///
/// If memory is out, the host refuses to tick, or it is awaited outside of a task.
///
/// # Cost
///
/// One timer of [`timer`](mod@crate::timer).
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

/// Waits for both futures, which go on side by side.
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

/// Answers the client from a task of its stream, and gives what the task is to answer: `return task::reply(&LocalResponse::new(403));`
///
/// # Errors
///
/// If the headers are over the host's limits, memory is out, the host refuses, or it is called outside of a task.
///
/// # Cost
///
/// One host call, and a block for the headers if there are any.
pub fn reply(response: &LocalResponse<'_>) -> Result<Action> {
    polled()?;
    response.send()?;
    Ok(Action::StopIteration)
}

/// The functions that give a task its context, which differ in the context's type.
macro_rules! with {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $above:ident, $handle:ident, $make:expr) => {
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// If it is awaited outside of a task of such a context, or memory is out.
        ///
        /// # Cost
        ///
        /// Two small blocks.
        pub fn $name<F, R>(
            with: impl FnOnce(&mut F, &mut $handle<'_, F::$above>) -> R + 'static,
        ) -> impl Future<Output = Result<R>>
        where
            F: $kind + Tasks,
            R: 'static,
        {
            in_context(move |asker| {
                let context = asker.context.downcast_mut::<F>().ok_or_else(wrong_context)?;
                let above = asker.above.downcast_ref::<F::$above>().ok_or_else(wrong_context)?;
                let make: fn(u32, &F::$above) -> $handle<'_, F::$above> = $make;
                Ok(with(context, &mut make(asker.id, above)))
            })
        }
    };
}

with! {
    /// Gives a task of a stream its filter and its handle, until the closure returns.
    with_filter, HttpFilter, Plugin, HttpHandle, |id, plugin| HttpHandle { id, plugin }
}

with! {
    /// Gives a task of a connection its filter and its handle, until the closure returns.
    with_connection, TcpFilter, Plugin, TcpHandle, |id, plugin| TcpHandle { id, plugin }
}

with! {
    /// Gives a task of a plugin its context and its handle, until the closure returns.
    with_plugin, PluginContext, Vm, PluginHandle, |id, vm| PluginHandle { id, vm, configuration_size: 0 }
}

/// Runs a closure with the context of the task, right after the poll in which it is awaited.
fn in_context<R: 'static>(with: impl FnOnce(Asker<'_>) -> Result<R> + 'static) -> impl Future<Output = Result<R>> {
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
            // Another future of this task was first: the next round is this one's.
            WITH.with(|wanted| wanted.set(taken));
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(with) = with.take() else { return Poll::Pending };
        let kept = Slot::new().and_then(|slot| {
            let filled = slot.clone();
            let run: With = try_box(move |asker: Asker<'_>| filled.fill(with(asker)))?;
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
