//! The dispatcher of a stateless filter. There are no contexts, so none are created, looked up or
//! deleted.

use core::marker::PhantomData;

use super::contexts::{PERIOD, log_allocator, note_failure};
use super::http::{HttpCallbacks, Rest};
use super::http_policy::conclude;
use super::pressure::settle;
use crate::abi::arenas::{self, Slot};
use crate::abi::{CallbackScope, end_vm};
use crate::budget;
use crate::callout;
use crate::context::HttpFilter;
use crate::error::Result;
use crate::handle::HttpHandle;
use crate::log;
use crate::profile;
use crate::stream_state::{self, Abilities, Phase, State};

/// A filter without state, which is made again for each callback. It has no size, so this costs
/// nothing.
#[derive(Debug)]
pub struct Stateless<H>(PhantomData<fn() -> H>);

impl<H: HttpFilter<Plugin = ()>> Default for Stateless<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: HttpFilter<Plugin = ()>> HttpCallbacks<H> for Stateless<H> {
    const KEEPS: bool = false;

    fn run_http<R>(&self, id: u32, callback: impl FnOnce(&mut H, &()) -> R) -> Option<R> {
        let _scope = CallbackScope::new();
        if id.is_multiple_of(PERIOD) {
            log::forget_level();
        }
        let state = State::new(ABILITIES);
        let answer = state
            .within(|| Slot::new().within(|| profile::of_filter::<H, _>(0, || callback(&mut H::create(&(), id), &()))));
        settle();
        Some(answer)
    }

    #[inline]
    fn decide_http(&self, id: u32, phase: Phase, rest: Rest, callback: impl FnOnce(&mut H, &H::Plugin) -> u32) -> u32 {
        let OnStack(state) = &OnStack(State::begun(ABILITIES, phase));
        let code = {
            let _scope = CallbackScope::new();
            if id.is_multiple_of(PERIOD) {
                log::forget_level();
            }
            state.within(|| {
                Slot::new().within(|| profile::of_filter::<H, _>(0, || callback(&mut H::create(&(), id), &())))
            })
        };
        settle();
        if code | state.changes(phase, ABILITIES) == 0 {
            return code;
        }
        state.returned(phase, code);
        // A call of an earlier callback may be pending, and nothing is known about it here.
        let rest = if phase.begins_stream() || !matches!(rest, Rest::Nothing) { rest } else { Rest::Parts };
        conclude::<H>(id, state, phase, code, rest)
    }
}

/// A state in the frame of a callback. With this alignment the state is at the beginning of the
/// frame, so that no instruction has to add its offset to its address.
#[repr(align(16))]
struct OnStack(State);

/// The abilities of such a stream. Nothing about it is known past a callback, so it holds nothing
/// that could be resumed, and takes no responses.
const ABILITIES: Abilities = Abilities::of_stream(false, false, false);

impl<H: HttpFilter<Plugin = ()>> Stateless<H> {
    /// Returns the dispatcher of a VM before its first callback.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// Forgets everything, as at the end of the VM.
    pub fn reset(&self) {
        callout::clear();
        arenas::clear();
        end_vm();
    }

    /// Does nothing: a stateless filter has no tasks.
    pub const fn poll_woken(&self, _context: u32) {}

    pub fn proxy_on_vm_start(&self, _plugin: u32, _configuration_size: usize) -> u32 {
        log::forget_level();
        log_allocator();
        1
    }

    /// Configures the budgets. There is no plugin to configure.
    pub fn proxy_on_configure(&self, plugin: u32, configuration_size: usize) -> u32 {
        profile::name_plugin(plugin);
        u32::from(budget::configure(plugin, configuration_size))
    }

    pub fn proxy_on_log(&self, context: u32) {
        self.end(context, "on_log", H::on_log);
    }

    pub fn proxy_on_done(&self, context: u32) -> u32 {
        self.end(context, "on_done", H::on_done);
        1
    }

    pub fn proxy_on_delete(&self, context: u32) {
        self.end(context, "on_delete", H::on_delete);
    }

    fn end(&self, context: u32, name: &str, callback: fn(&mut H, &mut HttpHandle<'_>) -> Result<()>) {
        let ended = self.run_http(context, |filter, plugin| {
            stream_state::current(|state| state.map(State::end));
            callback(filter, &mut HttpHandle::new(context, plugin))
        });
        note_failure(name, context, ended);
    }
}
