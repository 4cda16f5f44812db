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
//! [`hold_while`](crate::RequestHeaders::hold_while) holds the stream here while its task runs,
//! whatever its callback returns, and does at the end what the task answers: `Action::Continue`
//! lets it go on when nobody else holds it, any other action leaves it paused, because the task has
//! replied, or something else will resume it. An error is logged, and the filter's
//! [`ON_ERROR`](crate::HttpFilter::ON_ERROR) decides. `spawn` runs a task beside the stream, and
//! holds nothing.
//!
//! # What a task may do
//!
//! It belongs to its stream, connection or plugin, and is dropped with it: a task of a deleted
//! stream does not run on. It owns what it works with, because the callback that made it is over by
//! then. Between its awaits it acts on its own stream, so functions such as
//! [`property`](crate::property)'s and [`reply`] are good there; the filter and its handle it
//! reaches with [`with_filter`], [`with_connection`] or [`with_plugin`].
//!
//! A task awaits [`HttpCall::send`](crate::callout::HttpCall::send),
//! [`GrpcCall::send`](crate::callout::GrpcCall::send), [`sleep`], [`join`], and any future that is
//! made of these, by whatever crate. It is polled when it was woken: at the end of the callback
//! that woke it, of whichever stream or plugin of the VM. So streams wait for each other with
//! [`Notify`], or with a channel of another crate. A future that waits for anything else, such as a
//! socket, is never woken.
//!
//! To drop a future gives its call up: a gRPC call is cancelled at the proxy, an HTTP call is
//! answered to nobody.
//!
//! # Cost
//!
//! A task is a block of the size of its future, and one of some 80 bytes; the first of a context
//! takes 60 bytes more. A task that waits costs nothing: each callback of a context looks whether
//! there are woken ones, and polls those alone. An answer is read whole when it comes: one host
//! call for the headers, one for the body if there is one. The module has the compiler's checks of
//! futures in it, and with them the panic machinery: 45 kB more than with closures on
//! wasm32-wasip1, and the WASI imports.

mod call;
mod list;
mod notify;
mod wait;
mod within;

use alloc::boxed::Box;
use core::any::Any;
use core::cell::Cell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::abi::{Entry, Shared, StreamType, depth, try_box, waker};
use crate::callout::Asker;
use crate::context::Action;
use crate::dispatch::Table;
use crate::error::{Error, Result};
use crate::stream_state;
use crate::timer;
pub(crate) use call::{Call, Slot};
use list::{Link, List};
pub use notify::{Notified, Notify};
use sluicegate_alloc::region::outside;
pub use wait::{join, sleep};
pub use within::{reply, with_connection, with_filter, with_plugin};

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
    of: Shared<OfContext>,
    /// None while it is polled.
    work: Cell<Option<Work>>,
    /// Among the tasks of its context.
    sibling: Link,
    /// Among those of them that were woken.
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

/// How a task ended.
pub(crate) enum Ended {
    /// It held this direction of its stream, and answered this.
    Held { direction: StreamType, answer: Result<Action> },
    /// It ran beside.
    Beside(Result<()>),
}

/// The tasks of one context.
struct OfContext {
    context: u32,
    /// The number of its plugin; 0 before its tasks are polled for the first time.
    plugin: Cell<u32>,
    /// Whether its tasks are polled now.
    polled: Cell<bool>,
    all: List,
    /// Those that were woken, in this order.
    ready: List,
    /// Among the contexts that have woken tasks and no callback.
    woken: Link,
}

impl OfContext {
    const fn woken(&self) -> &Link {
        &self.woken
    }
}

/// The tasks of a VM. Each is found by its number, each of a context by that, and each that was
/// woken without a look at those that were not.
struct All {
    /// By numbers of their own, which are what wakers know.
    tasks: Table<Task>,
    /// By the numbers of the contexts.
    contexts: Table<OfContext>,
    /// The contexts that have tasks to be polled and no callback that does.
    woken: List,
    /// How many of them may be polled before the next tick.
    left: Cell<u32>,
    /// The plugin that was asked for a tick to go on with the others; 0 if none was.
    asked: Cell<u32>,
    next: Cell<u32>,
}

/// How many contexts are polled outside of their own callbacks between two ticks. Envoy lets
/// streams go on when the callback is over. The callbacks that one of them then has run before the
/// next one goes on, and within each other: at 320 of them V8 runs out of stack, which ends the VM;
/// at 160 it did not.
const AT_ONCE: u32 = 32;

/// A closure of a task that wants the context.
type With = Box<dyn FnOnce(Asker<'_>)>;

/// Whose task is polled.
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
    /// What the task that is polled wants done with its context.
    static WITH: Cell<Option<With>> = Cell::new(None);
}

/// Starts a task that holds a direction of its stream: it is polled when the callback that runs is
/// over.
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

    /// Returns a number that no task has. After 4 billion tasks they begin anew.
    fn free_number(&self) -> u32 {
        loop {
            let number = self.next.get();
            self.next.set(number.checked_add(1).unwrap_or(1));
            if !self.tasks.contains(number) {
                return number;
            }
        }
    }

    /// Lets a task be polled: in the callback of its context that runs, or else at the end of the
    /// callback that runs.
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

/// Lets a task be polled.
pub(crate) fn wake(number: u32) {
    // Where the thread ends, what is dropped last may wake a task that is gone.
    let _ = ALL.try_with(|all| all.wake(number));
}

/// Calls a function for each context that has woken tasks and had no callback since, such as those
/// that wait for what another one has: at the end of a callback, when nothing acts on its context
/// any more. When many were polled, the others wait for a tick.
///
/// Behind a callback that decides about its stream, all wait for a tick: a host takes an answer of
/// one of them to its client for an answer to the stream whose callback it is, and that stream
/// would never go on.
pub(crate) fn each_woken(decides: bool, poll: impl Fn(u32)) {
    if depth() != 0 || decides && ALL.with(|all| all.woken.first()).is_some_and(wait_for_tick) {
        return;
    }
    if ALL.with(|all| all.woken.first()).is_some() {
        stream_state::behind_callback(|| poll_woken(poll));
    }
}

/// Polls the tasks of all contexts that were woken.
fn poll_woken(poll: impl Fn(u32)) {
    // Two tasks that wake each other without an end would hold the proxy's worker for ever: they go
    // on at the next callback.
    for _ in 0..ROUNDS {
        let Some(last) = ALL.with(|all| all.woken.last()) else { return };
        while let Some(context) = ALL.with(|all| all.woken.first()) {
            if ALL.with(|all| all.left.get() == 0) && wait_for_tick(context) {
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

/// Lets the context, and all that were woken after it, be polled at the next tick. False if there
/// will be none: then they are polled all the same.
#[cold]
#[inline(never)]
fn wait_for_tick(context: u32) -> bool {
    let (asked, plugin) = ALL.with(|all| (all.asked.get(), all.contexts.get(context).map_or(0, |of| of.plugin.get())));
    if asked != 0 {
        return true;
    }
    let _entry = Entry::new();
    let soon = || timer::wake(plugin, context, Duration::ZERO, outside(Slot::new)?);
    let is_asked = plugin != 0 && soon().is_ok();
    if is_asked {
        ALL.with(|all| all.asked.set(plugin));
    }
    is_asked
}

/// The host has ticked: nothing of what went on before still runs.
pub(crate) fn ticked() {
    ALL.with(|all| {
        all.left.set(AT_ONCE);
        all.asked.set(0);
    });
}

/// Polls the tasks of a context that were woken: at the end of each of its callbacks.
pub(crate) fn drive(id: u32, plugin: u32, context: &mut dyn Any, above: &dyn Any, end: &mut dyn FnMut(Ended)) {
    let Some(of) = ALL.with(|all| all.contexts.get(id)) else { return };
    ALL.with(|all| all.woken.remove(&all.contexts, OfContext::woken, id));
    of.plugin.set(plugin);
    of.polled.set(true);
    // A future that wakes itself without an end would hold the proxy's worker for ever: it goes on
    // at the next callback.
    for _ in 0..ROUNDS {
        let Some(last) = of.ready.last() else { break };
        while let Some(number) = of.ready.first() {
            poll(&of, number, plugin, Asker { id, context: &mut *context, above }, end);
            if number == last {
                break;
            }
        }
    }
    of.polled.set(false);
}

/// Polls one task, and gives it the context if it wants that.
fn poll(of: &OfContext, number: u32, plugin: u32, asker: Asker<'_>, end: &mut dyn FnMut(Ended)) {
    ALL.with(|all| of.ready.remove(&all.tasks, Task::ready, number));
    let Some(task) = ALL.with(|all| all.tasks.get(number)) else { return };
    // A host that calls back into this context finds it busy, so nobody else polls it meanwhile.
    let Some(mut work) = task.work.take() else { return };
    let polled = Polling::begin(Polled { context: asker.id, plugin });
    let waker = waker(number);
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

/// A task is polled. The one that waits for a host call in which the host calls this context is
/// polled again when this ends, also by a panic.
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

/// How often the tasks of a context are polled in one callback.
const ROUNDS: u32 = 1000;

/// Drops the tasks of a context.
pub(crate) fn forget(context: u32) {
    let Some(of) = ALL.with(|all| {
        if all.asked.get() == context {
            // Another plugin is asked.
            all.asked.set(0);
        }
        all.woken.remove(&all.contexts, OfContext::woken, context);
        all.contexts.remove(context)
    }) else {
        return;
    };
    while let Some(number) = of.all.first() {
        // Dropped here, when the tables are borrowed no more.
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

/// Whose task is polled.
fn polled() -> Result<Polled> {
    POLLED.with(Cell::get).ok_or(Error::new("awaited outside of a task"))
}
