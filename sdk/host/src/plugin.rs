//! One plugin of a VM, driven callback by callback.

use std::time::Duration;

use crate::access_log::AccessLog;
use crate::running::{PLUGIN, RunningHost, count};
use crate::state::PluginState;
use crate::stream::HttpStream;
use crate::tcp::TcpConnection;

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
        use crate::running::Outcome;
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
