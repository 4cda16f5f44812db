//! The context of a plugin, and the parts that the callbacks of all contexts have in common.

use core::cell::RefCell;
use core::marker::PhantomData;

use crate::abi::{LogLevel, Shared};
use crate::context::named::{Facts, HttpAttribute, TcpAttribute};
use crate::context::{HttpFilter, PluginContext, StartStatus, TcpFilter};
use crate::error::Result;
use crate::log;
use crate::stream_state::{self, Abilities, State, Streams};

/// The plugin of a filter.
pub(super) type PluginOf<H> = <H as HttpFilter>::Plugin;
/// The VM of a filter.
pub(super) type VmOf<H> = <PluginOf<H> as PluginContext>::Vm;

/// The number of streams after which the proxy's log level is asked for again, and the proxy is
/// told the figures of memory: a power of two.
pub(super) const PERIOD: u32 = 64;

/// A stand-in for a filter that a module does not have. Nothing is tracked for it.
#[derive(Debug)]
pub struct NoStreams<P>(PhantomData<P>);

impl<P> Facts for NoStreams<P> {
    const TRACKED: bool = false;
}

impl<P> HttpAttribute for NoStreams<P> {}
impl<P> TcpAttribute for NoStreams<P> {}

impl<P: PluginContext> HttpFilter for NoStreams<P> {
    type Plugin = P;

    fn create(_: &P, _: u32) -> Self {
        Self(PhantomData)
    }
}

impl<P: PluginContext> TcpFilter for NoStreams<P> {
    type Plugin = P;

    fn create(_: &P, _: u32) -> Self {
        Self(PhantomData)
    }
}

pub(super) struct Plugin<P: PluginContext> {
    /// The number of the plugin's context.
    #[cfg(any(feature = "async", feature = "budget", feature = "profile"))]
    pub(super) id: u32,
    pub(super) vm: Shared<RefCell<P::Vm>>,
    pub(super) context: RefCell<P>,
}

impl<P: PluginContext> Plugin<P> {
    /// Returns the number of its context, for what is only told with the feature `profile`.
    #[inline(always)]
    pub(super) const fn number(&self) -> u32 {
        #[cfg(feature = "profile")]
        return self.id;
        #[cfg(not(feature = "profile"))]
        0
    }
}

/// Logs the error of a callback that returns no status to the host. For a callback that cannot
/// fail, the compiler leaves no code.
#[inline]
pub(super) fn note_failure(name: &str, context: u32, answered: Option<Result<()>>) {
    if let Some(Err(error)) = answered {
        log::failure(LogLevel::Error, name, context, &error);
    }
}

/// Logs, before a stream is deleted, that it was paused and never resumed. An operator who sees a
/// timeout looks for this line.
pub(super) fn note_pause(state: &State, context: u32) {
    if state.is_left_paused() && log::enabled(LogLevel::Debug) {
        log::note(LogLevel::Debug, "a stream is deleted that was paused and never resumed", context);
    }
}

/// Writes the allocator to the log, at the start of a VM. The first context is too early: some
/// hosts have no functions for the guest by then.
pub(super) fn log_allocator() {
    if let Some(line) = sluicegate_alloc::SELECTED_LINE {
        log::write_text(LogLevel::Debug, line);
    }
}

/// The reason for which a context was not created.
pub(super) enum NotCreated {
    Number,
    Parent,
    Busy,
    Memory,
}

pub(super) fn created(inserted: Result<bool>) -> Result<(), NotCreated> {
    match inserted {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotCreated::Number),
        Err(_) => Err(NotCreated::Memory),
    }
}

pub(super) fn start_status(name: &str, context: u32, started: Result<StartStatus>) -> u32 {
    match started {
        Ok(StartStatus::Ok) => 1,
        Ok(StartStatus::Failed) => 0,
        Err(error) => {
            log::failure(LogLevel::Critical, name, context, &error);
            0
        }
    }
}

/// Runs a callback of a plugin, which can reach its streams meanwhile.
pub(super) fn within_plugin<P: PluginContext, R>(streams: &(dyn Streams + 'static), callback: impl FnOnce() -> R) -> R {
    let abilities = Abilities::of_plugin(P::HTTP_ANSWERS, P::GRPC_ANSWERS, P::TASKS);
    stream_state::within_plugin(abilities, if P::ABSENT { None } else { Some(streams) }, callback)
}
