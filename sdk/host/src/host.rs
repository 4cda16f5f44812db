//! The host before it runs: a module and its configuration.

use std::rc::Rc;

use sluicegate::abi::{Exports, LogLevel, Status};

use crate::calls::CALL_STEP;
#[cfg(feature = "wasm")]
use crate::faults::WasiFault;
use crate::faults::{Fault, Faults};
use crate::foreign::Functions;
use crate::imports::Guest;
use crate::native::Native;
use crate::running::{FailurePolicy, Load, Running};
use crate::state::{Abi, BUFFER_LIMIT, PluginState, State};
#[cfg(feature = "wasm")]
use crate::wasm::{Limits, Module, VmError, Wasm};

/// A proxy that is configured and not started: [`start`](Self::start) makes it run. A clone is
/// another such proxy.
#[derive(Clone, Debug)]
#[must_use = "a host does nothing before it is started"]
pub struct Host {
    source: Source,
    vm_id: Vec<u8>,
    vm_configuration: Vec<u8>,
    /// The first plugin.
    plugin: PluginState,
    log_level: LogLevel,
    policy: FailurePolicy,
    allows_stop_iteration: bool,
    buffer_limit: usize,
    clusters: Option<Vec<String>>,
    hostless: Vec<String>,
    call_step: u32,
    faults: Faults,
    functions: Functions,
    /// The most pages of a compiled module's memory; as many as Envoy's if none.
    pages: Option<u64>,
}

/// Where the module is.
#[derive(Clone, Debug)]
enum Source {
    Native(&'static Exports),
    #[cfg(feature = "wasm")]
    Wasm(Module),
}

impl Host {
    /// A proxy with this module of the same process, which `plugin!` defines as `PLUGIN`.
    ///
    /// Such a module is one VM at a time on each thread: starting it again throws the one before
    /// away, which panics when it is driven then.
    pub fn new(module: &'static Exports) -> Self {
        Self::of(Source::Native(module))
    }

    /// A proxy with a compiled module. Each start is a VM with a memory of its own.
    #[cfg(feature = "wasm")]
    pub fn wasm(module: &Module) -> Self {
        Self::of(Source::Wasm(module.clone()))
    }

    fn of(source: Source) -> Self {
        Self {
            source,
            vm_id: Vec::new(),
            vm_configuration: Vec::new(),
            plugin: PluginState::default(),
            log_level: LogLevel::Trace,
            policy: FailurePolicy::default(),
            allows_stop_iteration: false,
            buffer_limit: BUFFER_LIMIT,
            clusters: None,
            hostless: Vec::new(),
            call_step: CALL_STEP,
            faults: Faults::default(),
            functions: Functions::default(),
            pages: None,
        }
    }

    /// Whether the module is compiled wasm.
    #[must_use]
    pub fn is_wasm(&self) -> bool {
        !matches!(self.source, Source::Native(_))
    }

    /// The names of the host functions that the module imports; natively nothing is imported.
    pub(crate) fn imports(&self) -> Vec<String> {
        match &self.source {
            Source::Native(_) => Vec::new(),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => module.imports().map(str::to_owned).collect(),
        }
    }

    /// The names of the callbacks that the module has.
    pub(crate) fn callbacks(&self) -> Vec<&'static str> {
        match &self.source {
            Source::Native(exports) => exports.names(),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => Exports::ALL.iter().copied().filter(|name| module.exports(name)).collect(),
        }
    }

    /// A proxy with a function that filters call by name, from the start on; see
    /// [`Running::add_foreign_function`].
    pub fn foreign_function(
        mut self,
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + 'static,
    ) -> Self {
        self.functions.add(name, Rc::new(function));
        self
    }

    /// The VM's id, under which it has its shared data and its queues; empty unless this says
    /// otherwise.
    pub fn vm_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.vm_id = id.into();
        self
    }

    /// The VM's configuration.
    pub fn vm_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.vm_configuration = configuration.into();
        self
    }

    /// The plugin's root id, which it reads as the property `plugin_root_id`.
    pub fn root_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.plugin.root_id = id.into();
        self
    }

    /// The plugin's configuration.
    pub fn plugin_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.plugin.configuration = configuration.into();
        self
    }

    /// The least level that the proxy's log keeps; everything unless this says otherwise.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Lets streams pass once the module has trapped, as Envoy's `failure_policy: FAIL_OPEN` does.
    /// Those that were open when it trapped are answered with 503.
    pub fn fail_open(mut self) -> Self {
        self.policy = FailurePolicy::Open;
        self
    }

    /// Loads a new VM for the next stream once the module has trapped, as Envoy's
    /// `failure_policy: FAIL_RELOAD` does: a second after the last VM was loaded by the proxy's
    /// clock, and until then streams are answered with 503. Without this and without
    /// [`fail_open`](Self::fail_open) all are.
    pub fn fail_reload(mut self) -> Self {
        self.policy = FailurePolicy::Reload;
        self
    }

    /// Lets body callbacks follow headers that the filter holds with `StopIteration`, as the field
    /// of this name of Envoy's plugin configuration does.
    pub fn allow_on_headers_stop_iteration(mut self) -> Self {
        self.allows_stop_iteration = true;
        self
    }

    /// How many bytes the proxy holds back of a body or of a connection's data, as Envoy's
    /// `per_connection_buffer_limit_bytes`; 1 MiB unless this says otherwise.
    ///
    /// A filter that holds back more to see it again (`StopIterationAndBuffer`,
    /// `StopAllIterationAndBuffer`) makes the proxy answer: 413 to a request, 500 to a response, or
    /// a reset if its headers are on their way. In the other ways to hold back
    /// (`StopIterationAndWatermark`, `StopAllIterationAndWatermark`, which is also what
    /// `StopIteration` of headers means, and connections) the proxy reads no more: what comes then
    /// waits, is answered with 1, and comes to the filter when half of the limit is left.
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit = bytes;
        self
    }

    /// The clusters that the proxy has: a call to another one is refused. Without this it has all
    /// of them.
    pub fn clusters<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.clusters = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Names a cluster that has no healthy host, such as a service that was scaled to nothing: a
    /// call to the cluster fails at once, with the status `InternalFailure`.
    pub fn cluster_without_hosts(mut self, name: impl Into<String>) -> Self {
        self.hostless.push(name.into());
        self
    }

    /// Sets how far apart the numbers of HTTP calls are. Envoy's are four apart, as they are
    /// without this, and other hosts count by one.
    pub fn call_step(mut self, step: u32) -> Self {
        self.call_step = step;
        self
    }

    /// The most pages of 64 KiB that the module's memory may have; past them it has no memory.
    /// Natively this does nothing.
    pub fn page_limit(mut self, pages: u64) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Lets a host call go wrong, counted from the module's first one, which is 0:
    /// [`Running::fault`] for the start.
    pub fn fault(mut self, call: usize, fault: Fault) -> Self {
        self.faults.plan(call, fault);
        self
    }

    /// Lets a call of a function of WASI go wrong, counted from the module's first one, which is 0:
    /// [`Running::wasi_fault`] for the start.
    #[cfg(feature = "wasm")]
    pub fn wasi_fault(mut self, call: usize, fault: WasiFault) -> Self {
        self.faults.wasi.plan(call, fault);
        self
    }

    /// Records from the start on: [`Running::recorded`] gives the host calls.
    pub fn recording(mut self) -> Self {
        self.faults.start_record();
        self
    }

    /// Starts the VM and the plugin in it, whatever they answer: [`Running::started`] tells.
    ///
    /// # Panics
    ///
    /// If a compiled module asks for what no host gives; the message names it.
    pub fn start(self) -> Running {
        self.start_in(State::default())
    }

    /// Starts the VM in the proxy of another one. They share the clock and the queues, and, if
    /// their ids are the same, the data and the queues' names.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start) does.
    pub fn start_beside(self, other: &Running) -> Running {
        let proxy = other.state().proxy.clone();
        self.start_in(State { proxy, ..State::default() })
    }

    fn start_in(self, state: State) -> Running {
        self.try_start_in(state).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Like [`start`](Self::start), for modules of which nothing is known.
    ///
    /// # Errors
    ///
    /// When the module asks for what no host gives.
    #[cfg(feature = "wasm")]
    pub fn try_start(self) -> Result<Running, VmError> {
        self.try_start_in(State::default()).map_err(VmError::new)
    }

    fn try_start_in(self, mut state: State) -> Result<Running, String> {
        let vm = state.proxy.borrow_mut().begin_vm(&self.vm_id);
        state.vm = vm;
        state.faults = self.faults;
        state.functions = self.functions;
        state.allows_stop_iteration = self.allows_stop_iteration;
        state.buffer_limit = self.buffer_limit;
        state.clusters = self.clusters;
        state.hostless = self.hostless;
        state.call_step = self.call_step;
        state.vm_id = self.vm_id;
        state.vm_configuration = self.vm_configuration;
        state.log_level = self.log_level as u32;
        state.abi = match &self.source {
            Source::Native(_) => Abi::of_the_sdk(),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => module.abi(),
        };
        let guest = Rc::new(Guest { state: state.into() });
        let load: Box<Load> = match self.source {
            Source::Native(exports) => Box::new(move |guest| Ok(Rc::new(Native::new(exports, guest.clone())))),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => {
                let limits = self.pages.map_or_else(Limits::default, |pages| Limits { pages });
                Box::new(move |guest| Ok(Rc::new(Wasm::new(&module, guest.clone(), &limits)?)))
            }
        };
        Running::start(load, guest, self.plugin, self.policy)
    }
}
