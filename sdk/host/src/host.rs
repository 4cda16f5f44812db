//! The host before it runs: a module and its configuration.

use std::rc::Rc;

use sluicegate::Exports;
use sluicegate::abi::{LogLevel, Status};

use crate::abi::guest::Guest;
use crate::backends::native::Native;
#[cfg(feature = "wasm")]
use crate::backends::wasm::module::{Module, VmError};
#[cfg(feature = "wasm")]
use crate::backends::wasm::vm::{Limits, Wasm};
use crate::drive::plugin::Plugin;
use crate::drive::running::{FailurePolicy, Load, RunningHost};
use crate::model::call::CALL_STEP;
#[cfg(feature = "wasm")]
use crate::model::faults::WasiFault;
use crate::model::faults::{Fault, Faults};
use crate::model::functions::Functions;
use crate::model::plugin::PluginState;
use crate::model::state::{BUFFER_LIMIT, State};
use crate::model::version::Abi;

/// A proxy that is configured and not started. [`start`](Self::start) starts it. A clone is another
/// such proxy.
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
    /// The greatest number of pages of a compiled module's linear memory. `None` is Envoy's number.
    pages: Option<u64>,
}

/// The source of the module.
#[derive(Clone, Debug)]
enum Source {
    Native(&'static Exports),
    #[cfg(feature = "wasm")]
    Wasm(Module),
}

impl Host {
    /// Configures a proxy with a module of this process, which `plugin!` defines as `PLUGIN`.
    ///
    /// Such a module is one VM at a time on each thread. Starting the module again ends its VM, and
    /// driving the ended VM panics.
    pub fn new(module: &'static Exports) -> Self {
        Self::of(Source::Native(module))
    }

    /// Configures a proxy with a compiled module. Each start makes a VM with its own linear memory.
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

    /// Returns whether the module is compiled wasm.
    #[must_use]
    pub fn is_wasm(&self) -> bool {
        !matches!(self.source, Source::Native(_))
    }

    /// Returns the names of the host functions that the module imports. Natively there are none.
    pub(crate) fn imports(&self) -> Vec<String> {
        match &self.source {
            Source::Native(_) => Vec::new(),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => module.imports().map(str::to_owned).collect(),
        }
    }

    /// Returns the names of the callbacks that the module exports.
    pub(crate) fn callbacks(&self) -> Vec<&'static str> {
        match &self.source {
            Source::Native(exports) => exports.names(),
            #[cfg(feature = "wasm")]
            Source::Wasm(module) => Exports::ALL.iter().copied().filter(|name| module.exports(name)).collect(),
        }
    }

    /// Adds a foreign function, which filters call by name, from the start on.
    ///
    /// See [`RunningHost::add_foreign_function`].
    pub fn foreign_function(
        mut self,
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + 'static,
    ) -> Self {
        self.functions.add(name, Rc::new(function));
        self
    }

    /// Sets the VM's id, which scopes its shared data and queues. The default is empty.
    pub fn vm_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.vm_id = id.into();
        self
    }

    /// Sets the VM's configuration.
    pub fn vm_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.vm_configuration = configuration.into();
        self
    }

    /// Sets the plugin's root id, which the plugin reads as the property `plugin_root_id`.
    pub fn root_id(mut self, id: impl Into<Vec<u8>>) -> Self {
        self.plugin.root_id = id.into();
        self
    }

    /// Sets the plugin's configuration.
    pub fn plugin_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.plugin.configuration = configuration.into();
        self
    }

    /// Sets the lowest level that the proxy's log keeps. The default keeps everything.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Lets new streams pass once the module has trapped, as Envoy's `failure_policy: FAIL_OPEN`
    /// does.
    ///
    /// Streams that were open when the module trapped get a response of 503.
    pub fn fail_open(mut self) -> Self {
        self.policy = FailurePolicy::Open;
        self
    }

    /// Loads a new VM for the next stream once the module has trapped, as Envoy's
    /// `failure_policy: FAIL_RELOAD` does.
    ///
    /// The new VM is loaded at the earliest a second, by the proxy's clock, after the last VM was
    /// loaded. Until then streams get a response of 503. Without this and without
    /// [`fail_open`](Self::fail_open) all streams do.
    pub fn fail_reload(mut self) -> Self {
        self.policy = FailurePolicy::Reload;
        self
    }

    /// Calls body callbacks after headers that the filter holds with `StopIteration`.
    ///
    /// Envoy's plugin configuration has a field of this name with this effect.
    pub fn allow_on_headers_stop_iteration(mut self) -> Self {
        self.allows_stop_iteration = true;
        self
    }

    /// Sets the number of bytes of a body, or of a connection's data, that the proxy holds back.
    ///
    /// Envoy's field is `per_connection_buffer_limit_bytes`. The default is 1 MiB.
    ///
    /// If a filter holds back more in order to see it again (`StopIterationAndBuffer`,
    /// `StopAllIterationAndBuffer`), the proxy ends the stream: it responds with 413 to a request,
    /// with 500 in place of a response, or resets the stream if the response's headers are on their
    /// way.
    ///
    /// In the other ways to hold back, the proxy reads no more. These are
    /// `StopIterationAndWatermark`, `StopAllIterationAndWatermark`, `StopIteration` of headers, and
    /// connections. A part that comes then waits: the call that sends the part returns 1 without a
    /// callback, and the filter gets the part when half of the limit is left.
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit = bytes;
        self
    }

    /// Names the clusters that the proxy has. A call to another cluster is refused. The default is
    /// that every cluster exists.
    pub fn clusters<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.clusters = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Names a cluster that has no healthy host, such as a service that was scaled to nothing.
    ///
    /// A call to the cluster fails at once, with the status `InternalFailure`.
    pub fn cluster_without_hosts(mut self, name: impl Into<String>) -> Self {
        self.hostless.push(name.into());
        self
    }

    /// Sets the distance of the numbers of HTTP calls. The default is Envoy's, which is 4. Other
    /// hosts count by one.
    pub fn call_step(mut self, step: u32) -> Self {
        self.call_step = step;
        self
    }

    /// Sets the greatest number of pages of 64 KiB of the module's linear memory. At the limit the
    /// guest is out of memory. Natively this does nothing.
    pub fn page_limit(mut self, pages: u64) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Makes a host call go wrong during the start. The module's first host call is number 0.
    ///
    /// See [`RunningHost::fault`] for calls after the start.
    pub fn fault(mut self, call: usize, fault: Fault) -> Self {
        self.faults.plan(call, fault);
        self
    }

    /// Makes a call of a WASI function go wrong during the start. The module's first such call is
    /// number 0.
    ///
    /// See [`RunningHost::wasi_fault`] for calls after the start.
    #[cfg(feature = "wasm")]
    pub fn wasi_fault(mut self, call: usize, fault: WasiFault) -> Self {
        self.faults.wasi.plan(call, fault);
        self
    }

    /// Records host calls from the start on. [`RunningHost::recorded`] returns them.
    pub fn recording(mut self) -> Self {
        self.faults.start_record();
        self
    }

    /// Starts the VM and the plugin in it. [`RunningHost::started`] returns whether both accepted.
    ///
    /// # Panics
    ///
    /// Panics if a compiled module cannot be instantiated, for example because its linear memory
    /// begins with more pages than [`page_limit`](Self::page_limit). The message names the reason.
    pub fn start(self) -> RunningHost {
        self.start_in(State::default())
    }

    /// Starts the VM in the proxy of another VM.
    ///
    /// The VMs share the clock and the queues. If their ids are the same, they also share the data
    /// and the queues' names.
    ///
    /// # Panics
    ///
    /// Panics where [`start`](Self::start) does.
    pub fn start_in_same_proxy(self, other: &RunningHost) -> RunningHost {
        let proxy = other.state().proxy.clone();
        self.start_in(State { proxy, ..State::default() })
    }

    fn start_in(self, state: State) -> RunningHost {
        self.try_start_in(state).unwrap_or_else(|why| panic!("{why}"))
    }

    /// Starts the VM and the plugin in it, as [`start`](Self::start) does, for modules that may not
    /// load.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the module cannot be instantiated.
    #[cfg(feature = "wasm")]
    pub fn try_start(self) -> Result<RunningHost, VmError> {
        self.try_start_in(State::default()).map_err(VmError::new)
    }

    fn try_start_in(self, mut state: State) -> Result<RunningHost, String> {
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
        let running = RunningHost::start(load, guest, self.policy)?;
        Plugin::begin(&running, self.plugin);
        Ok(running)
    }
}
