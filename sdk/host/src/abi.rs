//! The host's side of the imports: pointers of the guest in, values of the simulation out.
#![allow(unsafe_code, reason = "a host reads and writes the guest's memory; everything else of this crate is safe")]

use std::cell::RefCell;
use std::ptr;

use sluicegate::abi::native::{Arg, Host};
use sluicegate::abi::{Import, Status, StreamType, allocate};

use crate::map::Map;
use crate::state::{LocalReply, OpenGrpc, PendingCall, State};

/// The simulated host as the guest sees it.
#[derive(Debug, Default)]
pub(crate) struct Guest {
    pub(crate) state: RefCell<State>,
}

/// The arguments of a call, taken one after the other.
struct Args<'a>(std::slice::Iter<'a, Arg>);

impl Args<'_> {
    fn next(&mut self) -> Arg {
        *self.0.next().expect("as many arguments as the import has")
    }

    fn int(&mut self) -> u64 {
        match self.next() {
            Arg::Int(number) => number,
            other => unreachable!("a number where {other:?} is"),
        }
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.int() & u64::from(u32::MAX)).expect("masked")
    }

    fn size(&mut self) -> usize {
        usize::try_from(self.int()).expect("a size of this process")
    }

    /// A slice of the guest's, copied.
    fn bytes(&mut self) -> Vec<u8> {
        let Arg::In(start) = self.next() else { unreachable!("an address") };
        let size = self.size();
        let mut bytes = vec![0; size];
        // SAFETY: `Host::call` demands that an address is valid for reads of the size that follows it.
        unsafe { ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), size) };
        bytes
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// What the calls that open a gRPC call or stream begin with.
    fn grpc(&mut self) -> OpenGrpc {
        let (cluster, service, method) = (self.text(), self.text(), self.text());
        let metadata = Map::decode(&self.bytes());
        OpenGrpc { token: 0, cluster, service, method, metadata, sent: Vec::new(), ended: false, timeout: None }
    }

    /// Hands bytes over: allocates in the guest, copies, tells where. Nothing is allocated for nothing.
    fn hand_over(&mut self, bytes: &[u8]) -> Result<(), Status> {
        let (Arg::OutBlock(value), Arg::OutSize(size)) = (self.next(), self.next()) else {
            unreachable!("where an address and a size go")
        };
        let start = if bytes.is_empty() { ptr::null_mut() } else { allocate(bytes.len()) };
        if !bytes.is_empty() {
            if start.is_null() {
                return Err(Status::InvalidMemoryAccess);
            }
            // SAFETY: the guest allocated this many bytes.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        }
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { value.write(start) };
        // SAFETY: likewise.
        unsafe { size.write(bytes.len()) };
        Ok(())
    }

    fn write_size(&mut self, number: usize) {
        let Arg::OutSize(place) = self.next() else { unreachable!("where a size goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
    }

    fn write_u32(&mut self, number: u32) {
        let Arg::OutU32(place) = self.next() else { unreachable!("where a number goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
    }

    fn write_u64(&mut self, number: u64) {
        let Arg::OutU64(place) = self.next() else { unreachable!("where a number goes") };
        // SAFETY: `Host::call` demands that the place is valid for a write.
        unsafe { place.write(number) };
    }
}

impl Host for Guest {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        match self.answer(import, Args(args.iter())) {
            Ok(()) => Status::Ok.code(),
            Err(status) => status.code(),
        }
    }
}

impl Guest {
    fn answer(&self, import: Import, mut args: Args<'_>) -> Result<(), Status> {
        let mut state = self.state.borrow_mut();
        *state.calls.entry(import).or_default() += 1;
        if let Some(status) = state.failures.get(&import) {
            return Err(*status);
        }
        match import {
            Import::proxy_log => {
                let level = args.u32();
                state.log(level, &args.bytes());
            }
            Import::proxy_get_log_level => args.write_u32(state.log_level),
            Import::proxy_get_current_time_nanoseconds => args.write_u64(state.now),
            Import::proxy_set_tick_period_milliseconds => state.tick_period = args.u32(),
            Import::proxy_get_buffer_bytes => {
                let bytes = state.buffer(args.u32(), args.size(), args.size())?;
                args.hand_over(&bytes)?;
            }
            Import::proxy_get_buffer_status => {
                let size = state.buffer(args.u32(), 0, usize::MAX)?.len();
                args.write_size(size);
                args.write_u32(0);
            }
            Import::proxy_get_header_map_size => {
                let size = state.map(args.u32())?.byte_size();
                args.write_size(size);
            }
            Import::proxy_get_header_map_pairs => {
                let bytes = state.pairs(args.u32());
                args.hand_over(&bytes)?;
            }
            Import::proxy_get_header_map_value => {
                let map = args.u32();
                let name = args.bytes();
                let value = state.map(map)?.get(&name).ok_or(Status::NotFound)?.to_vec();
                args.hand_over(&value)?;
            }
            Import::proxy_add_header_map_value => state.map(args.u32())?.add(&args.bytes(), &args.bytes()),
            Import::proxy_replace_header_map_value => state.map(args.u32())?.replace(&args.bytes(), &args.bytes()),
            Import::proxy_remove_header_map_value => state.map(args.u32())?.remove(&args.bytes()),
            Import::proxy_set_header_map_pairs => {
                let map = state.map(args.u32())?;
                *map = Map::decode(&args.bytes());
            }
            Import::proxy_send_local_response => {
                let (status, details, body, headers) = (args.u32(), args.bytes(), args.bytes(), args.bytes());
                let details = String::from_utf8_lossy(&details).into_owned();
                let grpc_status = args.u32().cast_signed();
                state.reply(LocalReply { status, details, body, headers: Map::decode(&headers), grpc_status })?;
            }
            Import::proxy_set_buffer_bytes => {
                let (buffer, start, size) = (args.u32(), args.size(), args.size());
                state.set_buffer(buffer, start, size, &args.bytes())?;
            }
            Import::proxy_http_call => {
                let (cluster, headers, body, trailers) = (args.bytes(), args.bytes(), args.bytes(), args.bytes());
                let call = PendingCall {
                    token: 0,
                    cluster: String::from_utf8_lossy(&cluster).into_owned(),
                    headers: Map::decode(&headers),
                    body,
                    trailers: Map::decode(&trailers),
                    timeout: args.u32(),
                };
                let token = state.call(call)?;
                args.write_u32(token);
            }
            Import::proxy_grpc_call => {
                let grpc = args.grpc();
                let (message, timeout) = (args.bytes(), args.u32());
                let token =
                    state.open_grpc(OpenGrpc { sent: vec![message], timeout: Some(timeout), ended: true, ..grpc })?;
                args.write_u32(token);
            }
            Import::proxy_grpc_stream => {
                let grpc = args.grpc();
                let token = state.open_grpc(grpc)?;
                args.write_u32(token);
            }
            Import::proxy_grpc_send => {
                let (token, message) = (args.u32(), args.bytes());
                state.send_grpc(token, message, args.u32() != 0)?;
            }
            Import::proxy_grpc_close => state.close_grpc(args.u32())?,
            Import::proxy_grpc_cancel => state.cancel_grpc(args.u32())?,
            Import::proxy_get_status => {
                args.write_u32(state.answer.status);
                args.hand_over(state.answer.status_text.as_bytes())?;
            }
            Import::proxy_get_configuration => {
                let configuring = state.configuring;
                let bytes = if configuring { &state.plugin_configuration } else { &state.vm_configuration }.clone();
                args.hand_over(&bytes)?;
            }
            Import::proxy_continue_request => state.resume(StreamType::HttpRequest as u32)?,
            Import::proxy_continue_response => state.resume(StreamType::HttpResponse as u32)?,
            Import::proxy_clear_route_cache => {
                state.foreign_function(b"clear_route_cache", b"")?;
            }
            Import::proxy_continue_stream => state.resume(args.u32())?,
            Import::proxy_close_stream => state.close(args.u32())?,
            Import::proxy_set_effective_context => {
                let context = args.u32();
                if context != crate::host::PLUGIN && !state.streams.contains_key(&context) {
                    return Err(Status::BadArgument);
                }
                state.effective = context;
            }
            Import::proxy_done => state.done = true,
            Import::proxy_define_metric => {
                let metric = state.metrics.define(args.u32(), args.bytes())?;
                args.write_u32(metric);
            }
            Import::proxy_increment_metric => state.metrics.increment(args.u32(), args.int().cast_signed())?,
            Import::proxy_record_metric => state.metrics.record(args.u32(), args.int())?,
            Import::proxy_get_metric => {
                let value = state.metrics.value(args.u32())?;
                args.write_u64(value);
            }
            Import::proxy_get_shared_data => {
                let (value, cas) = state.shared_data.get(&args.bytes())?;
                args.hand_over(&value)?;
                args.write_u32(cas);
            }
            Import::proxy_set_shared_data => {
                let (key, value, cas) = (args.bytes(), args.bytes(), args.u32());
                state.shared_data.set(key, value, cas)?;
            }
            Import::proxy_register_shared_queue => {
                // Also from a stream's callback: its plugin is told.
                let queue = state.queues.register(b"", &args.bytes(), true);
                args.write_u32(queue);
            }
            Import::proxy_resolve_shared_queue => {
                let queue = state.queues.resolve(&args.bytes(), &args.bytes())?;
                args.write_u32(queue);
            }
            Import::proxy_enqueue_shared_queue => state.queues.enqueue(args.u32(), args.bytes())?,
            Import::proxy_dequeue_shared_queue => {
                let item = state.queues.dequeue(args.u32())?;
                args.hand_over(&item)?;
            }
            Import::proxy_get_property => {
                let value = state.property(&args.bytes())?;
                args.hand_over(&value)?;
            }
            Import::proxy_set_property => state.set_property(args.bytes(), args.bytes())?,
            Import::proxy_call_foreign_function => {
                let (name, arguments) = (args.bytes(), args.bytes());
                let answer = match state.functions.get(&name) {
                    Some(function) => {
                        // The function is the test's, and may ask the host.
                        drop(state);
                        function(&arguments)?
                    }
                    None => state.foreign_function(&name, &arguments)?,
                };
                args.hand_over(&answer)?;
            }
            _ => return Err(Status::Unimplemented),
        }
        Ok(())
    }
}
