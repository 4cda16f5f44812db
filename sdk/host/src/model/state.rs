//! The proxy's state of a VM: its plugins, their streams and its log.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::rc::Rc;

use sluicegate::abi::{BufferType, Import, LogLevel, MapType};

use crate::model::act::{Act, Deferred};
use crate::model::body::Body;
use crate::model::call::{CALL_STEP, FIRST_TOKEN, OpenGrpc, PendingCall};
use crate::model::cost::Cost;
use crate::model::direction::Way;
use crate::model::faults::Faults;
use crate::model::functions::Functions;
use crate::model::map::Map;
use crate::model::metric::Definitions;
use crate::model::plugin::PluginState;
use crate::model::property::Properties;
use crate::model::proxy::Proxy;
use crate::model::reply::{Answer, is_bodiless};
use crate::model::stream::Stream;
use crate::model::version::Abi;

/// Envoy's limit, if the listener does not set another.
pub(crate) const BUFFER_LIMIT: usize = 1 << 20;

/// The reason why a guest may call only a few host functions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Restricted {
    /// The guest allocates for the host.
    Allocating,
    /// The guest starts, and has no context yet.
    Starting,
}

/// A line that the filter logged.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogLine {
    /// The severity of the line.
    pub level: LogLevel,
    /// The text of the line. Bytes that are not UTF-8 are replaced.
    pub text: String,
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

    /// Returns the body of a stream, or one direction of a connection's data, if something of it
    /// came.
    pub(crate) fn body(&mut self, stream: u32, buffer: BufferType) -> Option<&mut Body> {
        self.streams.get_mut(&stream)?.bodies.get_mut(&(buffer as u32))
    }

    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.streams.get(&stream).is_some_and(Stream::is_over)
    }

    /// Adds a line to the log, if its level is kept.
    pub(crate) fn note(&mut self, level: u32, message: &[u8]) {
        if level >= self.log_level {
            let text = String::from_utf8_lossy(message).into_owned();
            self.log.push(LogLine { level: LogLevel::from_code(level), text });
        }
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
