//! What a proxy knows of a VM: its plugins, their streams, its log; and what the proxy's VMs share.

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

/// Envoy's, where the listener does not say another.
pub(crate) const BUFFER_LIMIT: usize = 1 << 20;

/// One plugin of a VM: a root context.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginState {
    pub(crate) root_id: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// Milliseconds; 0 is off.
    pub(crate) tick_period: u32,
    /// When the next tick is due, by the time that passed.
    pub(crate) next_tick: u64,
    pub(crate) started: bool,
    /// Whether it asked to end later and has not called `proxy_done`.
    pub(crate) ending: bool,
}

/// The version of the ABI, which the module's marker tells.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Abi {
    V0_1_0,
    V0_2_0,
    #[default]
    V0_2_1,
}

impl Abi {
    /// What modules of this process speak.
    pub(crate) fn of_the_sdk() -> Self {
        match sluicegate::ABI_VERSION {
            "0.1.0" => Self::V0_1_0,
            "0.2.0" => Self::V0_2_0,
            _ => Self::V0_2_1,
        }
    }
}

/// Why a guest may call only a few host functions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Restricted {
    /// It allocates for the host.
    Allocating,
    /// It starts, and has no context yet.
    Starting,
}

/// What the guest asked for and what happens when it has returned.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deferred {
    Resume(u32),
    Close(u32),
    Answer,
    /// A call that goes nowhere, as the proxy does not send its headers.
    RefuseCall(u32),
    /// A gRPC call that goes nowhere, as nobody is there.
    CloseGrpc(u32, u32),
    /// The end of a plugin.
    Delete,
}

/// A line that the filter logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// Its severity.
    pub level: LogLevel,
    /// Its text, what is not UTF-8 replaced.
    pub text: String,
}

/// An answer that the filter gave instead of the upstream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The response code's details.
    pub details: String,
    /// The body.
    pub body: Vec<u8>,
    /// The headers that the filter gave.
    pub headers: Map,
    /// The gRPC status, -1 for none.
    pub grpc_status: i32,
}

/// What a call brings, while its callback runs: the buffers and maps by their numbers, and the
/// status.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) maps: BTreeMap<u32, Map>,
    pub(crate) buffers: BTreeMap<u32, Vec<u8>>,
    pub(crate) status: u32,
    pub(crate) status_text: String,
}

/// One stream or connection.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The plugin's context.
    pub(crate) plugin: u32,
    /// Whether it is a connection and not of HTTP.
    pub(crate) is_connection: bool,
    pub(crate) maps: BTreeMap<u32, Map>,
    /// The bodies, or the data of both directions, by the number of their buffer.
    pub(crate) bodies: BTreeMap<u32, Body>,
    pub(crate) reply: Option<LocalReply>,
    /// How many answers there were in place of the upstream's: a later one takes the place of one
    /// that goes through the filter.
    pub(crate) replies: u32,
    /// The headers of each direction as they came from the peer.
    pub(crate) came: [Map; 2],
    /// The directions that the filter resumed, by number, in order.
    pub(crate) resumed: Vec<u32>,
    /// The directions that the filter closed, by number, in order.
    pub(crate) closed: Vec<u32>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Envoy's own objects, each with its life span.
    pub(crate) envoy_filter_state: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    pub(crate) routes_cleared: usize,
    /// What the test gave it over the proxy's.
    pub(crate) properties: Properties,
    /// How far the request and the response have come.
    pub(crate) flows: [Flow; 2],
    /// The maps that the filter can see and edit: those that have not gone on.
    pub(crate) visible: BTreeSet<u32>,
    /// The headers as they went on, of each direction in which the filter still sees them, to no
    /// effect.
    pub(crate) went: [Option<Map>; 2],
    /// Whether the answer of the filter goes through it.
    pub(crate) answering: bool,
    /// Whether nothing comes any more but the last callbacks.
    pub(crate) completed: bool,
    /// Whether it was logged: its properties end with it.
    pub(crate) logged: bool,
    /// The directions of a connection whose end was told, by number.
    pub(crate) ended: BTreeSet<u32>,
    /// Whether the end of the connection was told.
    pub(crate) disconnected: bool,
    /// Whether the VM was dead when it began.
    pub(crate) unfiltered: bool,
}

impl Stream {
    pub(crate) fn flow(&self, way: Way) -> &Flow {
        &self.flows[way as usize]
    }

    /// Lets everything of a direction go on that came to the filter.
    pub(crate) fn go_on(&mut self, way: Way) {
        let flow = &mut self.flows[way as usize];
        flow.stopped = None;
        let goes = flow.begun && !flow.gone;
        flow.gone = flow.begun;
        if goes && let Some(map) = self.maps.get_mut(&(way.headers() as u32)) {
            self.went[way as usize] = Some(map.clone());
            if way == Way::Response {
                // The proxy's own, from here on.
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

    /// The headers of a direction as the peer sees them.
    pub(crate) fn head(&self, way: Way) -> Option<&Map> {
        self.went[way as usize].as_ref().or_else(|| self.maps.get(&(way.headers() as u32)))
    }

    /// Whether the filter answered or reset it, so that nothing comes to the filter any more but
    /// its answer.
    fn is_over(&self) -> bool {
        !self.closed.is_empty() || !self.answering && self.reply.is_some()
    }
}

/// The proxy's side of a VM. Each function answers `Err` with the status that the guest gets.
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
    /// Whether a stream is logged: its headers can be read once more.
    pub(crate) logging: bool,
    /// Whether body callbacks follow headers that the filter holds with `StopIteration`.
    pub(crate) allows_stop_iteration: bool,
    /// How many bytes the proxy holds back of a body or of a connection's data.
    pub(crate) buffer_limit: usize,
    /// The clusters that there are; any, if the test named none.
    pub(crate) clusters: Option<Vec<String>>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    pub(crate) next_context: u32,
    /// The context that host calls act on: the one whose callback runs, or the one that the guest
    /// asked for since.
    pub(crate) effective: u32,
    pub(crate) restricted: Option<Restricted>,
    pub(crate) deferred: Vec<(u32, Deferred)>,
    /// What the running callback called that harms in some callback, and on which stream.
    pub(crate) acts: Vec<(u32, Act)>,
    /// Whether a call of what runs has failed within its host call.
    pub(crate) failed_at_once: bool,
    /// Whether a callback runs that tells of a gRPC call that failed within its host call.
    pub(crate) tells_of_failure: bool,
    /// Which of the deferred calls the table of phases knows.
    pub(crate) judged: Vec<(u32, Act)>,
    /// The calls that wait for an answer, oldest first.
    pub(crate) pending: Vec<PendingCall>,
    pub(crate) next_tokens: [u32; 3],
    /// How far apart the numbers of HTTP calls are.
    pub(crate) call_step: u32,
    /// The gRPC calls and streams that are open, oldest first.
    pub(crate) grpc: Vec<OpenGrpc>,
    /// When the time of which call is over, also of some that were answered.
    pub(crate) deadlines: BTreeSet<(u64, u32)>,
    pub(crate) answer: Answer,
    /// How often each function was called.
    pub(crate) calls: HashMap<Import, usize>,
    pub(crate) faults: Faults,
    pub(crate) cost: Cost,
    pub(crate) metrics: Definitions,
    pub(crate) properties: Properties,
    /// The properties that were declared, and whether each is set once.
    pub(crate) declared: BTreeMap<Vec<u8>, bool>,
    pub(crate) functions: Functions,
    /// The clusters that have no healthy host.
    pub(crate) hostless: Vec<String>,
    /// What the filter did first that ends a proxy, or garbles what it sends.
    pub(crate) harm: Option<String>,
    /// The state of what the guest takes for random.
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

    /// Throws away what is a VM's own and not the proxy's: another one comes. While streams of the
    /// old one are open, their numbers are not given again.
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

    /// The plugin of a context: its stream's, or itself.
    pub(crate) fn plugin_of(&self, context: u32) -> u32 {
        self.streams.get(&context).map_or(context, |stream| stream.plugin)
    }

    /// The plugin that the effective context belongs to.
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

    /// ABI 0.1.0 has one function for both configurations.
    pub(crate) fn configuration(&self) -> Vec<u8> {
        let plugin = self.configuring.and_then(|plugin| self.plugins.get(&plugin));
        plugin.map_or(&self.vm_configuration, |plugin| &plugin.configuration).clone()
    }

    pub(crate) fn define_metric(&mut self, kind: u32, name: Vec<u8>) -> Result<u32, Status> {
        self.proxy.borrow_mut().metrics.define(&mut self.metrics, kind, name)
    }

    pub(crate) fn register_queue(&mut self, name: &[u8]) -> u32 {
        // Also from a stream's callback: its plugin is told.
        let owner = (self.vm, self.plugin_of(self.effective));
        self.proxy.borrow_mut().queues.register(&self.vm_id, name, Some(owner))
    }

    /// An empty `vm_id` is the own.
    pub(crate) fn resolve_queue(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        let vm_id = if vm_id.is_empty() { &self.vm_id } else { vm_id };
        self.proxy.borrow().queues.resolve(vm_id, name)
    }

    /// Ends the plugin that asked to end later, when the guest has returned.
    pub(crate) fn finish(&mut self) -> Result<(), Status> {
        let plugin = self.plugin_of(self.effective);
        let ending = self.plugins.get_mut(&plugin).filter(|plugin| plugin.ending).ok_or(Status::NotFound)?;
        ending.ending = false;
        self.deferred.push((plugin, Deferred::Delete));
        Ok(())
    }

    /// The body of a stream, or a connection's data, of which something came.
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

    /// A line of the log.
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
            // Envoy has an empty one where there is none.
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

    /// Lets go on what was held back, when the guest has returned. Envoy cannot resume the
    /// upstream's side of a connection.
    pub(crate) fn resume(&mut self, direction: u32) -> Result<(), Status> {
        if direction == StreamType::Upstream as u32 {
            return Err(Status::Unimplemented);
        }
        if let Some(way) = Way::from_number(direction)
            && let Some(stream) = self.streams.get_mut(&self.effective)
        {
            // From the call on, before anything happens.
            stream.visible.remove(&(way.headers() as u32));
            stream.visible.remove(&(way.trailers() as u32));
            if let Some(body) = stream.bodies.get_mut(&direction) {
                body.hidden = true;
            }
        }
        self.note_act(Way::from_number(direction).map(Act::Resume));
        self.defer(Deferred::Resume(direction))
    }

    /// Closes, when the guest has returned. What is of HTTP has no connection to close, and a
    /// connection no request.
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

    /// What a context asks for that has no stream is granted and comes to nothing.
    fn defer(&mut self, what: Deferred) -> Result<(), Status> {
        if let Deferred::Resume(direction) | Deferred::Close(direction) = what
            && direction > StreamType::Upstream as u32
        {
            return Err(Status::BadArgument);
        }
        self.deferred.push((self.effective, what));
        Ok(())
    }

    /// What the guest asked for while it ran, and whether the table of phases knows what comes of
    /// it.
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

    /// Notes a call of a stream's that the table of phases judges when the callback has returned.
    pub(crate) fn note_act(&mut self, act: Option<Act>) {
        let context = self.effective;
        let is_http = self.streams.get(&context).is_some_and(|stream| !stream.is_connection);
        self.acts.extend(act.filter(|_| is_http).map(|act| (context, act)));
    }

    /// Where there is no request to answer it comes to nothing.
    pub(crate) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        let context = self.effective;
        self.note_act(Some(Act::Reply));
        if self.streams.get(&context).is_none_or(|stream| stream.is_connection) {
            return Ok(());
        }
        // The table has no row for this pair.
        if self.acts.contains(&(context, Act::Resume(Way::Response))) {
            self.harm(
                "a local reply after a resume of the response in one callback: Envoy ends if the response is complete",
            );
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

    /// Notes a body that follows headers which say that there is none.
    pub(crate) fn look_for_a_body(&mut self, stream: u32, way: Way) {
        let Some(stream) = self.streams.get(&stream).filter(|_| way == Way::Response) else { return };
        let sent = stream.bodies.get(&(way.body() as u32)).is_some_and(|body| !body.sent.is_empty());
        let status = |map: &Map| map.get(b":status").map(<[u8]>::to_vec);
        let (came, goes) = (status(&stream.came[way as usize]), stream.head(way).and_then(status));
        if sent && came != goes && is_bodiless(goes.as_deref()) {
            self.harm("a body after a status that has none: the client takes it for another response");
        }
    }

    /// Notes what ends a proxy or garbles what it sends: the first of it counts.
    pub(crate) fn harm(&mut self, what: impl Into<String>) {
        self.harm.get_or_insert_with(|| what.into());
    }

    pub(crate) fn stream_map(&mut self, stream: u32, map: MapType) -> Option<&mut Map> {
        self.streams.get_mut(&stream)?.maps.get_mut(&(map as u32))
    }
}
