//! The proxy's state of a VM: its plugins, their streams and its log.

mod maps;
mod proxy;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::rc::Rc;

use sluicegate::abi::{BufferType, Import, LogLevel, MapType, Status, StreamType};

use crate::Map;
use crate::body::Body;
use crate::calls::{CALL_STEP, FIRST_TOKEN, OpenGrpc, PendingCall};
use crate::cost::Cost;
use crate::faults::Faults;
use crate::flow::{Flow, Way};
use crate::foreign::Functions;
use crate::metric::Definitions;
use crate::phases::Act;
use crate::property::Properties;
use crate::valid::is_bodiless;
pub(crate) use proxy::Proxy;

/// Envoy's limit, if the listener does not set another.
pub(crate) const BUFFER_LIMIT: usize = 1 << 20;

/// One plugin of a VM: a root context.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginState {
    pub(crate) root_id: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// The tick period in milliseconds; 0 is off.
    pub(crate) tick_period: u32,
    /// The time at which the next tick is due, in nanoseconds that passed.
    pub(crate) next_tick: u64,
    pub(crate) started: bool,
    /// True if the plugin asked to end later, and has not called `proxy_done`.
    pub(crate) ending: bool,
}

/// The version of the ABI, which the module's marker names.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Abi {
    V0_1_0,
    V0_2_0,
    #[default]
    V0_2_1,
}

impl Abi {
    /// Returns the version of modules of this process.
    pub(crate) fn of_the_sdk() -> Self {
        match sluicegate::ABI_VERSION {
            "0.1.0" => Self::V0_1_0,
            "0.2.0" => Self::V0_2_0,
            _ => Self::V0_2_1,
        }
    }
}

/// The reason why a guest may call only a few host functions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Restricted {
    /// The guest allocates for the host.
    Allocating,
    /// The guest starts, and has no context yet.
    Starting,
}

/// A request of the guest that takes effect when the guest has returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deferred {
    Resume(u32),
    Close(u32),
    Answer,
    /// Responds to an HTTP call whose headers the proxy does not send.
    RefuseCall(u32),
    /// Closes a gRPC call that reaches no upstream: the plugin, and the token.
    CloseGrpc(u32, u32),
    /// Ends a plugin.
    Delete,
}

/// A line that the filter logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// The severity of the line.
    pub level: LogLevel,
    /// The text of the line. Bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// A local reply: a response in place of the upstream's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The details of the response code.
    pub details: String,
    /// The body.
    pub body: Vec<u8>,
    /// The headers that the filter set.
    pub headers: Map,
    /// The gRPC status, or -1 for none.
    pub grpc_status: i32,
}

/// The result of a call, which the guest can read while the callback runs: buffers and maps by
/// their numbers, and the status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) maps: BTreeMap<u32, Map>,
    pub(crate) buffers: BTreeMap<u32, Vec<u8>>,
    pub(crate) status: u32,
    pub(crate) status_text: String,
}

/// An HTTP stream or a connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The plugin's context.
    pub(crate) plugin: u32,
    /// True for a connection, false for an HTTP stream.
    pub(crate) is_connection: bool,
    pub(crate) maps: BTreeMap<u32, Map>,
    /// The bodies, or the data of both directions, by the number of their buffer.
    pub(crate) bodies: BTreeMap<u32, Body>,
    pub(crate) reply: Option<LocalReply>,
    /// The number of local replies. A later reply replaces one that goes through the filter.
    pub(crate) replies: u32,
    /// The headers of each direction as they came from the peer.
    pub(crate) came: [Map; 2],
    /// The directions that the filter resumed, by number, in order.
    pub(crate) resumed: Vec<u32>,
    /// The directions that the filter closed, by number, in order.
    pub(crate) closed: Vec<u32>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The objects of Envoy's own in the filter state, each with its life span.
    pub(crate) envoy_filter_state: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    pub(crate) routes_cleared: usize,
    /// The properties that the test set for the stream, in place of the proxy's.
    pub(crate) properties: Properties,
    /// The progress of the request and of the response.
    pub(crate) flows: [Flow; 2],
    /// The maps that the filter can see and edit: those that have not gone on.
    pub(crate) visible: BTreeSet<u32>,
    /// The headers as they went on, for each direction in which the filter still sees them. Edits
    /// of these have no effect any more.
    pub(crate) went: [Option<Map>; 2],
    /// True while a local reply goes through the filter.
    pub(crate) answering: bool,
    /// True once nothing comes any more but the last callbacks.
    pub(crate) completed: bool,
    /// True once the stream was logged. Its properties end then.
    pub(crate) logged: bool,
    /// The directions of a connection whose end the filter was told, by number.
    pub(crate) ended: BTreeSet<u32>,
    /// True once the filter was told that the connection ended.
    pub(crate) disconnected: bool,
    /// True if the VM was dead when the stream began.
    pub(crate) unfiltered: bool,
}

impl Stream {
    pub(crate) fn flow(&self, way: Way) -> &Flow {
        &self.flows[way as usize]
    }

    /// Lets everything go on that came to the filter in a direction.
    pub(crate) fn go_on(&mut self, way: Way) {
        let flow = &mut self.flows[way as usize];
        flow.stopped = None;
        let goes = flow.begun && !flow.gone;
        flow.gone = flow.begun;
        if goes && let Some(map) = self.maps.get_mut(&(way.headers() as u32)) {
            self.went[way as usize] = Some(map.clone());
            if way == Way::Response {
                // From here on `transfer-encoding` is the proxy's.
                map.remove(b"transfer-encoding");
            }
        }
        let body = self.bodies.get_mut(&(way.body() as u32));
        if body.as_ref().is_none_or(|body| !body.passing) {
            self.flows[way as usize].keeps_end = false;
            if let Some(body) = body {
                body.resumed = body.keeps;
                body.release();
            }
        }
    }

    /// Returns the headers of a direction as the peer sees them.
    pub(crate) fn head(&self, way: Way) -> Option<&Map> {
        self.went[way as usize].as_ref().or_else(|| self.maps.get(&(way.headers() as u32)))
    }

    /// Returns whether the filter replied to or reset the stream. Only a local reply comes to the
    /// filter then.
    fn is_over(&self) -> bool {
        !self.closed.is_empty() || !self.answering && self.reply.is_some()
    }
}

/// The proxy's side of a VM. A function that fails does so with the status that the guest gets.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) proxy: Rc<RefCell<Proxy>>,
    /// The VM's number in the proxy.
    pub(crate) vm: u32,
    pub(crate) vm_id: Vec<u8>,
    pub(crate) abi: Abi,
    pub(crate) log_level: u32,
    pub(crate) log: Vec<LogLine>,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) plugins: BTreeMap<u32, PluginState>,
    /// The plugin whose configuration can be read.
    pub(crate) configuring: Option<u32>,
    /// True while a stream is logged. Its headers can be read once more.
    pub(crate) logging: bool,
    /// True if body callbacks follow headers that the filter holds with `StopIteration`.
    pub(crate) allows_stop_iteration: bool,
    /// The number of bytes of a body or of a connection's data that the proxy holds back.
    pub(crate) buffer_limit: usize,
    /// The clusters that exist, or `None` if all do.
    pub(crate) clusters: Option<Vec<String>>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) next_context: u32,
    /// The context that host calls act on: the one whose callback runs, or the one that the guest
    /// has selected since.
    pub(crate) effective: u32,
    pub(crate) restricted: Option<Restricted>,
    pub(crate) deferred: Vec<(u32, Deferred)>,
    /// The calls of the running callback that do harm in some callback, each with its stream.
    pub(crate) acts: Vec<(u32, Act)>,
    /// The callback that the proxy entered the VM with.
    pub(crate) entered: &'static str,
    /// True if a call of the running callback failed within its host call.
    pub(crate) failed_at_once: bool,
    /// True while a callback runs for a gRPC call that failed within its host call.
    pub(crate) tells_of_failure: bool,
    /// The deferred calls that the table of phases knows.
    pub(crate) judged: Vec<(u32, Act)>,
    /// The HTTP calls that wait for a response, oldest first.
    pub(crate) pending: Vec<PendingCall>,
    pub(crate) next_tokens: [u32; 3],
    /// The distance of the numbers of HTTP calls.
    pub(crate) call_step: u32,
    /// The gRPC calls and streams that are open, oldest first.
    pub(crate) grpc: Vec<OpenGrpc>,
    /// The deadlines of calls. Some are of calls that have ended.
    pub(crate) deadlines: BTreeSet<(u64, u32)>,
    pub(crate) answer: Answer,
    /// The number of times each host function was called.
    pub(crate) calls: HashMap<Import, usize>,
    pub(crate) faults: Faults,
    pub(crate) cost: Cost,
    pub(crate) metrics: Definitions,
    pub(crate) properties: Properties,
    /// The properties that were declared, each with whether it can be set only once.
    pub(crate) declared: BTreeMap<Vec<u8>, bool>,
    pub(crate) functions: Functions,
    /// The clusters that have no healthy host.
    pub(crate) hostless: Vec<String>,
    /// The first thing that the filter did which ends a proxy or garbles what the proxy sends.
    pub(crate) harm: Option<String>,
    /// The state of the guest's random numbers.
    #[cfg(feature = "wasm")]
    pub(crate) random: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            proxy: Rc::default(),
            vm: 0,
            vm_id: Vec::new(),
            abi: Abi::default(),
            log_level: LogLevel::Trace as u32,
            log: Vec::new(),
            vm_configuration: Vec::new(),
            plugins: BTreeMap::new(),
            configuring: None,
            logging: false,
            allows_stop_iteration: false,
            buffer_limit: BUFFER_LIMIT,
            clusters: None,
            streams: BTreeMap::new(),
            next_context: 1,
            effective: 0,
            acts: Vec::new(),
            entered: "",
            failed_at_once: false,
            tells_of_failure: false,
            judged: Vec::new(),
            restricted: None,
            deferred: Vec::new(),
            pending: Vec::new(),
            next_tokens: [FIRST_TOKEN; 3],
            call_step: CALL_STEP,
            grpc: Vec::new(),
            deadlines: BTreeSet::new(),
            answer: Answer::default(),
            calls: HashMap::new(),
            faults: Faults::default(),
            cost: Cost::default(),
            metrics: Definitions::default(),
            properties: Properties::default(),
            declared: BTreeMap::new(),
            functions: Functions::default(),
            hostless: Vec::new(),
            harm: None,
            #[cfg(feature = "wasm")]
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl State {
    pub(crate) fn new_context(&mut self) -> u32 {
        let id = self.next_context;
        self.next_context += 1;
        id
    }

    /// Drops everything that is the VM's own and not the proxy's, before another VM comes. Numbers
    /// of streams that are open in the old VM are not given again.
    pub(crate) fn forget_vm(&mut self) {
        let highest = self.plugins.keys().chain(self.streams.keys()).max().copied().unwrap_or_default();
        self.next_context = highest + 1;
        self.deferred.clear();
        self.pending.clear();
        self.grpc.clear();
        self.deadlines.clear();
        self.next_tokens = [FIRST_TOKEN; 3];
        self.metrics = Definitions::default();
        self.declared.clear();
        for plugin in self.plugins.values_mut() {
            let (root_id, configuration) = (mem::take(&mut plugin.root_id), mem::take(&mut plugin.configuration));
            *plugin = PluginState { root_id, configuration, ..PluginState::default() };
        }
    }

    /// Returns the plugin of a context. A plugin's context is its own.
    pub(crate) fn plugin_of(&self, context: u32) -> u32 {
        self.streams.get(&context).map_or(context, |stream| stream.plugin)
    }

    /// Returns the plugin that the effective context belongs to.
    pub(crate) fn plugin(&mut self) -> Option<&mut PluginState> {
        let plugin = self.plugin_of(self.effective);
        self.plugins.get_mut(&plugin)
    }

    pub(crate) fn set_tick_period(&mut self, period: u32) {
        let passed = self.proxy.borrow().passed;
        if let Some(plugin) = self.plugin() {
            plugin.tick_period = period;
            plugin.next_tick = passed + u64::from(period) * 1_000_000;
        }
    }

    pub(crate) fn set_effective(&mut self, context: u32) -> Result<(), Status> {
        if !self.plugins.contains_key(&context) && !self.streams.contains_key(&context) {
            return Err(Status::BadArgument);
        }
        self.effective = context;
        Ok(())
    }

    /// Returns the configuration that the guest can read. ABI 0.1.0 has one function for both
    /// configurations.
    pub(crate) fn configuration(&self) -> Vec<u8> {
        let plugin = self.configuring.and_then(|plugin| self.plugins.get(&plugin));
        plugin.map_or(&self.vm_configuration, |plugin| &plugin.configuration).clone()
    }

    pub(crate) fn define_metric(&mut self, kind: u32, name: Vec<u8>) -> Result<u32, Status> {
        self.proxy.borrow_mut().metrics.define(&mut self.metrics, kind, name)
    }

    pub(crate) fn register_queue(&mut self, name: &[u8]) -> u32 {
        // If a stream's callback registers the queue, the stream's plugin is told of the items.
        let owner = (self.vm, self.plugin_of(self.effective));
        self.proxy.borrow_mut().queues.register(&self.vm_id, name, Some(owner))
    }

    /// Returns the number of a queue. An empty `vm_id` is the VM's own.
    pub(crate) fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        let vm_id = if vm_id.is_empty() { &self.vm_id } else { vm_id };
        self.proxy.borrow().queues.resolve(vm_id, name)
    }

    /// Ends the plugin that asked to end later, when the guest has returned.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::NotFound`] if the plugin did not ask to end later.
    pub(crate) fn finish(&mut self) -> Result<(), Status> {
        let plugin = self.plugin_of(self.effective);
        let ending = self.plugins.get_mut(&plugin).filter(|plugin| plugin.ending).ok_or(Status::NotFound)?;
        ending.ending = false;
        self.deferred.push((plugin, Deferred::Delete));
        Ok(())
    }

    /// Returns the body of a stream, or one direction of a connection's data, if something of it
    /// came.
    pub(crate) fn body(&mut self, stream: u32, buffer: BufferType) -> Option<&mut Body> {
        self.streams.get_mut(&stream)?.bodies.get_mut(&(buffer as u32))
    }

    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.streams.get(&stream).is_some_and(Stream::is_over)
    }

    pub(crate) fn log(&mut self, level: u32, message: &[u8]) -> Result<(), Status> {
        if level > LogLevel::Critical as u32 {
            return Err(Status::BadArgument);
        }
        self.note(level, message);
        Ok(())
    }

    /// Adds a line to the log, if its level is kept.
    pub(crate) fn note(&mut self, level: u32, message: &[u8]) {
        if level >= self.log_level {
            let text = String::from_utf8_lossy(message).into_owned();
            self.log.push(LogLine { level: LogLevel::from_code(level), text });
        }
    }

    pub(crate) fn buffer(&self, buffer: u32, start: usize, max_size: usize) -> Result<Vec<u8>, Status> {
        let bytes = match buffer {
            buffer if buffer == BufferType::VmConfiguration as u32 => &self.vm_configuration,
            buffer if buffer == BufferType::PluginConfiguration as u32 => {
                let plugin = self.configuring.ok_or(Status::NotFound)?;
                &self.plugins.get(&plugin).ok_or(Status::NotFound)?.configuration
            }
            buffer if self.answer.buffers.contains_key(&buffer) => &self.answer.buffers[&buffer],
            // Envoy has an empty buffer if there is none.
            0..=3 => match self.streams.get(&self.effective).and_then(|stream| stream.bodies.get(&buffer)) {
                Some(body) if !body.hidden => &body.held,
                _ => return Ok(Vec::new()),
            },
            5 | 8 => return Ok(Vec::new()),
            4 | 7 => return Err(Status::NotFound),
            _ => return Err(Status::BadArgument),
        };
        let end = start.checked_add(max_size).ok_or(Status::BadArgument)?.min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn stream_mut(&mut self) -> Result<&mut Stream, Status> {
        self.streams.get_mut(&self.effective).ok_or(Status::BadArgument)
    }

    pub(crate) fn set_buffer(&mut self, buffer: u32, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
        if (4..=8).contains(&buffer) {
            return Err(Status::NotFound);
        }
        let limit = self.buffer_limit;
        let body = self.stream_mut()?.bodies.get_mut(&buffer).ok_or(Status::BadArgument)?;
        body.set(start, size, bytes)?;
        body.watch(limit, body.full);
        Ok(())
    }

    /// Resumes a direction, when the guest has returned.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::Unimplemented`] for the upstream's side of a connection, which Envoy
    /// cannot resume, and with [`Status::BadArgument`] for an unknown direction.
    pub(crate) fn resume(&mut self, direction: u32) -> Result<(), Status> {
        if direction == StreamType::Upstream as u32 {
            return Err(Status::Unimplemented);
        }
        if let Some(way) = Way::from_number(direction)
            && let Some(stream) = self.streams.get_mut(&self.effective)
        {
            // The filter sees nothing from the call on, before the resume takes effect.
            stream.visible.remove(&(way.headers() as u32));
            stream.visible.remove(&(way.trailers() as u32));
            if let Some(body) = stream.bodies.get_mut(&direction) {
                body.hidden = true;
            }
        }
        self.note_act(Way::from_number(direction).map(Act::Resume));
        self.defer(Deferred::Resume(direction))
    }

    /// Closes a direction, when the guest has returned. An HTTP stream has no connection to close,
    /// and a connection has no request to close: such a call returns OK and does nothing.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] for an unknown direction.
    pub(crate) fn close(&mut self, direction: u32) -> Result<(), Status> {
        let of_connections = direction >= StreamType::Downstream as u32;
        if direction <= StreamType::Upstream as u32
            && self.streams.get(&self.effective).is_none_or(|stream| stream.is_connection != of_connections)
        {
            return Ok(());
        }
        self.note_act(Way::from_number(direction).map(Act::Close));
        self.defer(Deferred::Close(direction))
    }

    /// Defers a request of the guest. If the context has no stream, the request has no effect.
    fn defer(&mut self, what: Deferred) -> Result<(), Status> {
        if let Deferred::Resume(direction) | Deferred::Close(direction) = what
            && direction > StreamType::Upstream as u32
        {
            return Err(Status::BadArgument);
        }
        self.deferred.push((self.effective, what));
        Ok(())
    }

    /// Takes the requests of the guest from while it ran, each with whether the table of phases
    /// knows its effect.
    pub(crate) fn take_deferred(&mut self) -> Vec<(u32, Deferred, bool)> {
        let (deferred, judged) = (mem::take(&mut self.deferred), mem::take(&mut self.judged));
        let is_judged = |context, what| match what {
            Deferred::Resume(direction) => {
                Way::from_number(direction).is_some_and(|way| judged.contains(&(context, Act::Resume(way))))
            }
            _ => false,
        };
        deferred.into_iter().map(|(context, what)| (context, what, is_judged(context, what))).collect()
    }

    /// Notes a call of a stream that the table of phases judges when the callback has returned.
    pub(crate) fn note_act(&mut self, act: Option<Act>) {
        let context = self.effective;
        let is_http = self.streams.get(&context).is_some_and(|stream| !stream.is_connection);
        self.acts.extend(act.filter(|_| is_http).map(|act| (context, act)));
    }

    /// Defers a local reply. If there is no request to reply to, this returns OK and does nothing.
    pub(crate) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        let context = self.effective;
        self.note_act(Some(Act::Reply));
        if self.streams.get(&context).is_none_or(|stream| stream.is_connection) {
            return Ok(());
        }
        let Some(stream) = self.streams.get_mut(&context) else { return Ok(()) };
        let waits = self.deferred.iter().any(|(id, what)| *id == context && matches!(what, Deferred::Answer));
        let has_ended = stream.logged || self.logging;
        if !has_ended && !waits && (stream.reply.is_none() || stream.answering) {
            stream.reply = Some(reply);
            self.deferred.push((context, Deferred::Answer));
        }
        Ok(())
    }

    /// Notes a body after headers whose status has no body.
    pub(crate) fn look_for_a_body(&mut self, stream: u32, way: Way) {
        let Some(stream) = self.streams.get(&stream).filter(|_| way == Way::Response) else { return };
        let sent = stream.bodies.get(&(way.body() as u32)).is_some_and(|body| !body.sent.is_empty());
        let status = |map: &Map| map.get(b":status").map(<[u8]>::to_vec);
        let (came, goes) = (status(&stream.came[way as usize]), stream.head(way).and_then(status));
        if sent && came != goes && is_bodiless(goes.as_deref()) {
            self.harm("a body after a status that has none: the client takes it for another response");
        }
    }

    /// Notes something that ends a proxy or garbles what the proxy sends. Only the first counts.
    pub(crate) fn harm(&mut self, what: impl Into<String>) {
        self.harm.get_or_insert_with(|| what.into());
    }

    pub(crate) fn stream_map(&mut self, stream: u32, map: MapType) -> Option<&mut Map> {
        self.streams.get_mut(&stream)?.maps.get_mut(&(map as u32))
    }
}
