//! From a callback of the host to the context that it is for.
//!
//! The rules that keep a VM alive under any host:
//!
//! - Nothing of the SDK's own state is borrowed while the filter's code or a host call runs.
//! - Each context is behind a flag of its own: a host that calls back into a context whose callback is running finds it busy, and the callback is
//!   answered like one for an unknown context.
//! - An unknown number, a number that is taken, a callback in a wrong order: a line in the log, and the failure policy where a stream waits for an answer.

mod table;

use core::cell::RefCell;
use core::marker::PhantomData;

use crate::abi::{Entry, LogLevel, MapType, Shared};
use crate::context::{Action, FailurePolicy, HttpFilter, PluginContext, StartStatus, VmContext};
use crate::error::Result;
use crate::handle::{Headers, HttpHandle, PluginHandle, VmHandle};
use crate::headers::Snapshots;
use crate::log;
use crate::queue::Queue;
use crate::reply::LocalResponse;
use table::Table;

/// The plugin of a filter.
type PluginOf<H> = <H as HttpFilter>::Plugin;
/// The VM of a filter.
type VmOf<H> = <PluginOf<H> as PluginContext>::Vm;

/// How many streams pass before the proxy's log level is asked for again; a power of two.
const LEVEL_PERIOD: u32 = 64;

/// Stands for the filter of a plugin that has none: its streams are not tracked.
#[derive(Debug)]
pub struct NoHttp<P>(PhantomData<P>);

impl<P: PluginContext> HttpFilter for NoHttp<P> {
    type Plugin = P;

    fn create(_: &P, _: u32) -> Self {
        Self(PhantomData)
    }
}

/// All contexts of one VM, and a method for each callback.
pub struct Dispatcher<H: HttpFilter> {
    vm: RefCell<Option<Shared<RefCell<VmOf<H>>>>>,
    plugins: Table<Plugin<PluginOf<H>>>,
    streams: Table<Stream<H>>,
    /// Whether streams have contexts at all.
    tracks_streams: bool,
}

struct Plugin<P: PluginContext> {
    vm: Shared<RefCell<P::Vm>>,
    context: RefCell<P>,
}

struct Stream<H: HttpFilter> {
    plugin: Shared<Plugin<H::Plugin>>,
    filter: RefCell<H>,
}

impl<P: PluginContext> Dispatcher<NoHttp<P>> {
    /// The dispatcher of a plugin without a filter.
    #[must_use]
    pub const fn without_http() -> Self {
        Self { vm: RefCell::new(None), plugins: Table::new(), streams: Table::new(), tracks_streams: false }
    }
}

impl<H: HttpFilter> Dispatcher<H> {
    /// The dispatcher of a filter.
    #[must_use]
    pub const fn with_http() -> Self {
        Self { vm: RefCell::new(None), plugins: Table::new(), streams: Table::new(), tracks_streams: true }
    }

    /// Drops all contexts, as if the VM were thrown away.
    pub fn reset(&self) {
        self.streams.clear();
        self.plugins.clear();
        if let Ok(mut vm) = self.vm.try_borrow_mut() {
            *vm = None;
        }
        log::forget_level();
    }

    pub fn proxy_on_context_create(&self, context: u32, parent: u32) {
        let _entry = Entry::new();
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
        if let Some(line) = crate::ALLOCATOR_LINE {
            log::write_text(LogLevel::Debug, line);
        }
        if self.plugins.get(id).is_some() {
            return Err(NotCreated::Number);
        }
        let vm = self.vm()?;
        let context = {
            let vm = vm.try_borrow().map_err(|_| NotCreated::Busy)?;
            RefCell::new(PluginOf::<H>::create(&vm, id))
        };
        match self.plugins.insert(id, Plugin { vm, context }) {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotCreated::Number),
            Err(_) => Err(NotCreated::Memory),
        }
    }

    fn create_stream(&self, id: u32, parent: u32) -> Result<(), NotCreated> {
        if !self.tracks_streams {
            return Ok(());
        }
        if id.is_multiple_of(LEVEL_PERIOD) {
            log::forget_level();
        }
        if self.streams.get(id).is_some() {
            return Err(NotCreated::Number);
        }
        let plugin = self.plugins.get(parent).ok_or(NotCreated::Parent)?;
        let filter = {
            let context = plugin.context.try_borrow().map_err(|_| NotCreated::Busy)?;
            RefCell::new(H::create(&context, id))
        };
        match self.streams.insert(id, Stream { plugin, filter }) {
            Ok(true) => Ok(()),
            Ok(false) => Err(NotCreated::Number),
            Err(_) => Err(NotCreated::Memory),
        }
    }

    /// The VM's context, made when it is first asked for.
    fn vm(&self) -> Result<Shared<RefCell<VmOf<H>>>, NotCreated> {
        if let Some(vm) = self.vm.try_borrow().map_err(|_| NotCreated::Busy)?.as_ref() {
            return Ok(vm.clone());
        }
        let vm = Shared::try_new(RefCell::new(VmOf::<H>::create())).map_err(|_| NotCreated::Memory)?;
        // Made before the borrow: `create` is the filter's code.
        *self.vm.try_borrow_mut().map_err(|_| NotCreated::Busy)? = Some(vm.clone());
        Ok(vm)
    }

    pub fn proxy_on_vm_start(&self, _plugin: u32, configuration_size: usize) -> u32 {
        let _entry = Entry::new();
        log::forget_level();
        let Ok(vm) = self.vm() else { return 0 };
        let Ok(mut context) = vm.try_borrow_mut() else { return 0 };
        let started = context.on_vm_start(&mut VmHandle { configuration_size, callback: PhantomData });
        start_status("on_vm_start", started)
    }

    pub fn proxy_on_configure(&self, plugin: u32, configuration_size: usize) -> u32 {
        log::forget_level();
        let started = self.with_plugin(plugin, configuration_size, PluginContext::on_configure);
        started.map_or(0, |started| start_status("on_configure", started))
    }

    pub fn proxy_on_tick(&self, plugin: u32) {
        log::forget_level();
        if let Some(Err(error)) = self.with_plugin(plugin, 0, PluginContext::on_tick) {
            log::failure(LogLevel::Error, "on_tick", &error);
        }
    }

    pub fn proxy_on_queue_ready(&self, plugin: u32, queue: u32) {
        log::forget_level();
        let ready = self.with_plugin(plugin, 0, |context, handle| context.on_queue_ready(handle, Queue::of(queue)));
        if let Some(Err(error)) = ready {
            log::failure(LogLevel::Error, "on_queue_ready", &error);
        }
    }

    pub fn proxy_on_request_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpRequestHeaders);
        self.on_headers("on_request_headers", context, &snapshots, headers, end_of_stream, H::on_request_headers)
    }

    pub fn proxy_on_response_headers(&self, context: u32, headers: u32, end_of_stream: u32) -> u32 {
        let snapshots = Snapshots::new(MapType::HttpResponseHeaders);
        self.on_headers("on_response_headers", context, &snapshots, headers, end_of_stream, H::on_response_headers)
    }

    fn on_headers<D>(
        &self,
        name: &str,
        context: u32,
        snapshots: &Snapshots,
        announced: u32,
        end_of_stream: u32,
        callback: impl FnOnce(&mut H, &mut Headers<'_, D, PluginOf<H>>) -> Result<Action>,
    ) -> u32 {
        let action = self.with_stream(context, |filter, stream| {
            let end_of_stream = end_of_stream != 0;
            callback(filter, &mut Headers { stream, snapshots, announced, end_of_stream, direction: PhantomData })
        });
        match action {
            Some(Ok(action)) => action as u32,
            Some(Err(error)) => {
                log::failure(LogLevel::Error, name, &error);
                fail::<H>()
            }
            None => fail::<H>(),
        }
    }

    pub fn proxy_on_log(&self, context: u32) {
        // Hosts call it for plugins too, which have nothing to log.
        if let Some(stream) = self.streams.get(context) {
            Self::run(context, &stream, |filter, mut handle| filter.on_log(&mut handle));
        }
    }

    pub fn proxy_on_done(&self, context: u32) -> u32 {
        if let Some(stream) = self.streams.get(context) {
            Self::run(context, &stream, |filter, mut handle| filter.on_done(&mut handle));
            return 1;
        }
        match self.plugins.get(context) {
            Some(_) => u32::from(self.with_plugin(context, 0, PluginContext::on_done).unwrap_or(true)),
            None => 1,
        }
    }

    pub fn proxy_on_delete(&self, context: u32) {
        // Out of the table first: to a host that calls back from here on, the context is gone. It is dropped here, or at the end of the
        // callback that is running in it.
        if let Some(stream) = self.streams.remove(context) {
            Self::run(context, &stream, |filter, mut handle| filter.on_delete(&mut handle));
        } else if let Some(plugin) = self.plugins.remove(context) {
            Self::run_plugin(context, &plugin, 0, PluginContext::on_delete);
        } else if self.tracks_streams {
            log::note(LogLevel::Warn, "no such context", context);
        }
    }

    /// Runs a callback of a plugin; none if there is no such plugin, or it is busy.
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
        Self::run_plugin(id, &plugin, configuration_size, callback)
    }

    fn run_plugin<R>(
        id: u32,
        plugin: &Plugin<PluginOf<H>>,
        configuration_size: usize,
        callback: impl FnOnce(&mut PluginOf<H>, &mut PluginHandle<'_, VmOf<H>>) -> R,
    ) -> Option<R> {
        let _entry = Entry::new();
        let (Ok(vm), Ok(mut context)) = (plugin.vm.try_borrow(), plugin.context.try_borrow_mut()) else {
            log::note(LogLevel::Warn, "context is busy", id);
            return None;
        };
        Some(callback(&mut context, &mut PluginHandle { id, vm: &vm, configuration_size }))
    }

    /// Runs a callback of a stream; none if there is no such stream, or it is busy.
    fn with_stream<R>(&self, id: u32, callback: impl FnOnce(&mut H, HttpHandle<'_, PluginOf<H>>) -> R) -> Option<R> {
        let Some(stream) = self.streams.get(id) else {
            log::note(LogLevel::Warn, "no such context", id);
            return None;
        };
        Self::run(id, &stream, callback)
    }

    fn run<R>(
        id: u32,
        stream: &Stream<H>,
        callback: impl FnOnce(&mut H, HttpHandle<'_, PluginOf<H>>) -> R,
    ) -> Option<R> {
        let _entry = Entry::new();
        let (Ok(plugin), Ok(mut filter)) = (stream.plugin.context.try_borrow(), stream.filter.try_borrow_mut()) else {
            log::note(LogLevel::Warn, "context is busy", id);
            return None;
        };
        Some(callback(&mut filter, HttpHandle { id, plugin: &plugin }))
    }
}

/// Why a context was not created.
enum NotCreated {
    Number,
    Parent,
    Busy,
    Memory,
}

fn start_status(name: &str, started: Result<StartStatus>) -> u32 {
    match started {
        Ok(StartStatus::Ok) => 1,
        Ok(StartStatus::Failed) => 0,
        Err(error) => {
            log::failure(LogLevel::Critical, name, &error);
            0
        }
    }
}

/// Acts on a stream whose filter failed.
#[cold]
fn fail<H: HttpFilter>() -> u32 {
    let action = match H::ON_ERROR {
        FailurePolicy::Open => Action::Continue,
        FailurePolicy::Closed => {
            // If this is refused too, a response is on its way already; the stream stops here all the same.
            let _ = LocalResponse::new(500).details("filter_error").send();
            Action::StopIteration
        }
    };
    action as u32
}
