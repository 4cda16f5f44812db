//! The dispatcher: passes a callback of the host to the context that it is for.
//!
//! The rules that keep a VM alive under any host:
//!
//! - No state of the SDK is borrowed while the filter's code or a host call runs.
//! - Each context has a flag of its own. A host that calls back into a context whose callback is
//!   running finds the context busy. Such a callback is handled like one for an unknown context.
//! - An unknown number, a number that is taken, or a callback in a wrong order writes a line to the
//!   log. If a stream waits for a status, the failure policy decides.

mod answers;
mod complete;
mod contexts;
mod exports;
mod held;
mod http;
mod http_policy;
mod pressure;
mod roots;
mod stateless;
mod stranded;
mod streams;
#[cfg(feature = "async")]
mod task_ends;
#[cfg(feature = "async")]
mod tasks;
mod tcp;
mod tcp_policy;
mod timers;
mod tracked;
mod unseen;

use core::cell::RefCell;
use core::marker::PhantomData;

use crate::abi::arenas;
use crate::abi::{CallbackScope, LogLevel, Shared, end_vm};
use crate::budget;
use crate::callout;
use crate::context::named::Facts;
use crate::context::{HttpFilter, PluginContext, TcpFilter, VmContext};
use crate::error::Result;
use crate::handle::{AccessLogEntry, HttpHandle, PluginHandle, VmHandle};
use crate::log;
use crate::memory_metrics;
use crate::owner::AccessLog;
use crate::profile;
use crate::queue::Queue;
use crate::stream_state::{Phase, begin_entry};
use crate::table::Table;
use crate::timer;
pub use contexts::NoStreams;
use contexts::{
    NotCreated, PERIOD, Plugin, PluginOf, VmOf, created, log_allocator, note_failure, note_pause, start_status,
    within_plugin,
};
pub use exports::{Exports, initialize};
pub use http::{HttpCallbacks, Rest};
pub use roots::{forget_root, root_of, root_of_new};
pub use stateless::Stateless;
use tracked::{Http, Stream, Tcp};

/// Runs a callback, and then the tasks that it woke in other contexts: `poll` polls the tasks of
/// one context. After a callback that decides about its stream, the tasks are polled at a tick.
#[inline]
pub fn with_woken<R>(decides: bool, callback: impl FnOnce() -> R, poll: impl Fn(u32)) -> R {
    let answer = callback();
    #[cfg(feature = "async")]
    crate::task::each_woken(decides, poll);
    #[cfg(not(feature = "async"))]
    let _ = (decides, poll);
    answer
}

/// Returns whether the status of a callback decides about a stream.
#[must_use]
pub const fn decides(callback: &str) -> bool {
    let name = callback.as_bytes();
    starts_with(name, b"proxy_on_request_")
        || starts_with(name, b"proxy_on_response_")
        || starts_with(name, b"proxy_on_new_connection")
        || starts_with(name, b"proxy_on_downstream_data")
        || starts_with(name, b"proxy_on_upstream_data")
}

const fn starts_with(mut name: &[u8], mut prefix: &[u8]) -> bool {
    while let [first, rest @ ..] = prefix {
        match name {
            [same, others @ ..] if *same == *first => (name, prefix) = (others, rest),
            _ => return false,
        }
    }
    true
}

/// All contexts of one VM, with a method for each callback.
pub struct Dispatcher<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> {
    vm: RefCell<Option<Shared<RefCell<VmOf<H>>>>>,
    plugins: Table<Plugin<H::Plugin>>,
    streams: Table<Stream<Http<H>>>,
    connections: Table<Stream<Tcp<T>>>,
}

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Default for Dispatcher<H, T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    /// Returns the dispatcher of a VM before its first callback.
    #[must_use]
    pub const fn new() -> Self {
        Self { vm: RefCell::new(None), plugins: Table::new(), streams: Table::new(), connections: Table::new() }
    }

    /// Drops all contexts, as at the end of the VM.
    pub fn reset(&self) {
        #[cfg(feature = "async")]
        crate::task::clear();
        self.streams.clear();
        self.connections.clear();
        self.plugins.clear();
        callout::clear();
        timer::clear();
        if let Ok(mut vm) = self.vm.try_borrow_mut() {
            *vm = None;
        }
        arenas::clear();
        end_vm();
    }

    /// Polls the woken tasks of a context, at the end of another context's callback.
    pub fn poll_woken(&self, context: u32) {
        #[cfg(feature = "async")]
        if Self::TASKS {
            self.poll_tasks(context);
        }
        #[cfg(not(feature = "async"))]
        let _ = context;
    }

    pub fn proxy_on_context_create(&self, context: u32, parent: u32) {
        let _scope = CallbackScope::new();
        let created = if parent == 0 { self.create_plugin(context) } else { self.create_stream(context, parent) };
        match created {
            Ok(()) => {}
            Err(NotCreated::Number) => log::note(LogLevel::Warn, "context number is taken", context),
            Err(NotCreated::Parent) => log::note(LogLevel::Warn, "no such parent context", parent),
            Err(NotCreated::Busy) => log::note(LogLevel::Warn, "context is busy", parent),
            Err(NotCreated::Memory) => log::note(LogLevel::Error, "out of memory for context", context),
        }
    }

    fn create_plugin(&self, id: u32) -> Result<(), NotCreated> {
        log::forget_level();
        if self.plugins.contains(id) {
            return Err(NotCreated::Number);
        }
        if Self::TIMERS {
            timer::share_the_tick(id);
        }
        let vm = self.vm()?;
        let context = {
            let vm = vm.try_borrow().map_err(|_| NotCreated::Busy)?;
            RefCell::new(profile::of_filter::<PluginOf<H>, _>(id, || PluginOf::<H>::create(&vm, id)))
        };
        created(self.plugins.insert(
            id,
            Plugin {
                #[cfg(any(feature = "async", feature = "budget", feature = "profile"))]
                id,
                vm,
                context,
            },
        ))?;
        memory_metrics::plugin_created();
        Ok(())
    }

    fn create_stream(&self, id: u32, parent: u32) -> Result<(), NotCreated> {
        if !H::TRACKED && !T::TRACKED {
            return Ok(());
        }
        if id.is_multiple_of(PERIOD) {
            log::forget_level();
            #[cfg(feature = "metrics")]
            memory_metrics::look();
        }
        let plugin = self.plugins.get(parent).ok_or(NotCreated::Parent)?;
        let accepts = |accepts: fn(&H::Plugin, u32) -> bool| {
            plugin.context.try_borrow().map(|plugin| accepts(&plugin, id)).map_err(|_| NotCreated::Busy)
        };
        if H::TRACKED && accepts(H::accepts)? {
            return self.streams.open(id, plugin, |plugin| H::create(plugin, id));
        }
        if T::TRACKED && accepts(T::accepts)? {
            return self.connections.open(id, plugin, |plugin| T::create(plugin, id));
        }
        Ok(())
    }

    /// Returns the VM's context, and makes it when it is first asked for.
    fn vm(&self) -> Result<Shared<RefCell<VmOf<H>>>, NotCreated> {
        if let Some(vm) = self.vm.try_borrow().map_err(|_| NotCreated::Busy)?.as_ref() {
            return Ok(vm.clone());
        }
        let vm = Shared::try_new(RefCell::new(VmOf::<H>::create())).map_err(|_| NotCreated::Memory)?;
        // Made before the borrow, because `create` is the filter's code.
        *self.vm.try_borrow_mut().map_err(|_| NotCreated::Busy)? = Some(vm.clone());
        Ok(vm)
    }

    pub fn proxy_on_vm_start(&self, plugin: u32, configuration_size: usize) -> u32 {
        let _scope = CallbackScope::new();
        log::forget_level();
        log_allocator();
        #[cfg(feature = "metrics")]
        memory_metrics::start();
        let Ok(vm) = self.vm() else { return 0 };
        let Ok(mut context) = vm.try_borrow_mut() else { return 0 };
        let started = context.on_vm_start(&mut VmHandle { configuration_size, callback: PhantomData });
        start_status("on_vm_start", plugin, started)
    }

    pub fn proxy_on_configure(&self, plugin: u32, configuration_size: usize) -> u32 {
        log::forget_level();
        profile::name_plugin(plugin);
        if !budget::configure(plugin, configuration_size) {
            return 0;
        }
        let started = self.with_plugin(plugin, configuration_size, PluginContext::on_configure);
        started.map_or(0, |started| start_status("on_configure", plugin, started))
    }

    pub fn proxy_validate_configuration(&self, plugin: u32, configuration_size: usize) -> u32 {
        let valid = self.with_plugin(plugin, configuration_size, PluginContext::on_validate_configuration);
        valid.map_or(0, |valid| start_status("on_validate_configuration", plugin, valid))
    }

    pub fn proxy_on_foreign_function(&self, plugin: u32, function: u32, _arguments_size: usize) {
        let called = self.with_plugin(plugin, 0, |context, handle| context.on_foreign_function(handle, function));
        note_failure("on_foreign_function", plugin, called);
    }

    pub fn proxy_on_tick(&self, plugin: u32) {
        log::forget_level();
        #[cfg(feature = "metrics")]
        memory_metrics::serve();
        #[cfg(feature = "async")]
        if Self::TASKS {
            // A tick may run no callback of the plugin before it polls tasks.
            begin_entry();
            crate::task::ticked();
        }
        if Self::TIMERS {
            self.run_timers(plugin);
        } else {
            self.tick(plugin);
        }
    }

    fn tick(&self, plugin: u32) {
        note_failure("on_tick", plugin, self.with_plugin(plugin, 0, PluginContext::on_tick));
    }

    pub fn proxy_on_queue_ready(&self, plugin: u32, queue: u32) {
        log::forget_level();
        let ready = self.with_plugin(plugin, 0, |context, handle| context.on_queue_ready(handle, Queue::of(queue)));
        note_failure("on_queue_ready", plugin, ready);
    }

    pub fn proxy_on_log(&self, context: u32) {
        if self.log_http(context) || self.log_tcp(context) || !PluginOf::<H>::LOGS {
            return;
        }
        log::forget_level();
        let logged = self.with_plugin(context, 0, |plugin, handle| {
            plugin.on_log(handle, &AccessLogEntry { id: context, above: &(), of: AccessLog(()) }) //
        });
        note_failure("on_log", context, logged);
    }

    pub fn proxy_on_done(&self, context: u32) -> u32 {
        if self.done_http(context) || self.done_tcp(context) || self.plugins.get(context).is_none() {
            return 1;
        }
        let mut ended = true;
        let done = self.with_plugin(context, 0, |plugin, handle| plugin.on_done(handle).map(|done| ended = done));
        note_failure("on_done", context, done);
        ended.into()
    }

    pub fn proxy_on_delete(&self, context: u32) {
        #[cfg(feature = "async")]
        if Self::TASKS {
            crate::task::forget(context);
        }
        // The context leaves the table first: if the host calls back from here on, the context is
        // gone. It is dropped here, or at the end of the callback that is running in it.
        let mut is_plugin = false;
        if !self.delete_http(context)
            && !self.delete_tcp(context)
            && let Some(plugin) = self.plugins.remove(context)
        {
            profile::forget_plugin(context);
            note_failure("on_delete", context, self.run_plugin(context, &plugin, 0, PluginContext::on_delete));
            is_plugin = true;
            let _scope = CallbackScope::new();
            memory_metrics::plugin_deleted();
        }
        #[cfg(feature = "async")]
        if Self::TASKS {
            // The tasks that the last callback started.
            crate::task::forget(context);
        }
        if Self::CALLS {
            callout::forget(context);
        }
        if H::GRPC_ANSWERS || T::GRPC_ANSWERS || PluginOf::<H>::GRPC_ANSWERS {
            callout::forget_open(context);
        }
        if Self::TIMERS {
            timer::forget(context);
        }
        if Self::ASKS && is_plugin {
            callout::forget_gone(|asker| !self.is_open(asker) && !roots::has_root(asker));
        }
    }

    /// Returns whether a context is open: a plugin, a stream or a connection.
    fn is_open(&self, context: u32) -> bool {
        self.plugins.contains(context) || self.streams.contains(context) || self.connections.contains(context)
    }

    /// Runs a callback of a plugin. Returns `None` if there is no such plugin, or if it is busy.
    fn with_plugin<R>(
        &self,
        id: u32,
        configuration_size: usize,
        callback: impl FnOnce(&mut PluginOf<H>, &mut PluginHandle<'_, VmOf<H>>) -> R,
    ) -> Option<R> {
        let Some(plugin) = self.plugins.get(id) else {
            log::note(LogLevel::Warn, "no such context", id);
            return None;
        };
        let answer = self.run_plugin(id, &plugin, configuration_size, callback);
        plugin.settle(self, None);
        answer
    }

    fn run_plugin<R>(
        &self,
        id: u32,
        plugin: &Plugin<PluginOf<H>>,
        configuration_size: usize,
        callback: impl FnOnce(&mut PluginOf<H>, &mut PluginHandle<'_, VmOf<H>>) -> R,
    ) -> Option<R> {
        let _scope = CallbackScope::new();
        let (Ok(vm), Ok(mut context)) = (plugin.vm.try_borrow(), plugin.context.try_borrow_mut()) else {
            log::note(LogLevel::Warn, "context is busy", id);
            return None;
        };
        begin_entry();
        Some(within_plugin::<PluginOf<H>, _>(self, || {
            let answer = profile::of_filter::<PluginOf<H>, _>(id, || {
                callback(&mut context, &mut PluginHandle::configured(id, &vm, configuration_size))
            });
            #[cfg(feature = "async")]
            if PluginOf::<H>::TASKS {
                crate::task::drive(id, id, &mut *context, &*vm, &mut |ended| task_ends::end_beside(id, ended));
            }
            answer
        }))
    }
}

impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> HttpCallbacks<H> for Dispatcher<H, T> {
    const KEEPS: bool = true;

    fn run_http<R>(&self, id: u32, callback: impl FnOnce(&mut H, &H::Plugin) -> R) -> Option<R> {
        self.streams.run(id, self, callback)
    }

    #[inline]
    fn decide_http(&self, id: u32, phase: Phase, rest: Rest, callback: impl FnOnce(&mut H, &H::Plugin) -> u32) -> u32 {
        let Some(stream) = self.streams.known(id) else { return http_policy::missing::<H>(None) };
        let state = &stream.state;
        if state.repeats(phase) {
            return 0;
        }
        let code = stream.run(id, self, |filter, plugin| {
            state.begin(phase);
            let code = callback(filter, plugin);
            state.returned(phase, code);
            code
        });
        match code {
            Some(code) => stream.account.within(|| http_policy::conclude::<H>(id, state, phase, code, rest)),
            None => http_policy::missing::<H>(Some(state)),
        }
    }
}

/// The callbacks that a host has for every kind of context. Each method returns whether the context
/// was an HTTP stream.
impl<H: HttpFilter, T: TcpFilter<Plugin = H::Plugin>> Dispatcher<H, T> {
    fn log_http(&self, context: u32) -> bool {
        self.end_http(context, "on_log", H::on_log)
    }

    fn done_http(&self, context: u32) -> bool {
        self.end_http(context, "on_done", H::on_done)
    }

    fn end_http(
        &self,
        context: u32,
        name: &str,
        callback: fn(&mut H, &mut HttpHandle<'_, PluginOf<H>>) -> Result<()>,
    ) -> bool {
        let Some(stream) = self.streams.get(context).filter(|_| H::TRACKED) else { return false };
        stream.state.end();
        let ended = stream.run(context, self, |filter, plugin| callback(filter, &mut HttpHandle::new(context, plugin)));
        note_failure(name, context, ended);
        true
    }

    fn delete_http(&self, context: u32) -> bool {
        let Some(stream) = H::TRACKED.then(|| self.streams.remove(context)).flatten() else { return false };
        note_pause(&stream.state, context);
        stream.state.end();
        let ended = stream.run(context, self, |filter, plugin| filter.on_delete(&mut HttpHandle::new(context, plugin)));
        note_failure("on_delete", context, ended);
        true
    }
}
