//! `async`/`await` for calls and timers, with the feature `async`. No runtime is needed.
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
//! [`hold_while`](crate::RequestHeaders::hold_while) holds the stream while its task runs, whatever
//! status its callback returns. When the task ends, the stream takes the action that the task
//! returns. `Action::Continue` lets the stream go on when nobody else holds it. Any other action
//! leaves the stream paused: the task has replied, or something else will resume the stream. An
//! error is logged, and the filter's [`ON_ERROR`](crate::HttpFilter::ON_ERROR) decides. `spawn`
//! runs a task beside the stream, and holds nothing.
//!
//! # Tasks and contexts
//!
//! A task belongs to its stream, connection or plugin, and is dropped with it: a task of a deleted
//! stream does not run on. A task owns the values that it works with, because the callback that
//! made it is over by then. Between its awaits a task acts on its own stream, so functions such as
//! those of [`property`](crate::property) and [`reply`] work there. A task reaches the filter and
//! its handle with [`with_filter`], [`with_connection`] or [`with_plugin`].
//!
//! A task awaits [`HttpCall::send`](crate::callout::HttpCall::send),
//! [`GrpcCall::send`](crate::callout::GrpcCall::send), [`sleep`], [`join`], and any future that is
//! made of these, by any crate. A woken task is polled at the end of the callback that woke it, of
//! any stream or plugin of the VM. So streams wait for each other with [`Notify`], or with a
//! channel of another crate. A future that waits for anything else, such as a socket, is never
//! woken.
//!
//! Dropping a future gives up its call: a gRPC call is cancelled at the proxy, and the response to
//! an HTTP call is dropped.
//!
//! # Cost
//!
//! A task is a block of the size of its future, and one of about 80 bytes. The first task of a
//! context takes 60 bytes more. A task that waits costs nothing: each callback of a context looks
//! for woken tasks, and polls only those. A response is read whole when it comes: one host call for
//! the headers, and one for the body if there is one. The module contains the compiler's checks of
//! futures, and with them the panic code: 45 kB more than with closures on wasm32-wasip1, and the
//! WASI imports.

mod call;
mod list;
mod notify;
mod slot;
mod wait;
mod within;

use alloc::boxed::Box;
use core::any::Any;
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::abi::{CallbackScope, Shared, StreamType, Wake, depth, try_box, waker};
use crate::callout::ContextRef;
use crate::context::Action;
use crate::error::{Error, Result};
use crate::owner::Owner;
use crate::stream_state;
use crate::table::Table;
use crate::timer;
use list::{Link, List};
pub use notify::{Notified, Notify};
pub(crate) use slot::Slot;
use sluicegate_alloc::region::outside;
pub use wait::{join, sleep};
pub use within::{reply, with_connection, with_filter, with_plugin};

/// A context that runs tasks. The attributes implement this trait for contexts that say `tasks`.
///
/// ```
/// # use sluicegate::prelude::*;
/// #[derive(Default)]
/// struct Filter;
///
/// #[sluicegate::http_filter(tasks)] // implements `Tasks`
/// impl HttpFilter for Filter {}
///
/// fn runs_tasks<F: sluicegate::task::Tasks>() {}
/// runs_tasks::<Filter>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` runs no tasks",
    note = "add `tasks` to its attribute, for example `#[sluicegate::http_filter(tasks)]`: the module then exports the callbacks that drive tasks"
)]
pub trait Tasks: Owner {}

/// The future of a task.
enum Work {
    /// A future that holds a direction of its stream, and whose result decides whether the
    /// direction goes on.
    Holds(StreamType, Pin<Box<dyn Future<Output = Result<Action>>>>),
    /// A future that runs beside the stream.
    Beside(Pin<Box<dyn Future<Output = Result<()>>>>),
}

struct Task {
    of: Shared<OfContext>,
    /// `None` while the task is polled.
    work: Cell<Option<Work>>,
    /// The link among the tasks of its context.
    sibling: Link,
    /// The link among the woken tasks of its context.
    ready: Link,
}

impl Task {
    const fn sibling(&self) -> &Link {
        &self.sibling
    }

    const fn ready(&self) -> &Link {
        &self.ready
    }
}

/// The end of a task.
pub(crate) enum Ended {
    /// The task held this direction of its stream, and returned this result.
    Held { direction: StreamType, answer: Result<Action> },
    /// The task ran beside the stream, and returned this result.
    Beside(Result<()>),
}

/// The tasks of one context.
struct OfContext {
    context: u32,
    /// The number of the context's plugin. It is 0 before the tasks are polled for the first time.
    plugin: Cell<u32>,
    /// `true` while the context's tasks are polled.
    polled: Cell<bool>,
    all: List,
    /// The woken tasks, in the order in which they were woken.
    ready: List,
    /// The link among the contexts that have woken tasks and no callback.
    woken: Link,
}

impl OfContext {
    const fn woken(&self) -> &Link {
        &self.woken
    }
}

/// The tasks of a VM. A task is found by its number, the tasks of a context by the context's
/// number, and the woken tasks without looking at the others.
struct All {
    /// The tasks by numbers of their own, which wakers know.
    tasks: Table<Task>,
    /// The contexts by their numbers.
    contexts: Table<OfContext>,
    /// The contexts that have tasks to poll, and no callback that polls them.
    woken: List,
    /// The number of these contexts that may be polled before the next tick.
    left: Cell<u32>,
    /// The plugin that was asked for a tick, at which the other contexts are polled. It is 0 if
    /// none was asked.
    asked: Cell<u32>,
    next: Cell<u32>,
}

/// The number of contexts that are polled outside of their own callbacks between two ticks. Envoy
/// lets streams go on when the callback is over. The callbacks of one such stream run before the
/// next stream goes on, and nest within each other. With 320 streams V8 runs out of stack, which
/// ends the VM. With 160 streams V8 did not.
const AT_ONCE: u32 = 32;

/// A closure of a task that needs the context.
type With = Box<dyn FnOnce(ContextRef<'_>)>;

/// The context and the plugin of the task that is polled.
#[derive(Clone, Copy)]
struct Polled {
    context: u32,
    plugin: u32,
}

crate::__vm_local! {
    static ALL: All =
        All {
            tasks: Table::new(),
            contexts: Table::new(),
            woken: List::new(),
            left: Cell::new(AT_ONCE),
            asked: Cell::new(0),
            next: Cell::new(1),
        };
}

crate::__vm_local! {
    static POLLED: Cell<Option<Polled>> = Cell::new(None);
}

crate::__vm_local! {
    /// The closure with which the polled task asks for its context.
    static WITH: Cell<Option<With>> = Cell::new(None);
}

/// Starts a task that holds a direction of its stream. The task is polled when the callback that
/// runs is over.
///
/// # Errors
///
/// Fails if the attribute of the context does not say `tasks`, or if the SDK is out of memory.
pub(crate) fn hold(
    context: u32,
    direction: StreamType,
    future: impl Future<Output = Result<Action>> + 'static,
) -> Result<()> {
    stream_state::runs_tasks()?;
    stream_state::hold(direction)?;
    // The future is allocated in the region of its stream.
    let started = try_box(future)
        .map_err(Error::from)
        .and_then(|future| start(context, Work::Holds(direction, Box::into_pin(future))));
    started.inspect_err(|_| stream_state::release(direction))
}

/// Starts a task that holds nothing.
///
/// # Errors
///
/// Fails if the attribute of the context does not say `tasks`, or if the SDK is out of memory.
pub(crate) fn spawn(context: u32, future: impl Future<Output = Result<()>> + 'static) -> Result<()> {
    stream_state::runs_tasks()?;
    start(context, Work::Beside(Box::into_pin(try_box(future)?)))
}

fn start(context: u32, work: Work) -> Result<()> {
    // The tables outlive the region of the stream.
    outside(|| ALL.with(|all| all.start(context, work)))
}

impl All {
    fn start(&self, context: u32, work: Work) -> Result<()> {
        if !self.contexts.contains(context) {
            let (plugin, polled) = (Cell::new(0), Cell::new(false));
            let (all, ready, woken) = (List::new(), List::new(), Link::new());
            self.contexts.insert(context, OfContext { context, plugin, polled, all, ready, woken })?;
        }
        let of = self.contexts.get(context).ok_or(Error::out_of_memory(0))?;
        let number = self.free_number();
        let (work, sibling, ready) = (Cell::new(Some(work)), Link::new(), Link::new());
        self.tasks.insert(number, Task { of: of.clone(), work, sibling, ready })?;
        of.all.push(&self.tasks, Task::sibling, number);
        self.wake(number);
        Ok(())
    }

    /// Returns a number that no task has. After 4 billion tasks the numbers start again at 1.
    fn free_number(&self) -> u32 {
        loop {
            let number = self.next.get();
            self.next.set(number.checked_add(1).unwrap_or(1));
            if !self.tasks.contains(number) {
                return number;
            }
        }
    }

    /// Marks a task to be polled: in the callback of its context that runs, or else at the end of
    /// the callback that runs.
    fn wake(&self, number: u32) {
        let Some(task) = self.tasks.get(number) else { return };
        task.of.ready.push(&self.tasks, Task::ready, number);
        if !task.of.polled.get() {
            self.woken.push(&self.contexts, OfContext::woken, task.of.context);
        }
    }

    fn remove(&self, of: &OfContext, number: u32) -> Option<Shared<Task>> {
        of.all.remove(&self.tasks, Task::sibling, number);
        of.ready.remove(&self.tasks, Task::ready, number);
        outside(|| self.tasks.remove(number))
    }
}

/// The tasks of the VM, for their wakers.
enum Woken {}

impl Wake for Woken {
    /// Marks a task to be polled.
    fn wake(number: u32) {
        // When the thread ends, values that are dropped last may wake a task that is gone.
        let _ = ALL.try_with(|all| all.wake(number));
    }
}

/// Calls a function for each context that has woken tasks and had no callback since, such as
/// contexts that wait for a value of another one. This runs at the end of a callback, when nothing
/// acts on its context any more. After many contexts were polled, the others wait for a tick.
///
/// After a callback that decides about its stream, all such contexts wait for a tick. A host would
/// take a local reply of one of them for a reply to the stream of the callback, and that stream
/// would never go on.
pub(crate) fn each_woken(decides: bool, poll: impl Fn(u32)) {
    if depth() != 0 || decides && ALL.with(|all| all.woken.first()).is_some_and(wait_for_tick) {
        return;
    }
    if ALL.with(|all| all.woken.first()).is_some() {
        stream_state::behind_callback(|| poll_woken(poll));
    }
}

/// Polls the tasks of all woken contexts.
fn poll_woken(poll: impl Fn(u32)) {
    // Two tasks that wake each other without end would block the proxy's worker. So they go on at
    // the next callback.
    for _ in 0..ROUNDS {
        let Some(last) = ALL.with(|all| all.woken.last()) else { return };
        while let Some(context) = ALL.with(|all| all.woken.first()) {
            let has_room = stream_state::may_poll() && ALL.with(|all| all.left.get() > 0);
            if !has_room && wait_for_tick(context) {
                return;
            }
            ALL.with(|all| {
                all.woken.remove(&all.contexts, OfContext::woken, context);
                all.left.set(all.left.get().saturating_sub(1));
            });
            poll(context);
            if context == last {
                break;
            }
        }
    }
}

/// Postpones the context, and all contexts that were woken after it, to the next tick. Returns
/// `false` if there will be no tick: then they are polled now.
#[cold]
#[inline(never)]
fn wait_for_tick(context: u32) -> bool {
    let (asked, plugin) = ALL.with(|all| (all.asked.get(), all.contexts.get(context).map_or(0, |of| of.plugin.get())));
    if asked != 0 {
        return true;
    }
    let _scope = CallbackScope::new();
    let soon = || timer::wake(plugin, context, Duration::ZERO, outside(Slot::new)?);
    let is_asked = plugin != 0 && soon().is_ok();
    if is_asked {
        ALL.with(|all| all.asked.set(plugin));
    }
    is_asked
}

/// Has a context polled though none of its tasks is woken: at the end of the entry that runs, or at
/// a tick if the entry decides about a stream.
#[cold]
pub(crate) fn poll_later(context: u32) {
    ALL.with(|all| all.woken.push(&all.contexts, OfContext::woken, context));
}

/// Handles a tick of the host: nothing of the callbacks before it is still running.
pub(crate) fn ticked() {
    ALL.with(|all| {
        all.left.set(AT_ONCE);
        all.asked.set(0);
    });
}

/// Polls the woken tasks of a context. This runs at the end of each of its callbacks.
pub(crate) fn drive(id: u32, plugin: u32, context: &mut dyn Any, above: &dyn Any, end: &mut dyn FnMut(Ended)) {
    let Some(of) = ALL.with(|all| all.contexts.get(id)) else { return };
    ALL.with(|all| all.woken.remove(&all.contexts, OfContext::woken, id));
    of.plugin.set(plugin);
    of.polled.set(true);
    // A future that wakes itself without end would block the proxy's worker. So it goes on at the
    // next callback.
    for _ in 0..ROUNDS {
        let Some(last) = of.ready.last() else { break };
        while let Some(number) = of.ready.first() {
            poll(&of, number, plugin, ContextRef { id, context: &mut *context, above }, end);
            if number == last {
                break;
            }
        }
    }
    of.polled.set(false);
}

/// Polls one task, and passes it the context if it asks for the context.
fn poll(of: &OfContext, number: u32, plugin: u32, asker: ContextRef<'_>, end: &mut dyn FnMut(Ended)) {
    ALL.with(|all| of.ready.remove(&all.tasks, Task::ready, number));
    let Some(task) = ALL.with(|all| all.tasks.get(number)) else { return };
    // A host that calls back into this context finds it busy, so no other code polls the task
    // meanwhile.
    let Some(mut work) = task.work.take() else { return };
    let polled = Polling::begin(Polled { context: asker.id, plugin });
    let waker = waker::<Woken>(number);
    let waker = &mut Context::from_waker(&waker);
    let ended = match &mut work {
        Work::Holds(direction, future) => {
            let direction = *direction;
            future.as_mut().poll(waker).map(|answer| Ended::Held { direction, answer })
        }
        Work::Beside(future) => future.as_mut().poll(waker).map(Ended::Beside),
    };
    let with = polled.end();
    match ended {
        Poll::Pending => task.work.set(Some(work)),
        Poll::Ready(ended) => {
            drop(ALL.with(|all| all.remove(of, number)));
            drop(work);
            end(ended);
        }
    }
    if let Some(with) = with {
        with(asker);
    }
}

/// The period in which a task is polled. Another task may wait for a host call in which the host
/// calls this context. The other task is the polled one again when this value is dropped, even by a
/// panic.
struct Polling {
    before: Option<Polled>,
    /// The closure of the task that waits.
    outer: Option<With>,
}

impl Polling {
    fn begin(polled: Polled) -> Self {
        Self { before: POLLED.with(|now| now.replace(Some(polled))), outer: WITH.with(Cell::take) }
    }

    /// Returns the closure of the task that was polled.
    fn end(self) -> Option<With> {
        WITH.with(Cell::take)
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        POLLED.with(|polled| polled.set(self.before));
        WITH.with(|with| with.set(self.outer.take()));
    }
}

/// The number of times that the tasks of a context are polled in one callback.
const ROUNDS: u32 = 1000;

/// Returns whether a context has tasks.
pub(crate) fn has_tasks(context: u32) -> bool {
    ALL.with(|all| all.contexts.get(context).is_some_and(|of| of.all.first().is_some()))
}

/// Drops the tasks of a context.
pub(crate) fn forget(context: u32) {
    let Some(of) = ALL.with(|all| {
        if all.asked.get() == context {
            // Another plugin is asked for the next tick.
            all.asked.set(0);
        }
        all.woken.remove(&all.contexts, OfContext::woken, context);
        all.contexts.remove(context)
    }) else {
        return;
    };
    while let Some(number) = of.all.first() {
        // Dropped here, after the tables are no longer borrowed.
        drop(ALL.with(|all| all.remove(&of, number)));
    }
}

/// Drops all tasks.
pub(crate) fn clear() {
    ALL.with(|all| {
        all.contexts.clear();
        all.woken.clear();
        all.tasks.clear();
        all.next.set(1);
    });
    POLLED.with(|polled| polled.set(None));
    drop(WITH.with(Cell::take));
}

/// Returns the context and the plugin of the task that is polled.
///
/// # Errors
///
/// Fails if no task is polled.
fn polled() -> Result<Polled> {
    POLLED.with(Cell::get).ok_or(Error::new("the future is awaited outside of a task"))
}
