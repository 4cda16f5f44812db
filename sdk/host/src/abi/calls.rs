//! The host calls that open, use and end calls to other services.

use std::collections::BTreeSet;

use sluicegate::abi::Status;

use crate::abi::grpc_service::names_nothing;
use crate::model::act::Deferred;
use crate::model::call::{CALL_STEP, OpenGrpc, PendingCall};
use crate::model::state::State;
use crate::model::{phases, valid};

/// The mask of the bits of a token that hold the kind of a call. `CALL` and `STREAM` are the kinds
/// of gRPC.
const KIND: u32 = 3;
const CALL: u32 = 1;
const STREAM: u32 = 2;

impl State {
    /// Opens an HTTP call that waits for its response.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::BadArgument`] if the cluster is not known, if the request lacks
    /// `:method`, `:path` or `:authority`, or if the timeout is negative as a signed number. Envoy
    /// does not check the timeout of gRPC calls so. Fails with [`Status::InternalFailure`] if the
    /// cluster has no healthy host.
    pub(crate) fn call(&mut self, call: PendingCall) -> Result<u32, Status> {
        let complete =
            [":method", ":path", ":authority"].iter().all(|name| call.headers.get(name.as_bytes()).is_some());
        let unknown = self.clusters.as_ref().is_some_and(|clusters| !clusters.contains(&call.cluster));
        if call.timeout.cast_signed() < 0 || call.cluster.is_empty() || unknown || !complete {
            return Err(Status::BadArgument);
        }
        let (token, context) = (self.new_token(0), self.effective);
        if self.hostless.contains(&call.cluster) {
            self.failed_at_once = true;
            return Err(Status::InternalFailure);
        }
        if valid::check_call(&call.headers).is_some() {
            self.deferred.push((context, Deferred::RefuseCall(token)));
        }
        self.expire(token, call.timeout);
        self.pending.push(PendingCall { token, plugin: self.plugin_of(context), context, ..call });
        Ok(token)
    }

    /// Notes the deadline of a call. A timeout of 0 is no deadline. Deadlines of calls that have
    /// ended are dropped when there are many.
    fn expire(&mut self, token: u32, timeout: u32) {
        if self.deadlines.len() > 2 * (self.pending.len() + self.grpc.len()) {
            let pending = self.pending.iter().map(|call| call.token);
            let open: BTreeSet<_> = pending.chain(self.grpc.iter().map(|grpc| grpc.token)).collect();
            self.deadlines.retain(|(_, of)| open.contains(of));
        }
        if timeout != 0 {
            let due = self.proxy.borrow().passed + u64::from(timeout) * 1_000_000;
            self.deadlines.insert((due, token));
        }
    }

    /// Returns a new token, as Envoy numbers calls: four apart for each kind, with the kind in the
    /// lowest bits. The distance of HTTP calls is the one that the test set.
    fn new_token(&mut self, kind: u32) -> u32 {
        let step = if kind == 0 { self.call_step } else { CALL_STEP };
        let Some(next) = self.next_tokens.get_mut(kind as usize) else { unreachable!("there are three kinds") };
        let token = *next | kind;
        *next += step;
        token
    }

    /// Opens a gRPC call or stream.
    ///
    /// # Errors
    ///
    /// Fails with [`Status::ParseFailure`] if the bare name is not that of a cluster, and with
    /// [`Status::InternalFailure`] if the cluster is not known otherwise or has no healthy host.
    /// Fails with [`Status::BadArgument`] if the bare name reads as a target that names nothing.
    pub(crate) fn open_grpc(&mut self, grpc: OpenGrpc) -> Result<u32, Status> {
        if grpc.is_bare && names_nothing(grpc.cluster.as_bytes()) {
            self.harm(format!(
                "a gRPC call to \"{}\", which Envoy takes for a serialised GrpcService that names no target: Envoy ends",
                grpc.cluster.escape_default()
            ));
            return Err(Status::BadArgument);
        }
        let unknown = self.clusters.as_ref().is_some_and(|clusters| !clusters.contains(&grpc.cluster));
        if unknown && grpc.is_bare {
            return Err(Status::ParseFailure);
        }
        let token = self.new_token(if grpc.timeout.is_some() { CALL } else { STREAM });
        let context = self.effective;
        let hostless = self.hostless.contains(&grpc.cluster);
        if unknown || hostless {
            let harm = phases::stream_behind_failure(self.entered);
            if let Some(harm) = harm.filter(|_| self.failed_at_once && grpc.timeout.is_none()) {
                self.harm(harm);
            }
            self.failed_at_once = true;
            if self.tells_of_failure {
                // If the filter always opens one there, this never ends.
                self.harm("a gRPC call or stream that fails at once, in the callback that tells of such a failure: Envoy does nothing else any more");
                return Err(Status::InternalFailure);
            }
            self.deferred.push((context, Deferred::CloseGrpc(self.plugin_of(context), token)));
            return Err(Status::InternalFailure);
        }
        if let Some(timeout) = grpc.timeout {
            self.expire(token, timeout);
        }
        self.grpc.push(OpenGrpc { token, plugin: self.plugin_of(context), context, ..grpc });
        Ok(token)
    }

    pub(crate) fn send_grpc(&mut self, token: u32, message: Vec<u8>, end: bool) -> Result<(), Status> {
        if token & KIND != STREAM {
            return Err(Status::BadArgument);
        }
        let stream = self.grpc.iter_mut().find(|grpc| grpc.token == token).ok_or(Status::NotFound)?;
        // A message after the end goes nowhere, and the host call returns OK.
        if !stream.ended {
            stream.sent.push(message);
            stream.ended = end;
        }
        Ok(())
    }

    /// Ends the filter's side of a stream. A call is cancelled.
    pub(crate) fn close_grpc(&mut self, token: u32) -> Result<(), Status> {
        if token & KIND == CALL {
            return self.cancel_grpc(token);
        }
        self.grpc_at(token)?.ended = true;
        Ok(())
    }

    pub(crate) fn cancel_grpc(&mut self, token: u32) -> Result<(), Status> {
        self.grpc_at(token)?;
        self.grpc.retain(|grpc| grpc.token != token);
        Ok(())
    }

    fn grpc_at(&mut self, token: u32) -> Result<&mut OpenGrpc, Status> {
        if ![CALL, STREAM].contains(&(token & KIND)) {
            return Err(Status::BadArgument);
        }
        self.grpc.iter_mut().find(|grpc| grpc.token == token).ok_or(Status::NotFound)
    }
}
