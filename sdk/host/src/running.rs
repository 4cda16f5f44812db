//! A proxy that runs: the path that every callback takes, and the controls of a test.

mod proxy;

use std::cell::{Cell, RefCell, RefMut};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::abi::{BufferType, Import, LogLevel, Status};

use crate::access_log::AccessLog;
use crate::cost::Cost;
use crate::faults::{Fault, HostCall};
use crate::flow::{self, Way};
use crate::imports::Guest;
use crate::live;
use crate::phases::{self, Returned};
use crate::plugin::Plugin;
use crate::state::{Answer, Deferred, LogLine, PluginState, Restricted, State};
use crate::stream::HttpStream;
use crate::tcp::{self, TcpConnection};
use crate::vm::{Trap, Vm};

/// The context of the first plugin.
pub(crate) const PLUGIN: u32 = 1;

/// A proxy that runs a module on the current thread. Dropping the proxy ends the VM.
///
/// Methods about "the plugin" are about the first plugin. [`add_plugin`](Self::add_plugin) starts
/// others.
///
/// # Panics
///
/// Dropping panics if the module trapped and the test did not ask with [`trapped`](Self::trapped):
/// a trap that a test does not expect fails the test. Dropping also panics if the filter did
/// something that ends a proxy or garbles what the proxy sends, and the test did not ask with
/// [`harm`](Self::harm).
pub struct RunningHost {
    vm: RefCell<Rc<dyn Vm>>,
    /// Loads another VM of the module.
    load: Box<Load>,
    #[cfg(feature = "wasm")]
    first_pages: u64,
    guest: Rc<Guest>,
    policy: FailurePolicy,
    /// The time at which the VM was loaded, in nanoseconds that passed.
    loaded: Cell<u64>,
    trap: RefCell<Option<String>>,
    trap_seen: Cell<bool>,
    harm_seen: Cell<bool>,
    /// The depth of nested callbacks. A host call of the guest may run a function of the test,
    /// which may call back.
    depth: Cell<u32>,
    costs: RefCell<BTreeMap<&'static str, Cost>>,
}

/// Loads a VM, or fails with the reason.
pub(crate) type Load = dyn Fn(&Rc<Guest>) -> Result<Rc<dyn Vm>, String>;

/// The treatment of streams when the module has trapped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum FailurePolicy {
    #[default]
    Closed,
    Open,
    Reload,
}

/// The shortest life of a VM before another VM replaces it, in nanoseconds. This is the default of
/// Envoy's `reload_config`.
const RELOAD_AFTER: u64 = 1_000_000_000;

/// The outcome of a callback.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The module returned this value.
    Answer(u32),
    /// The module does not export the callback.
    Absent,
    /// The VM is dead. The callback killed it, or it was dead before.
    Failed,
}

impl Outcome {
    /// Returns the value that the module returned, or `None` if there is none.
    pub(crate) fn answer(self) -> Option<u32> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Absent | Self::Failed => None,
        }
    }
}

impl RunningHost {
    pub(crate) fn start(
        load: Box<Load>,
        guest: Rc<Guest>,
        plugin: PluginState,
        policy: FailurePolicy,
    ) -> Result<Self, String> {
        let vm = load(&guest)?;
        let running = Self {
            #[cfg(feature = "wasm")]
            first_pages: vm.pages(),
            vm: RefCell::new(vm),
            load,
            guest,
            policy,
            loaded: Cell::default(),
            trap: RefCell::default(),
            trap_seen: Cell::default(),
            harm_seen: Cell::default(),
            depth: Cell::default(),
            costs: RefCell::default(),
        };
        running.start_loaded();
        Plugin::begin(&running, plugin);
        Ok(running)
    }

    /// Runs the start functions of the VM.
    fn start_loaded(&self) {
        self.loaded.set(self.state().proxy.borrow().passed);
        self.state().restricted = Some(Restricted::Starting);
        let started = self.vm().start();
        self.state().restricted = None;
        if let Err(trap) = started {
            self.fail_vm(trap);
        }
    }

    fn vm(&self) -> Rc<dyn Vm> {
        self.vm.borrow().clone()
    }

    /// Replaces a dead VM before a new stream begins, if the failure policy says so and the VM is
    /// old enough. Starts the plugins again.
    pub(crate) fn reload(&self) {
        let due = self.loaded.get().saturating_add(RELOAD_AFTER) <= self.state().proxy.borrow().passed;
        if self.policy != FailurePolicy::Reload || !due || self.trap.borrow().is_none() || self.depth.get() != 0 {
            return;
        }
        self.state().forget_vm();
        let Ok(vm) = (self.load)(&self.guest) else { return };
        self.vm.replace(vm);
        *self.trap.borrow_mut() = None;
        self.start_loaded();
        let plugins: Vec<_> = self.state().plugins.keys().copied().collect();
        for plugin in plugins {
            Plugin::of(self, plugin).start();
        }
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.guest.state.borrow_mut()
    }

    /// Runs a callback of a context.
    pub(crate) fn enter(&self, context: u32, callback: &'static str, arguments: &[u32]) -> Outcome {
        if self.trap.borrow().is_some() {
            return Outcome::Failed;
        }
        let cost_before = self.cost();
        let before = std::mem::replace(&mut self.state().effective, context);
        let outer = std::mem::take(&mut self.state().acts);
        if self.depth.get() == 0 {
            let mut state = self.state();
            (state.entered, state.failed_at_once) = (callback, false);
        }
        self.depth.set(self.depth.get() + 1);
        let result = self.vm().call(callback, arguments);
        self.depth.set(self.depth.get() - 1);
        let acts = std::mem::replace(&mut self.state().acts, outer);
        self.state().effective = before;
        if let Ok(Some(status)) = result {
            self.state().cost.vm_entries += 1;
            if !acts.is_empty() {
                phases::judge(&mut self.state(), &Returned::new(callback, arguments, status), &acts);
            }
        }
        if self.depth.get() == 0 {
            let spent = self.cost() - cost_before;
            let mut costs = self.costs.borrow_mut();
            let cost = costs.entry(callback).or_default();
            *cost = *cost + spent;
        }
        match result {
            Ok(Some(answer)) => Outcome::Answer(answer),
            Ok(None) => Outcome::Absent,
            Err(trap) => {
                self.state().deferred.clear();
                self.fail_vm(trap);
                Outcome::Failed
            }
        }
    }

    /// Does what the guest asked for during its callback. Does nothing while an outer callback
    /// runs.
    pub(crate) fn run_deferred(&self) {
        if self.depth.get() != 0 {
            return;
        }
        let deferred = self.state().take_deferred();
        for (id, what, is_judged) in deferred {
            match what {
                Deferred::Delete => Plugin::of(self, id).delete(),
                Deferred::RefuseCall(token) => self.refuse_call_headers(token),
                Deferred::CloseGrpc(plugin, token) => self.close_grpc_at_once(plugin, token),
                Deferred::Resume(direction) => {
                    if let Some(stream) = self.state().streams.get_mut(&id) {
                        stream.resumed.push(direction);
                    }
                    match Way::from_number(direction) {
                        Some(way) => flow::resume(self, id, way, is_judged),
                        // Envoy resumes only the downstream side of a connection.
                        None => {
                            if let Some(body) = self.state().body(id, BufferType::DownstreamData) {
                                body.release();
                            }
                            tcp::read_on(self, id, BufferType::DownstreamData);
                        }
                    }
                }
                Deferred::Close(direction) => {
                    if let Some(stream) = self.state().streams.get_mut(&id) {
                        stream.closed.push(direction);
                    }
                    if Way::from_number(direction).is_none() {
                        tcp::closed_by_filter(self, id);
                    }
                }
                Deferred::Answer => {
                    let reply = self.state().streams.get(&id).and_then(|stream| stream.reply.clone());
                    if let Some(reply) = reply {
                        flow::answer(self, id, &reply);
                    }
                }
            }
        }
    }

    /// Returns whether the filter replied to or reset a stream.
    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.state().is_over(stream)
    }

    /// Returns whether body callbacks follow headers that are held with `StopIteration`.
    pub(crate) fn allows_stop_iteration(&self) -> bool {
        self.state().allows_stop_iteration
    }

    fn fail_vm(&self, Trap(why): Trap) {
        self.trap.borrow_mut().get_or_insert(why);
    }

    /// Runs a callback of an HTTP stream, and returns the filter's action.
    ///
    /// If the VM is dead, this returns `stop`, unless the proxy fails open. Envoy then responds
    /// with 503, or resets the stream if a response is on its way.
    pub(crate) fn filter(&self, id: u32, callback: &'static str, arguments: &[u32], stop: u32) -> u32 {
        match self.enter(id, callback, arguments) {
            Outcome::Answer(action) => action,
            Outcome::Absent => 0,
            Outcome::Failed if self.passes(id) => 0,
            Outcome::Failed => {
                flow::fail(self, id);
                stop
            }
        }
    }

    /// Runs a callback of a connection, and returns the filter's action.
    ///
    /// If the VM is dead, this returns `stop`, unless the proxy fails open. Envoy then closes both
    /// sides.
    pub(crate) fn connection_filter(&self, id: u32, callback: &'static str, arguments: &[u32], stop: u32) -> u32 {
        match self.enter(id, callback, arguments) {
            Outcome::Answer(action) => action,
            Outcome::Absent => 0,
            Outcome::Failed if self.passes(id) => 0,
            Outcome::Failed => {
                if let Some(stream) = self.state().streams.get_mut(&id) {
                    stream.closed.extend([2, 3]);
                }
                stop
            }
        }
    }

    /// Returns whether a stream passes the dead VM: the proxy fails open, and the VM was dead
    /// before the stream began.
    fn passes(&self, stream: u32) -> bool {
        self.policy == FailurePolicy::Open && self.state().streams.get(&stream).is_some_and(|stream| stream.unfiltered)
    }

    /// Returns whether a new stream has no VM.
    pub(crate) fn is_dead(&self) -> bool {
        self.trap.borrow().is_some()
    }

    /// Returns the first thing that the filter did which ends a proxy or garbles what it sends, or
    /// `None` if the filter did no such thing.
    ///
    /// Such a host call fails the test when the host is dropped, unless the test calls this method.
    pub fn harm(&self) -> Option<String> {
        self.harm_seen.set(true);
        self.state().harm.clone()
    }

    /// Returns the reason why the VM is dead, or `None` if the VM is alive.
    ///
    /// A trap fails the test when the host is dropped, unless the test calls this method. Natively
    /// there are no traps: a filter's panic is the test's.
    pub fn trapped(&self) -> Option<String> {
        self.trap_seen.set(true);
        self.trap.borrow().clone()
    }

    /// Returns the first plugin.
    pub fn plugin(&self) -> Plugin<'_> {
        Plugin::of(self, PLUGIN)
    }

    /// Starts another plugin in the VM, with this root id and this configuration.
    pub fn add_plugin(&self, root_id: impl Into<Vec<u8>>, configuration: impl Into<Vec<u8>>) -> Plugin<'_> {
        let (root_id, configuration) = (root_id.into(), configuration.into());
        Plugin::begin(self, PluginState { root_id, configuration, ..PluginState::default() })
    }

    /// Calls `on_vm_start`. Returns whether the module accepted.
    pub fn start_vm(&self) -> bool {
        self.plugin().start_vm()
    }

    /// Calls `on_configure`. Returns whether the module accepted.
    pub fn start_plugin(&self) -> bool {
        self.plugin().configure()
    }

    /// Asks the plugin whether it could start with its configuration. Returns whether it could.
    pub fn validate_configuration(&self) -> bool {
        self.plugin().validate_configuration()
    }

    /// Returns whether the VM and the plugin accepted their configurations.
    #[must_use]
    pub fn started(&self) -> bool {
        self.plugin().started()
    }

    /// Lets one tick period of the plugin pass, and calls `on_tick`.
    pub fn tick(&self) {
        self.plugin().tick();
    }

    /// Returns the tick period that the plugin asked for, or `None` if it asked for no ticks.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        self.plugin().tick_period()
    }

    /// Opens an HTTP stream with the plugin.
    pub fn http_stream(&self) -> HttpStream<'_> {
        self.plugin().http_stream()
    }

    /// Opens a connection with the plugin. [`TcpConnection::opened`] returns the filter's action.
    pub fn tcp_connection(&self) -> TcpConnection<'_> {
        self.plugin().tcp_connection()
    }

    /// Makes an entry of an access log that the plugin writes. [`AccessLog::log`] calls `on_log`.
    pub fn access_log(&self) -> AccessLog<'_> {
        self.plugin().access_log()
    }

    /// Ends the plugin: calls `on_done`, then `on_delete` if the plugin is done.
    ///
    /// Returns whether the plugin is done.
    pub fn finish(&self) -> bool {
        self.plugin().finish()
    }

    /// Calls a function of the plugin: `on_foreign_function`, with the function's number and
    /// arguments.
    pub fn call_function(&self, function: u32, arguments: impl Into<Vec<u8>>) {
        let arguments = arguments.into();
        let size = count(arguments.len());
        let mut answer = Answer::default();
        answer.buffers.insert(BufferType::ForeignFunctionArguments as u32, arguments);
        self.deliver(answer, PLUGIN, "proxy_on_foreign_function", &[PLUGIN, function, size]);
    }

    /// Calls a function of the plugin, and returns the bytes that the plugin then hands to the
    /// foreign function `answer`, or `None` if the plugin does not call that.
    ///
    /// A test asks in this way for a report of the heap or for a profile, as an operator does. The
    /// foreign function stays in the proxy.
    pub fn ask(&self, function: u32, answer: &str) -> Option<Vec<u8>> {
        let answered = Rc::new(RefCell::new(None));
        let answering = answered.clone();
        self.add_foreign_function(answer, move |bytes| {
            answering.replace(Some(bytes.to_vec()));
            Ok(Vec::new())
        });
        self.call_function(function, "");
        answered.take()
    }

    /// Calls any callback with any arguments, in any order, as no proxy would.
    ///
    /// Returns the value that the callback returned, or `None` if the module does not export the
    /// callback or the VM is dead.
    pub fn callback(&self, callback: &'static str, arguments: &[u32]) -> Option<u32> {
        // No proxy makes such a call, so its harm does not fail the test.
        self.harm_seen.set(true);
        let answer = self.enter(arguments.first().copied().unwrap_or_default(), callback, arguments).answer();
        self.run_deferred();
        answer
    }

    /// Returns all lines that the filter logged, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.state().log.clone()
    }

    /// Returns whether a line of this level and exactly this text was logged.
    #[must_use]
    pub fn logged(&self, level: LogLevel, text: &str) -> bool {
        self.state().log.iter().any(|line| line.level == level && line.text == text)
    }

    /// Clears the log.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// Sets the lowest level that the proxy's log keeps.
    pub fn set_log_level(&self, level: LogLevel) {
        self.state().log_level = level as u32;
    }

    /// Returns the number of times the filter called a host function.
    #[must_use]
    pub fn calls(&self, import: Import) -> usize {
        self.state().calls.get(&import).copied().unwrap_or_default()
    }

    /// Returns the number of all host calls of the filter.
    #[must_use]
    pub fn all_calls(&self) -> usize {
        self.state().calls.values().sum()
    }

    /// Returns the cost of the module since it was first loaded, start functions included.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.state().cost
    }

    /// Returns the cost of each callback since the module was first loaded. The host calls,
    /// allocations and growth within a callback are included.
    #[must_use]
    pub fn costs(&self) -> BTreeMap<&'static str, Cost> {
        self.costs.borrow().clone()
    }

    /// Returns the number of pages of 64 KiB of the module's linear memory; 0 natively.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.vm().pages()
    }

    /// Returns the number of pages with which the module began.
    #[cfg(feature = "wasm")]
    pub(crate) fn first_pages(&self) -> u64 {
        self.first_pages
    }

    /// Returns the number of times the linear memory could not grow because of
    /// [`Host::page_limit`](crate::Host); 0 natively.
    #[must_use]
    pub fn refused_grows(&self) -> u64 {
        self.vm().refused_grows()
    }

    /// Returns the number of bytes that the filters of this thread hold natively.
    ///
    /// Returns `None` if [`Counting`](crate::Counting) is not the global allocator.
    #[must_use]
    pub fn live_bytes(&self) -> Option<isize> {
        live::live()
    }

    /// Returns whether [`live_bytes`](Self::live_bytes) counts this module's bytes.
    pub(crate) fn is_counted(&self) -> bool {
        self.pages() == 0 && self.live_bytes().is_some()
    }

    /// Makes a host function return a status instead of doing its work. [`Status::Ok`] makes the
    /// function work again.
    pub fn fail(&self, import: Import, status: Status) {
        let statuses = &mut self.state().faults.statuses;
        if status == Status::Ok {
            statuses.remove(&import);
        } else {
            statuses.insert(import, status);
        }
    }

    /// Makes a host call go wrong. The next host call of the module is number 0.
    pub fn fault(&self, call: usize, fault: Fault) {
        self.state().faults.plan(call, fault);
    }

    /// Makes a call of a WASI function go wrong. The next such call of the module is number 0.
    #[cfg(feature = "wasm")]
    pub fn wasi_fault(&self, call: usize, fault: crate::WasiFault) {
        self.state().faults.wasi.plan(call, fault);
    }

    /// Ends the record of the calls of WASI's functions, and returns their names in order.
    #[cfg(feature = "wasm")]
    pub fn recorded_wasi(&self) -> Vec<String> {
        self.state().faults.take_wasi_record()
    }

    /// Removes everything that [`fail`](Self::fail), [`fault`](Self::fault) and `wasi_fault`
    /// planned.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Begins a record of all host calls.
    pub fn record(&self) {
        self.state().faults.start_record();
    }

    /// Ends the record, and returns the host calls in order.
    pub fn recorded(&self) -> Vec<HostCall> {
        self.state().faults.take_record()
    }
}

impl Drop for RunningHost {
    fn drop(&mut self) {
        {
            let state = self.state();
            state.proxy.borrow_mut().end_vm(&state.vm_id);
        }
        if std::thread::panicking() {
            // The test failed: print the filter's log.
            self.state().log.iter().for_each(|line| eprintln!("filter: {:?} {}", line.level, line.text));
        }
        if let Some(why) = self.trap.take()
            && !self.trap_seen.get()
            && !std::thread::panicking()
        {
            panic!("the module trapped: {why}");
        }
        let harm = self.state().harm.take();
        if let Some(why) = harm
            && !self.harm_seen.get()
            && !std::thread::panicking()
        {
            panic!("a proxy would be harmed: {why}");
        }
    }
}

/// Converts a count or size to the type that callbacks get.
pub(crate) fn count(count: usize) -> u32 {
    u32::try_from(count).expect("less than 4 billion")
}
