//! A host that answers calls as bytes say: with any numbers, in any order, of any size, to contexts
//! that are there or gone; and what must hold whatever it does.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::callout::Pending;
use sluicegate::prelude::*;

const HEADERS: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

/// The values of the bytes, one after the other. When the bytes are used up, the values are zero.
#[derive(Default)]
struct Script(RefCell<Vec<u8>>);

impl Script {
    fn next(&self) -> u8 {
        self.0.borrow_mut().pop().unwrap_or_default()
    }
}

/// The number of closures that ran, and the number of responses that came to callbacks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) runs: usize,
    pub(crate) answers: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Http,
    Unary,
    Stream,
}

/// The expected state: the context that made the last call of each number, the closures that live,
/// and those that must not run any more.
#[derive(Default)]
struct Ledger {
    /// The waiting contexts, by kind (gRPC or not) and number: a host may number the two kinds
    /// separately.
    askers: BTreeMap<(bool, u32), (u32, Kind)>,
    live: Cell<usize>,
    counts: Cell<Counts>,
    cancelled: BTreeSet<u32>,
    next: u32,
}

thread_local! {
    static SCRIPT: Rc<Script> = Rc::default();
    static LEDGER: RefCell<Ledger> = RefCell::default();
}

fn next() -> u8 {
    SCRIPT.with(|script| script.next())
}

/// One of a few numbers, so that they meet.
fn number() -> u32 {
    u32::from(next() % 6)
}

/// Gives what the bytes say.
struct Proxy;

impl Host for Proxy {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        // Lines in the log are none of the script's.
        match import {
            Import::proxy_log => return 0,
            Import::proxy_get_log_level => return 10,
            Import::proxy_set_effective_context => return 0,
            _ => {}
        }
        if next() % 8 == 7 {
            return u32::from(next() % 13);
        }
        match *args {
            [.., Arg::OutBlock(value), Arg::OutSize(size)] => {
                let bytes: Vec<u8> = (0..next() % 24).map(|_| next()).collect();
                let block = allocate(bytes.len());
                // SAFETY: the guest allocated this many bytes.
                unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len()) };
                // SAFETY: the guest passes places.
                unsafe { value.write(block) };
                // SAFETY: as above.
                unsafe { size.write(bytes.len()) };
            }
            [.., Arg::OutU32(token)] => {
                // SAFETY: as above.
                unsafe { token.write(number()) };
            }
            _ => {}
        }
        0
    }
}

/// Counted for as long as a closure holds it.
struct Guard(u32);

impl Guard {
    fn new() -> Self {
        LEDGER.with_borrow_mut(|ledger| {
            ledger.live.set(ledger.live.get() + 1);
            ledger.next += 1;
            Self(ledger.next)
        })
    }

    /// The closure runs in the context that made it.
    fn of(&self, maker: u32, context: u32) {
        assert_eq!(maker, context, "closure {} runs in the context that made it", self.0);
    }

    /// It runs once, and not after it was cancelled.
    fn run(&self, maker: u32, context: u32) {
        self.of(maker, context);
        LEDGER.with_borrow(|ledger| {
            assert!(!ledger.cancelled.contains(&self.0), "a closure that was cancelled runs");
            let counts = ledger.counts.get();
            ledger.counts.set(Counts { runs: counts.runs + 1, ..counts });
        });
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = LEDGER.try_with(|ledger| {
            if let Ok(ledger) = ledger.try_borrow() {
                ledger.live.set(ledger.live.get() - 1);
            }
        });
    }
}

fn asked(token: CallToken, context: u32, kind: Kind) {
    LEDGER.with_borrow_mut(|ledger| ledger.askers.insert((kind != Kind::Http, number_of(token)), (context, kind)));
}

/// The number of a token, which the SDK does not give away.
fn number_of(token: CallToken) -> u32 {
    let text = format!("{token:?}");
    text.trim_matches(|char: char| !char.is_ascii_digit()).parse().expect("CallToken(number)")
}

/// An answer came to a context, in its callback.
fn answered(token: CallToken, context: u32, event: Option<GrpcEventKind>) {
    LEDGER.with_borrow_mut(|ledger| {
        let counts = ledger.counts.get();
        ledger.counts.set(Counts { answers: counts.answers + 1, ..counts });
        let asker = ledger.askers.get(&(event.is_some(), number_of(token))).copied();
        let Some((asker, kind)) = asker else { panic!("nobody waits for this answer any more") };
        assert_eq!(asker, context, "an answer comes to who asked last");
        if match event {
            None | Some(GrpcEventKind::Closed(_)) => true,
            Some(GrpcEventKind::Message(_)) => kind == Kind::Unary,
            _ => false,
        } {
            ledger.askers.remove(&(event.is_some(), number_of(token)));
        }
    });
}

/// The actions of a context in any of its callbacks.
macro_rules! act {
    ($context:ident, $handle:ident, $ty:ty) => {{
        let id = $handle.id();
        match next() % 11 {
            0 => asked($handle.call(&HttpCall::new("c").headers(&HEADERS))?, id, Kind::Http),
            1 => asked($handle.grpc_call(&GrpcCall::new("c", "S", "M").message("?"))?, id, Kind::Unary),
            2 => {
                let stream = $handle.grpc_stream("c", "S", "M", &[])?;
                asked(stream.token(), id, Kind::Stream);
                $context.streams.push(stream);
            }
            3 => {
                let guard = Guard::new();
                let number = guard.0;
                let pending =
                    $handle.call_then(&HttpCall::new("c").headers(&HEADERS), move |_: &mut $ty, handle, answer| {
                        guard.run(id, handle.id());
                        answer?.headers()?;
                        Ok(())
                    })?;
                asked(pending.token(), id, Kind::Http);
                $context.pending.push((number, pending));
            }
            4 => {
                let guard = Guard::new();
                let number = guard.0;
                let call = GrpcCall::new("c", "S", "M");
                let pending = $handle.grpc_call_then(&call, move |_: &mut $ty, handle, answer| {
                    guard.run(id, handle.id());
                    match answer {
                        Ok(event) => drop(event.message()?),
                        Err(failure) => drop(failure.text()?),
                    }
                    Err(Error::new("and fails"))
                })?;
                asked(pending.token(), id, Kind::Unary);
                $context.pending.push((number, pending));
            }
            5 => {
                if let Some((number, pending)) = $context.pending.pop()
                    && pending.cancel()
                {
                    LEDGER.with_borrow_mut(|ledger| ledger.cancelled.insert(number));
                }
            }
            6 => {
                if let Some(stream) = $context.streams.pop()
                    && stream.cancel().is_ok()
                {
                    LEDGER.with_borrow_mut(|ledger| ledger.askers.remove(&(true, number_of(stream.token()))));
                }
            }
            7 => {
                if let Some(stream) = $context.streams.last() {
                    stream.send([next(); 3], next().is_multiple_of(2))?;
                    stream.close()?;
                }
            }
            8 => return Err(Error::new("told to fail")),
            9 => {
                let guard = Guard::new();
                let stream =
                    $handle.grpc_stream_then("c", "S", "M", &[], move |context: &mut $ty, handle, event| {
                        guard.of(id, handle.id());
                        if let GrpcEventKind::Closed(_) = event.kind() {
                            LEDGER.with_borrow_mut(|ledger| ledger.askers.remove(&(true, number_of(event.token()))));
                        }
                        read(event)?;
                        match next() % 4 {
                            0 => event.token().cancel(),
                            1 => Err(Error::new("and fails")),
                            // A host may give the same number again.
                            2 => {
                                let other = handle.grpc_stream("c", "S", "M", &[])?;
                                asked(other.token(), handle.id(), Kind::Stream);
                                context.streams.push(other);
                                Ok(())
                            }
                            _ => Ok(()),
                        }
                    })?;
                asked(stream.token(), id, Kind::Stream);
                $context.streams.push(stream);
            }
            _ => {}
        }
        Ok(())
    }};
}

/// Reads what an event brings, whatever it is.
fn read(event: &GrpcEvent) -> Result<()> {
    match event.kind() {
        GrpcEventKind::Message(size) => {
            let (message, part) = (event.message()?, event.message_part(1, size)?);
            assert!(message.len() < 24 && part.len() < 24);
        }
        GrpcEventKind::InitialMetadata(_) | GrpcEventKind::TrailingMetadata(_) => {
            let metadata = event.metadata()?;
            assert_eq!(metadata.iter().count(), metadata.len());
        }
        _ => drop(event.status_text()?),
    }
    Ok(())
}

#[derive(Default)]
struct Plugin {
    streams: Vec<GrpcStream>,
    pending: Vec<(u32, Pending)>,
}

#[sluicegate::plugin_context(calls)]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        act!(self, plugin, Self)
    }

    fn on_http_call_response(&mut self, plugin: &mut PluginHandle<'_>, response: &CallResponse) -> Result<()> {
        answered(response.token(), plugin.id(), None);
        response.headers()?;
        act!(self, plugin, Self)
    }

    fn on_grpc_event(&mut self, plugin: &mut PluginHandle<'_>, event: &GrpcEvent) -> Result<()> {
        answered(event.token(), plugin.id(), Some(event.kind()));
        read(event)?;
        act!(self, plugin, Self)
    }
}

#[derive(Default)]
struct Filter {
    streams: Vec<GrpcStream>,
    pending: Vec<(u32, Pending)>,
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    type Plugin = Plugin;
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let stream = request.stream();
        let done: Result<()> = (|| act!(self, stream, Self))();
        done?;
        Ok(if next().is_multiple_of(2) { Action::Pause } else { Action::Continue })
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_, Plugin>, response: &CallResponse) -> Result<()> {
        answered(response.token(), stream.id(), None);
        response.body()?;
        response.body_part(2, 5)?;
        response.trailers()?;
        act!(self, stream, Self)
    }

    fn on_grpc_event(&mut self, stream: &mut HttpHandle<'_, Plugin>, event: &GrpcEvent) -> Result<()> {
        answered(event.token(), stream.id(), Some(event.kind()));
        read(event)?;
        act!(self, stream, Self)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

/// The number of bytes that decide about one callback.
pub(crate) const STEP: usize = 16;

/// The plugin's number; streams count from the next one.
const ROOT: u32 = 1;

/// Plays what the bytes say, ends everything, and wants nothing kept.
pub(crate) fn play(bytes: &[u8]) -> Counts {
    let _installed = native::install(Rc::new(Proxy));
    LEDGER.take();
    (PLUGIN.reset)();
    PLUGIN.proxy_on_context_create.unwrap()(ROOT, 0);
    let mut open = Vec::new();
    let mut context = ROOT;
    for step in bytes.chunks(STEP) {
        SCRIPT.with(|script| *script.0.borrow_mut() = step.iter().rev().copied().collect());
        let (token, size) = (number(), u32::from(next()));
        match next() % 10 {
            0 => {
                context += 1;
                PLUGIN.proxy_on_context_create.unwrap()(context, ROOT);
                open.push(context);
            }
            1 if !open.is_empty() => {
                let gone = open.remove(usize::from(next()) % open.len());
                PLUGIN.proxy_on_delete.unwrap()(gone);
            }
            2 => PLUGIN.proxy_on_tick.unwrap()(ROOT),
            3 => PLUGIN.proxy_on_http_call_response.unwrap()(ROOT, token, size % 3, size as usize, size % 2),
            4 => PLUGIN.proxy_on_grpc_receive_initial_metadata.unwrap()(ROOT, token, size),
            5 => PLUGIN.proxy_on_grpc_receive.unwrap()(ROOT, token, size as usize),
            6 => PLUGIN.proxy_on_grpc_receive_trailing_metadata.unwrap()(ROOT, token, size),
            7 => PLUGIN.proxy_on_grpc_close.unwrap()(ROOT, token, size),
            _ => {
                let stream = open.get(usize::from(next()) % open.len().max(1)).copied().unwrap_or(99);
                PLUGIN.proxy_on_request_headers.unwrap()(stream, 3, 0);
            }
        }
    }
    SCRIPT.with(|script| script.0.borrow_mut().clear());
    for context in open.into_iter().chain([ROOT]) {
        PLUGIN.proxy_on_delete.unwrap()(context);
    }
    let (made, live, counts) =
        LEDGER.with_borrow(|ledger| (ledger.next as usize, ledger.live.get(), ledger.counts.get()));
    assert_eq!(live, 0, "a closure outlives its context");
    assert!(counts.runs <= made, "a closure runs twice");
    counts
}
