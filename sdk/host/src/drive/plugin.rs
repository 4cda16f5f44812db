//! The plugins of a VM, driven callback by callback.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use sluicegate::abi::BufferType;

use crate::drive::access_log::AccessLog;
use crate::drive::running::{Outcome, PLUGIN, RunningHost, count};
use crate::drive::stream::HttpStream;
use crate::drive::tcp::TcpConnection;
use crate::model::plugin::PluginState;
use crate::model::reply::Answer;

/// A plugin of the VM: a root context, by its number.
#[derive(Clone, Copy)]
pub struct Plugin<'host> {
    host: &'host RunningHost,
    id: u32,
}

impl<'host> Plugin<'host> {
    pub(crate) fn of(host: &'host RunningHost, id: u32) -> Self {
        Self { host, id }
    }

    /// Creates, starts and configures a plugin. Stops at the first callback that does not accept.
    pub(crate) fn begin(host: &'host RunningHost, plugin: PluginState) -> Self {
        let id = host.state().new_context();
        debug_assert!(id >= PLUGIN);
        host.state().plugins.insert(id, plugin);
        let plugin = Self { host, id };
        plugin.start();
        plugin
    }

    pub(crate) fn start(&self) {
        self.configuring("proxy_on_context_create", &[self.id, 0]);
        let started = self.start_vm() && self.configure();
        self.with(|plugin| plugin.started = started);
    }

    /// Accesses the plugin's state.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    fn with<R>(&self, what: impl FnOnce(&mut PluginState) -> R) -> R {
        what(self.host.state().plugins.get_mut(&self.id).expect("a plugin that has not ended"))
    }

    /// Runs a callback during which the plugin can read its configuration.
    fn configuring(&self, callback: &'static str, arguments: &[u32]) -> bool {
        self.host.state().configuring = Some(self.id);
        let accepted = self.accepts(callback, arguments);
        self.host.state().configuring = None;
        accepted
    }

    /// Runs a callback, and returns whether the module accepted.
    ///
    /// A dead VM accepts nothing. A callback that the module does not export accepts everything.
    fn accepts(&self, callback: &'static str, arguments: &[u32]) -> bool {
        let outcome = self.host.enter(self.id, callback, arguments);
        self.host.run_deferred();
        match outcome {
            Outcome::Answer(answer) => answer != 0,
            Outcome::Absent => true,
            Outcome::Failed => false,
        }
    }

    /// Returns the number of the plugin's context.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Calls `on_vm_start`. Returns whether the module accepted.
    pub fn start_vm(&self) -> bool {
        let size = count(self.host.state().vm_configuration.len());
        self.accepts("proxy_on_vm_start", &[self.id, size])
    }

    /// Calls `on_configure`. Returns whether the module accepted.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    pub fn configure(&self) -> bool {
        let size = self.with(|plugin| count(plugin.configuration.len()));
        self.configuring("proxy_on_configure", &[self.id, size])
    }

    /// Asks the plugin whether it could start with its configuration. Returns whether it could.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    pub fn validate_configuration(&self) -> bool {
        let size = self.with(|plugin| count(plugin.configuration.len()));
        self.configuring("proxy_validate_configuration", &[self.id, size])
    }

    /// Returns whether the VM and the plugin accepted their configurations.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    #[must_use]
    pub fn started(&self) -> bool {
        self.with(|plugin| plugin.started)
    }

    /// Returns the tick period that the plugin asked for, or `None` if it asked for no ticks or has
    /// ended.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        let period = self.host.state().plugins.get(&self.id).map_or(0, |plugin| plugin.tick_period);
        (period != 0).then(|| Duration::from_millis(period.into()))
    }

    /// Lets one tick period of the plugin pass, and calls `on_tick`.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    pub fn tick(&self) {
        let period = u64::from(self.with(|plugin| plugin.tick_period));
        self.host.state().proxy.borrow_mut().pass(period * 1_000_000);
        self.tick_now();
    }

    pub(crate) fn tick_now(&self) {
        let passed = self.host.state().proxy.borrow().passed;
        self.with(|plugin| plugin.next_tick = passed + u64::from(plugin.tick_period) * 1_000_000);
        self.host.enter(self.id, "proxy_on_tick", &[self.id]);
        self.host.run_deferred();
    }

    /// Opens an HTTP stream with the plugin.
    pub fn http_stream(&self) -> HttpStream<'host> {
        HttpStream::open(self.host, self.id)
    }

    /// Opens a connection with the plugin. [`TcpConnection::opened`] returns the filter's action.
    pub fn tcp_connection(&self) -> TcpConnection<'host> {
        TcpConnection::open(self.host, self.id)
    }

    /// Makes an entry of an access log that the plugin writes. [`AccessLog::log`] calls `on_log`.
    pub fn access_log(&self) -> AccessLog<'host> {
        AccessLog::of(self.host, self.id)
    }

    /// Ends the plugin: calls `on_done`, then `on_delete` if the plugin is done.
    ///
    /// Returns whether the plugin is done. If it is not, `on_delete` comes when the plugin says
    /// that it is.
    ///
    /// # Panics
    ///
    /// Panics if the plugin has ended.
    pub fn finish(&self) -> bool {
        self.with(|_| {});
        let done = self.accepts("proxy_on_done", &[self.id]);
        if done {
            self.delete();
        } else if let Some(plugin) = self.host.state().plugins.get_mut(&self.id) {
            plugin.ending = true;
        }
        done
    }

    /// Returns whether the plugin has ended: it was done, and `on_delete` was called.
    #[must_use]
    pub fn ended(&self) -> bool {
        !self.host.state().plugins.contains_key(&self.id)
    }

    /// Calls `on_delete`, and removes the plugin with its ticks and calls.
    pub(crate) fn delete(&self) {
        self.host.enter(self.id, "proxy_on_delete", &[self.id]);
        self.host.run_deferred();
        let mut state = self.host.state();
        state.plugins.remove(&self.id);
        state.pending.retain(|call| call.plugin != self.id);
        state.grpc.retain(|grpc| grpc.plugin != self.id);
    }
}

impl RunningHost {
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

    /// Replaces a dead VM before a new stream begins, and starts the plugins again, if the failure
    /// policy says so and the VM is old enough.
    pub(crate) fn reload(&self) {
        if !self.replace_vm() {
            return;
        }
        let plugins: Vec<_> = self.state().plugins.keys().copied().collect();
        for plugin in plugins {
            Plugin::of(self, plugin).start();
        }
    }
}
