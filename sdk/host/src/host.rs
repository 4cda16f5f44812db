//! The host: built, started, driven.

use std::cell::{Cell, RefMut};
use std::rc::Rc;
use std::time::Duration;

use sluicegate::abi::native::{self, Installed};
use sluicegate::abi::{BufferType, Exports, Import, LogLevel, MapType, Status};

use crate::PropertyValue;
use crate::abi::Guest;
use crate::map::Map;
use crate::state::{Answer, LogLine, OpenGrpc, PendingCall, State};
use crate::stream::HttpStream;
use crate::tcp::TcpConnection;

/// The number of the plugin's context.
pub(crate) const PLUGIN: u32 = 1;

/// A proxy that is configured and not started: [`start`](Self::start) makes it run.
#[must_use = "a host does nothing before it is started"]
pub struct Host {
    module: &'static Exports,
    state: State,
}

impl Host {
    /// A proxy with this module, which `plugin!` defines as `PLUGIN`.
    pub fn new(module: &'static Exports) -> Self {
        Self { module, state: State::default() }
    }

    /// The VM's configuration.
    pub fn vm_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.state.vm_configuration = configuration.into();
        self
    }

    /// The plugin's configuration.
    pub fn plugin_configuration(mut self, configuration: impl Into<Vec<u8>>) -> Self {
        self.state.plugin_configuration = configuration.into();
        self
    }

    /// The least level that the proxy's log keeps; everything unless this says otherwise.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.state.log_level = level as u32;
        self
    }

    /// Starts the VM and the plugin in it, whatever they answer: [`Running::started`] tells.
    pub fn start(self) -> Running {
        let guest = Rc::new(Guest { state: self.state.into() });
        let installed = native::install(guest.clone());
        let running = Running {
            module: self.module,
            guest,
            started: Cell::new(false),
            next_context: Cell::new(PLUGIN + 1),
            _installed: installed,
        };
        (running.module.reset)();
        (running.module.initialize)();
        running.start();
        running
    }
}

/// A proxy that runs a module on the current thread. Dropping it throws the VM away.
pub struct Running {
    pub(crate) module: &'static Exports,
    guest: Rc<Guest>,
    started: Cell<bool>,
    next_context: Cell<u32>,
    _installed: Installed,
}

impl Running {
    fn start(&self) {
        if let Some(create) = self.module.proxy_on_context_create {
            self.enter(PLUGIN, || create(PLUGIN, 0));
        }
        self.started.set(self.start_vm() && self.start_plugin());
    }

    /// Calls `on_vm_start`; whether the module accepted.
    pub fn start_vm(&self) -> bool {
        let size = self.state().vm_configuration.len();
        self.module.proxy_on_vm_start.is_none_or(|start| self.enter(PLUGIN, || start(PLUGIN, size)) != 0)
    }

    /// Calls `on_configure`; whether the module accepted.
    pub fn start_plugin(&self) -> bool {
        let size = self.state().plugin_configuration.len();
        let Some(configure) = self.module.proxy_on_configure else { return true };
        self.state().configuring = true;
        let accepted = self.enter(PLUGIN, || configure(PLUGIN, size)) != 0;
        self.state().configuring = false;
        accepted
    }

    /// Asks the plugin whether it could start with its configuration.
    pub fn validate_configuration(&self) -> bool {
        let size = self.state().plugin_configuration.len();
        let Some(validate) = self.module.proxy_validate_configuration else { return true };
        self.state().configuring = true;
        let valid = self.enter(PLUGIN, || validate(PLUGIN, size)) != 0;
        self.state().configuring = false;
        valid
    }

    /// Calls a function of the plugin.
    pub fn call_function(&self, function: u32, arguments: impl Into<Vec<u8>>) {
        let arguments = arguments.into();
        let size = arguments.len();
        let mut answer = Answer::default();
        answer.buffers.insert(BufferType::ForeignFunctionArguments as u32, arguments);
        self.deliver(answer, || {
            if let Some(callback) = self.module.proxy_on_foreign_function {
                callback(PLUGIN, function, size);
            }
        });
    }

    /// Whether the VM and the plugin accepted their configurations.
    #[must_use]
    pub fn started(&self) -> bool {
        self.started.get()
    }

    /// Lets one tick period pass.
    pub fn tick(&self) {
        if let Some(tick) = self.module.proxy_on_tick {
            let period = u64::from(self.state().tick_period);
            self.state().now += period * 1_000_000;
            self.enter(PLUGIN, || tick(PLUGIN));
        }
    }

    /// Sets the proxy's clock, as the time since the Unix epoch; ticks move it on.
    pub fn set_time(&self, time: Duration) {
        self.state().now = u64::try_from(time.as_nanos()).expect("a time in the next 500 years");
    }

    /// The tick period that the plugin asked for; none if it asked for no ticks.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        let period = self.state().tick_period;
        (period != 0).then(|| Duration::from_millis(period.into()))
    }

    /// The HTTP calls that wait for an answer, oldest first.
    #[must_use]
    pub fn pending_calls(&self) -> Vec<PendingCall> {
        self.state().pending.clone()
    }

    /// Answers a call that the filter dispatched.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
    pub fn answer_call(&self, token: u32, headers: &[(&str, &str)], body: impl AsRef<[u8]>, trailers: &[(&str, &str)]) {
        self.take_call(token);
        let (headers, body, trailers) = (Map::new(headers), body.as_ref().to_vec(), Map::new(trailers));
        let (headers_len, size, trailers_len) = (count(&headers), body.len(), count(&trailers));
        let mut answer = Answer::default();
        answer.maps.insert(MapType::HttpCallResponseHeaders as u32, headers);
        answer.maps.insert(MapType::HttpCallResponseTrailers as u32, trailers);
        answer.buffers.insert(BufferType::HttpCallResponseBody as u32, body);
        self.deliver(answer, || {
            if let Some(callback) = self.module.proxy_on_http_call_response {
                callback(PLUGIN, token, headers_len, size, trailers_len);
            }
        });
    }

    /// Lets a call fail: it timed out, or its connection broke. The status is what Envoy has for it: 11, broken connection, without a text.
    ///
    /// # Panics
    ///
    /// If no call of this number waits.
    pub fn fail_call(&self, token: u32) {
        self.take_call(token);
        let answer = Answer { status: Status::BrokenConnection.code(), ..Answer::default() };
        self.deliver(answer, || {
            if let Some(callback) = self.module.proxy_on_http_call_response {
                callback(PLUGIN, token, 0, 0, 0);
            }
        });
    }

    fn take_call(&self, token: u32) {
        let at = self.state().pending.iter().position(|call| call.token == token);
        let at = at.unwrap_or_else(|| panic!("no call {token} waits; these do: {:?}", self.pending_calls()));
        self.state().pending.remove(at);
    }

    /// The gRPC calls and streams that are open, oldest first.
    #[must_use]
    pub fn open_grpc(&self) -> Vec<OpenGrpc> {
        self.state().grpc.clone()
    }

    /// Brings the initial metadata of a gRPC call or stream.
    pub fn grpc_initial_metadata(&self, token: u32, metadata: &[(&str, &str)]) {
        let callback = self.module.proxy_on_grpc_receive_initial_metadata;
        self.deliver_metadata(MapType::GrpcInitialMetadata, token, metadata, callback);
    }

    /// Brings the trailing metadata of a gRPC call or stream.
    pub fn grpc_trailing_metadata(&self, token: u32, metadata: &[(&str, &str)]) {
        let callback = self.module.proxy_on_grpc_receive_trailing_metadata;
        self.deliver_metadata(MapType::GrpcTrailingMetadata, token, metadata, callback);
    }

    fn deliver_metadata(&self, map: MapType, token: u32, pairs: &[(&str, &str)], callback: Option<fn(u32, u32, u32)>) {
        let metadata = Map::new(pairs);
        let elements = count(&metadata);
        let mut answer = Answer::default();
        answer.maps.insert(map as u32, metadata);
        self.deliver(answer, || {
            if let Some(callback) = callback {
                callback(PLUGIN, token, elements);
            }
        });
    }

    /// Brings a message of a gRPC call or stream. A call is over with it.
    pub fn grpc_message(&self, token: u32, message: impl AsRef<[u8]>) {
        self.state().grpc.retain(|grpc| grpc.token != token || grpc.timeout.is_none());
        let message = message.as_ref().to_vec();
        let size = message.len();
        let mut answer = Answer::default();
        answer.buffers.insert(BufferType::GrpcMessage as u32, message);
        self.deliver(answer, || {
            if let Some(callback) = self.module.proxy_on_grpc_receive {
                callback(PLUGIN, token, size);
            }
        });
    }

    /// Closes a gRPC call or stream with a status and its text.
    pub fn grpc_close(&self, token: u32, status: u32, text: &str) {
        self.state().grpc.retain(|grpc| grpc.token != token);
        let answer = Answer { status, status_text: text.to_owned(), ..Answer::default() };
        self.deliver(answer, || {
            if let Some(callback) = self.module.proxy_on_grpc_close {
                callback(PLUGIN, token, status);
            }
        });
    }

    /// Runs a callback of the plugin during which an answer can be read.
    fn deliver(&self, answer: Answer, callback: impl FnOnce()) {
        self.state().answer = answer;
        self.enter(PLUGIN, callback);
        self.state().answer = Answer::default();
    }

    /// Opens an HTTP stream.
    pub fn http_stream(&self) -> HttpStream<'_> {
        HttpStream::open(self, self.new_context())
    }

    /// Opens a connection: the filter's answer to it is [`TcpConnection::opened`].
    pub fn tcp_connection(&self) -> TcpConnection<'_> {
        TcpConnection::open(self, self.new_context())
    }

    fn new_context(&self) -> u32 {
        let id = self.next_context.get();
        self.next_context.set(id + 1);
        id
    }

    /// Ends the plugin: `on_done`, then `on_delete` if it is done. Whether it is.
    pub fn finish(&self) -> bool {
        let done = self.module.proxy_on_done.is_none_or(|done| self.enter(PLUGIN, || done(PLUGIN)) != 0);
        let done = done || self.state().done;
        if let (true, Some(delete)) = (done, self.module.proxy_on_delete) {
            self.enter(PLUGIN, || delete(PLUGIN));
        }
        done
    }

    /// All lines that the filter logged, oldest first.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.state().log.clone()
    }

    /// Whether a line of this level and exactly this text was logged.
    #[must_use]
    pub fn logged(&self, level: LogLevel, text: &str) -> bool {
        self.state().log.iter().any(|line| line.level == level && line.text == text)
    }

    /// Forgets the log.
    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    /// Changes the level that the proxy's log keeps.
    pub fn set_log_level(&self, level: LogLevel) {
        self.state().log_level = level as u32;
    }

    /// How often the filter called a host function.
    #[must_use]
    pub fn calls(&self, import: Import) -> usize {
        self.state().calls.get(&import).copied().unwrap_or_default()
    }

    /// How many host functions the filter called, all together.
    #[must_use]
    pub fn all_calls(&self) -> usize {
        self.state().calls.values().sum()
    }

    /// Makes a host function answer with a status instead of doing its work; [`Status::Ok`] ends it.
    pub fn fail(&self, import: Import, status: Status) {
        let failures = &mut self.state().failures;
        if status == Status::Ok {
            failures.remove(&import);
        } else {
            failures.insert(import, status);
        }
    }

    /// What a counter stands at; none if there is no counter of this name. Tags are part of the name: `requests_path=a`.
    #[must_use]
    pub fn counter(&self, name: &str) -> Option<u64> {
        self.state().metrics.counter(name)
    }

    /// What a gauge stands at; none if there is no gauge of this name.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Option<u64> {
        self.state().metrics.gauge(name)
    }

    /// The values that a histogram recorded, in order; none if there is no histogram of this name.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Option<Vec<u64>> {
        self.state().metrics.histogram(name)
    }

    /// The value of a key of the shared store; none if it was never set.
    #[must_use]
    pub fn shared_data(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        let (value, _) = self.state().shared_data.get(key.as_ref()).ok()?;
        Some(value)
    }

    /// Sets a key of the shared store, as another VM would.
    pub fn set_shared_data(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let set = self.state().shared_data.set(key.into(), value.into(), 0);
        set.expect("0 compares nothing");
    }

    /// Registers a queue as another VM of this `vm_id` would, and gives its number; the own `vm_id` is empty. This VM's plugin is not told of its items.
    pub fn register_queue(&self, vm_id: &str, name: &str) -> u32 {
        self.state().queues.register(vm_id.as_bytes(), name.as_bytes(), false)
    }

    /// Puts an item into a queue, as another VM would. Whether there is such a queue.
    pub fn enqueue(&self, queue: u32, item: impl Into<Vec<u8>>) -> bool {
        self.state().queues.enqueue(queue, item.into()).is_ok()
    }

    /// Takes the first item of a queue, as another VM would.
    pub fn dequeue(&self, queue: u32) -> Option<Vec<u8>> {
        self.state().queues.dequeue(queue).ok()
    }

    /// Calls `on_queue_ready` once for each item that went into a queue of the plugin's since the last time; how often. Like a proxy it never does so
    /// while another callback runs, so what a filter enqueues is told here.
    pub fn deliver_queues(&self) -> usize {
        let untold = self.state().queues.take_untold();
        if let Some(ready) = self.module.proxy_on_queue_ready {
            for queue in &untold {
                self.enter(PLUGIN, || ready(PLUGIN, *queue));
            }
        }
        untold.len()
    }

    /// Gives the proxy a property, over what it has of its own at this path: `host.set_property(&["xds", "cluster_name"], "backend")`.
    pub fn set_property(&self, path: &[&str], value: impl Into<PropertyValue>) {
        self.state().properties.set(path, value.into());
    }

    /// Gives the proxy a function that filters call by name, over one that it has of its own. It answers bytes, or the status that the filter gets.
    pub fn add_foreign_function(&self, name: &str, function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + 'static) {
        self.state().functions.add(name, Rc::new(function));
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.guest.state.borrow_mut()
    }

    /// Runs a callback of a context.
    pub(crate) fn enter<R>(&self, context: u32, callback: impl FnOnce() -> R) -> R {
        let before = std::mem::replace(&mut self.state().effective, context);
        let result = callback();
        self.state().effective = before;
        result
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        (self.module.reset)();
    }
}

fn count(map: &Map) -> u32 {
    u32::try_from(map.len()).expect("fewer entries than 4 billion")
}
