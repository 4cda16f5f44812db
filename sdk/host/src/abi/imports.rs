//! The host functions: they take the guest's arguments, and return values of the simulation.
//!
//! The backends differ in how arguments are read and where results are written. [`Arguments`] hides
//! that.

use sluicegate::abi::{Import, MapType, Status};

use crate::abi::arguments::{Arguments, Block, Failure};
use crate::abi::grpc_service::cluster_of;
use crate::abi::guest::Guest;
use crate::model::act::Act;
use crate::model::call::{OpenGrpc, PendingCall};
use crate::model::faults::{Fault, HostCall};
use crate::model::map::{Kind, Map};
use crate::model::reply::LocalReply;

/// The number of blocks that a wanton host asks for in place of one. This SDK gives a few at once,
/// and then none.
const WANTON: usize = 100;

/// A host call in progress.
struct Call<'a> {
    guest: &'a Guest,
    arguments: &'a mut dyn Arguments,
    fault: Option<Fault>,
    hands_over: bool,
    writes_numbers: bool,
    may_be_left: bool,
}

impl Guest {
    /// Runs a host call, and returns its status.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the VM is dead.
    pub(crate) fn call(&self, import: Import, arguments: &mut dyn Arguments) -> Result<u32, String> {
        let fault = {
            let mut state = self.state.borrow_mut();
            state.cost.host_calls += 1;
            *state.calls.entry(import).or_default() += 1;
            if let Some(restricted) = state.restricted
                && import != Import::proxy_log
            {
                return Err(restricted.refuses(import.name()));
            }
            state.faults.begin(import)
        };
        let mut call =
            Call { guest: self, arguments, fault, hands_over: false, writes_numbers: false, may_be_left: false };
        let status = match call.run(import) {
            Ok(()) => Status::Ok.code(),
            Err(Failure::Status(status)) => status,
            Err(Failure::Trap(why)) => return Err(why),
        };
        let Call { hands_over, writes_numbers, .. } = call;
        self.state.borrow_mut().faults.note(HostCall { import, status, hands_over, writes_numbers });
        Ok(status)
    }
}

impl Call<'_> {
    fn int(&mut self) -> u64 {
        self.arguments.int()
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.int() & u64::from(u32::MAX)).expect("masked")
    }

    fn size(&mut self) -> usize {
        usize::try_from(self.int()).expect("a size of this process")
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        self.arguments.bytes()
    }

    /// Takes the number of a map that a host function uses. A use of the request's trailers may do
    /// harm.
    fn map_number(&mut self, import: Import) -> u32 {
        let map = self.u32();
        if map == MapType::HttpRequestTrailers as u32 {
            self.guest.state.borrow_mut().note_act(Some(Act::Trailers(import)));
        }
        map
    }

    fn map(&mut self) -> Result<Map, Failure> {
        Ok(Map::decode(&self.bytes()?))
    }

    fn text(&mut self) -> Result<String, Failure> {
        Ok(String::from_utf8_lossy(&self.bytes()?).into_owned())
    }

    /// Takes the arguments with which the calls that open a gRPC call or stream begin.
    fn grpc(&mut self) -> Result<OpenGrpc, Failure> {
        let (target, service, method, metadata) = (self.bytes()?, self.text()?, self.text()?, self.map()?);
        let wrapped = cluster_of(&target);
        let is_bare = wrapped.is_none();
        let cluster = wrapped.unwrap_or_else(|| String::from_utf8_lossy(&target).into_owned());
        let (metadata, token, plugin, context) = (metadata.of(Kind::Request), 0, 0, 0);
        Ok(OpenGrpc {
            token,
            cluster,
            is_bare,
            service,
            method,
            metadata,
            sent: Vec::new(),
            ended: false,
            timeout: None,
            plugin,
            context,
        })
    }

    fn hand_over(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.hands_over = true;
        let mut block = Block { bytes, told: bytes.len(), null: false, may_be_left: self.may_be_left };
        let changed;
        match &self.fault {
            Some(Fault::Null) => {
                block.null = true;
                block.told = block.told.max(1);
            }
            Some(Fault::Oversized) => block.told += 1,
            Some(Fault::Vast) => block.told = u32::MAX as usize,
            Some(Fault::Truncated) => {
                block.bytes = &bytes[..bytes.len() / 2];
                block.told = block.bytes.len();
            }
            Some(Fault::Garbage) => {
                changed = vec![0xff; bytes.len()];
                block.bytes = &changed;
            }
            Some(Fault::Miscounted) => {
                changed = bytes.iter().enumerate().map(|(at, byte)| byte.wrapping_add((at == 0).into())).collect();
                block.bytes = &changed;
            }
            Some(Fault::Empty) => (block.bytes, block.told) = (&[], 0),
            _ => {}
        }
        if block.bytes.is_empty() || block.may_be_left && self.arguments.declines() {
            return self.arguments.hand_over(&block);
        }
        let greedy = self.fault == Some(Fault::Greedy);
        self.guest.allocating(|| {
            for _ in 0..if greedy { WANTON } else { 0 } {
                self.arguments.allocate(block.bytes.len())?;
            }
            self.arguments.hand_over(&block)
        })
    }

    fn number(&mut self, number: u64) -> u64 {
        self.writes_numbers = true;
        let last = std::mem::replace(&mut self.guest.state.borrow_mut().faults.last_number, number);
        match self.fault {
            Some(Fault::Number(u32::MAX)) => u64::MAX,
            Some(Fault::Number(wrong)) => wrong.into(),
            Some(Fault::Repeated) => last,
            _ => number,
        }
    }

    fn number_of_32_bits(&mut self, number: u32) -> u32 {
        u32::try_from(self.number(number.into()) & u64::from(u32::MAX)).expect("masked")
    }

    fn write_u32(&mut self, number: u32) -> Result<(), Failure> {
        let number = self.number_of_32_bits(number);
        self.arguments.write_u32(number)
    }

    fn write_size(&mut self, number: usize) -> Result<(), Failure> {
        let number = self.number_of_32_bits(u32::try_from(number).unwrap_or(u32::MAX));
        self.arguments.write_size(number as usize)
    }

    fn write_u64(&mut self, number: u64) -> Result<(), Failure> {
        let number = self.number(number);
        self.arguments.write_u64(number)
    }

    fn run(&mut self, import: Import) -> Result<(), Failure> {
        match &self.fault {
            Some(Fault::Status(status)) => return Err(Failure::Status(*status)),
            Some(Fault::Silent) => return Ok(()),
            Some(Fault::Nested(callback, arguments)) => {
                let guest = self.guest;
                let context = arguments.first().copied().unwrap_or_default();
                let effective = std::mem::replace(&mut guest.state.borrow_mut().effective, context);
                let nested = self.arguments.nest(callback, arguments);
                guest.state.borrow_mut().effective = effective;
                nested?;
            }
            _ => {}
        }
        // The state is not borrowed while the guest allocates, because the guest may log, nor while
        // a function of the test's runs, because that function may use the host.
        let guest = self.guest;
        let state = || guest.state.borrow_mut();
        match import {
            Import::proxy_log => {
                let (level, message) = (self.u32(), self.bytes()?);
                state().log(level, &message)?;
            }
            Import::proxy_get_log_level => {
                let level = state().log_level;
                self.write_u32(level)?;
            }
            Import::proxy_get_current_time_nanoseconds => {
                let now = state().proxy.borrow().now;
                self.write_u64(now)?;
            }
            Import::proxy_set_tick_period_milliseconds => state().set_tick_period(self.u32()),
            Import::proxy_get_configuration => {
                let configuration = state().configuration();
                self.hand_over(&configuration)?;
            }
            Import::proxy_get_buffer_bytes => {
                let bytes = state().buffer(self.u32(), self.size(), self.size())?;
                self.hand_over(&bytes)?;
            }
            Import::proxy_get_buffer_status => {
                let size = state().buffer(self.u32(), 0, usize::MAX)?.len();
                self.write_size(size)?;
                self.write_u32(0)?;
            }
            Import::proxy_get_header_map_size => {
                let map = self.map_number(import);
                let size = state().map(map)?.byte_size();
                self.write_size(size)?;
            }
            Import::proxy_get_header_map_pairs => {
                let map = self.map_number(import);
                let bytes = state().pairs(map)?;
                self.hand_over(&bytes)?;
            }
            Import::proxy_get_header_map_value => {
                let (map, name) = (self.map_number(import), self.bytes()?);
                let value = state().value(map, &name)?;
                self.hand_over(&value)?;
            }
            Import::proxy_add_header_map_value => {
                let (map, name, value) = (self.map_number(import), self.bytes()?, self.bytes()?);
                state().map(map)?.add(&name, &value);
            }
            Import::proxy_replace_header_map_value => {
                let (map, name, value) = (self.map_number(import), self.bytes()?, self.bytes()?);
                state().map(map)?.replace(&name, &value);
            }
            Import::proxy_remove_header_map_value => {
                let (map, name) = (self.map_number(import), self.bytes()?);
                state().map(map)?.remove(&name);
            }
            Import::proxy_set_header_map_pairs => {
                let (map, pairs) = (self.map_number(import), self.map()?);
                state().map(map)?.assign(&pairs);
            }
            Import::proxy_send_local_response => {
                let (status, details, body, headers) = (self.u32(), self.text()?, self.bytes()?, self.map()?);
                let grpc_status = self.u32().cast_signed();
                state().reply(LocalReply { status, details, body, headers, grpc_status })?;
            }
            Import::proxy_set_buffer_bytes => {
                let (buffer, start, size, bytes) = (self.u32(), self.size(), self.size(), self.bytes()?);
                state().set_buffer(buffer, start, size, &bytes)?;
            }
            Import::proxy_http_call => {
                let (cluster, headers, body, trailers) = (self.text()?, self.map()?, self.bytes()?, self.map()?);
                let (timeout, token, plugin, context) = (self.u32(), 0, 0, 0);
                let (headers, trailers) = (headers.of(Kind::Request), trailers.of(Kind::Trailers));
                let call = PendingCall { token, cluster, headers, body, trailers, timeout, plugin, context };
                let token = state().call(call)?;
                self.write_u32(token)?;
            }
            Import::proxy_grpc_call => {
                let (grpc, message, timeout) = (self.grpc()?, self.bytes()?, self.u32());
                let grpc = OpenGrpc { sent: vec![message], timeout: Some(timeout), ended: true, ..grpc };
                let token = state().open_grpc(grpc)?;
                self.write_u32(token)?;
            }
            Import::proxy_grpc_stream => {
                let grpc = self.grpc()?;
                let token = state().open_grpc(grpc)?;
                self.write_u32(token)?;
            }
            Import::proxy_grpc_send => {
                let (token, message, end) = (self.u32(), self.bytes()?, self.u32() != 0);
                state().send_grpc(token, message, end)?;
            }
            Import::proxy_grpc_close => state().close_grpc(self.u32())?,
            Import::proxy_grpc_cancel => state().cancel_grpc(self.u32())?,
            Import::proxy_get_status => {
                let (status, text) = {
                    let state = state();
                    (state.answer.status, state.answer.status_text.clone())
                };
                self.write_u32(status)?;
                self.hand_over(text.as_bytes())?;
            }
            Import::proxy_continue_stream => state().resume(self.u32())?,
            Import::proxy_continue_request => state().resume(0)?,
            Import::proxy_continue_response => state().resume(1)?,
            Import::proxy_close_stream => state().close(self.u32())?,
            Import::proxy_clear_route_cache => drop(state().foreign_function(b"clear_route_cache", b"")?),
            Import::proxy_set_effective_context => state().set_effective(self.u32())?,
            Import::proxy_done => state().finish()?,
            Import::proxy_define_metric => {
                let (kind, name) = (self.u32(), self.bytes()?);
                let metric = state().define_metric(kind, name)?;
                self.write_u32(metric)?;
            }
            Import::proxy_increment_metric => {
                let (metric, offset) = (self.u32(), self.int().cast_signed());
                let state = state();
                state.proxy.borrow_mut().metrics.increment(&state.metrics, metric, offset)?;
            }
            Import::proxy_record_metric => {
                let (metric, value) = (self.u32(), self.int());
                let state = state();
                state.proxy.borrow_mut().metrics.record(&state.metrics, metric, value)?;
            }
            Import::proxy_get_metric => {
                let metric = self.u32();
                let value = {
                    let state = state();
                    state.proxy.borrow().metrics.value(&state.metrics, metric)?
                };
                self.write_u64(value)?;
            }
            Import::proxy_get_shared_data => {
                let key = self.bytes()?;
                let (value, cas) = {
                    let state = state();
                    state.proxy.borrow().shared_data.get(&state.vm_id, &key)?
                };
                self.hand_over(&value)?;
                self.write_u32(cas)?;
            }
            Import::proxy_set_shared_data => {
                let (key, value, cas) = (self.bytes()?, self.bytes()?, self.u32());
                let state = state();
                state.proxy.borrow_mut().shared_data.set(&state.vm_id, key, value, cas)?;
            }
            Import::proxy_register_shared_queue => {
                let name = self.bytes()?;
                let queue = state().register_queue(&name);
                self.write_u32(queue)?;
            }
            Import::proxy_resolve_shared_queue => {
                let (vm_id, name) = (self.bytes()?, self.bytes()?);
                let queue = state().resolve_queue(&vm_id, &name)?;
                self.write_u32(queue)?;
            }
            Import::proxy_enqueue_shared_queue => {
                let (queue, item) = (self.u32(), self.bytes()?);
                state().proxy.borrow_mut().queues.enqueue(queue, item)?;
            }
            Import::proxy_dequeue_shared_queue => {
                let queue = self.u32();
                let item = state().proxy.borrow_mut().queues.dequeue(queue)?;
                self.hand_over(&item)?;
            }
            Import::proxy_get_property => {
                let path = self.bytes()?;
                let value = state().property(&path)?;
                self.hand_over(&value)?;
            }
            Import::proxy_set_property => {
                let (path, value) = (self.bytes()?, self.bytes()?);
                state().set_property(path, value)?;
            }
            Import::proxy_call_foreign_function => {
                let (name, arguments) = (self.bytes()?, self.bytes()?);
                let function = state().functions.get(&name);
                let answer = match function {
                    Some(function) => function(&arguments)?,
                    None => state().foreign_function(&name, &arguments)?,
                };
                self.may_be_left = true;
                self.hand_over(&answer)?;
            }
            _ => return Err(Status::Unimplemented.into()),
        }
        Ok(())
    }
}
