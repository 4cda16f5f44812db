//! What a proxy knows: one plugin, its streams, its log.

use std::collections::{BTreeMap, HashMap};

use sluicegate::abi::{BufferType, Import, LogLevel, MapType, Status};

use crate::Map;
use crate::foreign::Functions;
use crate::metric::Metrics;
use crate::property::Properties;
use crate::shared::{Queues, SharedData};

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

/// One stream.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) maps: BTreeMap<u32, Map>,
    pub(crate) reply: Option<LocalReply>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Envoy's own objects, each with its life span.
    pub(crate) envoy_filter_state: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    pub(crate) routes_cleared: usize,
    /// Whether the response is worked on.
    pub(crate) responding: bool,
}

/// The proxy's side of everything. Each function answers `Err` with the status that the guest gets.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) log_level: u32,
    pub(crate) log: Vec<LogLine>,
    /// Nanoseconds since the Unix epoch.
    pub(crate) now: u64,
    /// Milliseconds; 0 is off.
    pub(crate) tick_period: u32,
    pub(crate) vm_configuration: Vec<u8>,
    pub(crate) plugin_configuration: Vec<u8>,
    pub(crate) configuring: bool,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The context whose callback runs.
    pub(crate) current: u32,
    pub(crate) done: bool,
    /// How often each function was called.
    pub(crate) calls: HashMap<Import, usize>,
    /// What functions answer instead of doing their work.
    pub(crate) failures: HashMap<Import, Status>,
    pub(crate) metrics: Metrics,
    pub(crate) shared_data: SharedData,
    pub(crate) queues: Queues,
    pub(crate) properties: Properties,
    /// The properties that were declared, and whether each is set once.
    pub(crate) declared: BTreeMap<Vec<u8>, bool>,
    pub(crate) functions: Functions,
}

impl Default for State {
    fn default() -> Self {
        Self {
            log_level: LogLevel::Trace as u32,
            log: Vec::new(),
            now: 1_700_000_000_000_000_000,
            tick_period: 0,
            vm_configuration: Vec::new(),
            plugin_configuration: Vec::new(),
            configuring: false,
            streams: BTreeMap::new(),
            current: 0,
            done: false,
            calls: HashMap::new(),
            failures: HashMap::new(),
            metrics: Metrics::default(),
            shared_data: SharedData::default(),
            queues: Queues::default(),
            properties: Properties::default(),
            declared: BTreeMap::new(),
            functions: Functions::default(),
        }
    }
}

impl State {
    pub(crate) fn log(&mut self, level: u32, message: &[u8]) {
        if level >= self.log_level {
            let text = String::from_utf8_lossy(message).into_owned();
            self.log.push(LogLine { level: LogLevel::from_code(level), text });
        }
    }

    pub(crate) fn buffer(&self, buffer: u32, start: usize, max_size: usize) -> Result<Vec<u8>, Status> {
        let bytes = match buffer {
            buffer if buffer == BufferType::VmConfiguration as u32 => &self.vm_configuration,
            buffer if buffer == BufferType::PluginConfiguration as u32 && self.configuring => {
                &self.plugin_configuration
            }
            _ => return Err(Status::NotFound),
        };
        let end = start.checked_add(max_size).ok_or(Status::BadArgument)?.min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    /// A map of the current stream.
    pub(crate) fn map(&mut self, map: u32) -> Result<&mut Map, Status> {
        let stream = self.streams.get_mut(&self.current);
        stream.and_then(|stream| stream.maps.get_mut(&map)).ok_or(Status::BadArgument)
    }

    /// All pairs of a map: none, without an error, where there is no map. That is Envoy's way.
    pub(crate) fn pairs(&mut self, map: u32) -> Vec<u8> {
        self.map(map).map(|map| map.encode()).unwrap_or_default()
    }

    pub(crate) fn reply(&mut self, reply: LocalReply) -> Result<(), Status> {
        let stream = self.streams.get_mut(&self.current).ok_or(Status::BadArgument)?;
        stream.reply.get_or_insert(reply);
        Ok(())
    }

    pub(crate) fn stream_map(&mut self, stream: u32, map: MapType) -> Option<&mut Map> {
        self.streams.get_mut(&stream)?.maps.get_mut(&(map as u32))
    }
}
