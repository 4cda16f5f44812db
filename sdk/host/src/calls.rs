//! The calls of a VM to other services, as the proxy keeps them until they end.

use std::collections::BTreeSet;

use sluicegate::abi::Status;

use crate::map::Map;
use crate::phases;
use crate::state::{Deferred, State};
use crate::valid;

/// An HTTP call that the filter dispatched, and to which the test has not responded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PendingCall {
    /// The number that the host gave the call.
    pub token: u32,
    /// The cluster.
    pub cluster: String,
    /// The headers.
    pub headers: Map,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Map,
    /// The timeout, in milliseconds.
    pub timeout: u32,
    /// The context of the plugin that gets the response. If a stream called, it is the stream's
    /// plugin.
    pub plugin: u32,
    /// The context that dispatched the call.
    pub context: u32,
}

/// An open gRPC call or stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenGrpc {
    /// The number that the host gave the call or stream.
    pub token: u32,
    /// The cluster.
    pub cluster: String,
    /// True if the filter gave the bare name of the cluster, and not the message that names it.
    pub is_bare: bool,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The initial metadata.
    pub metadata: Map,
    /// The messages that were sent: one for a call, any number for a stream.
    pub sent: Vec<Vec<u8>>,
    /// True if the filter's side has ended. A call's has always ended.
    pub ended: bool,
    /// The timeout of a call in milliseconds, or `None` for a stream.
    pub timeout: Option<u32>,
    /// The context of the plugin that gets the callbacks. If a stream called, it is the stream's
    /// plugin.
    pub plugin: u32,
    /// The context that opened the call or stream.
    pub context: u32,
}

/// The mask of the bits of a token that hold the kind of a call. `CALL` and `STREAM` are the kinds
/// of gRPC.
const KIND: u32 = 3;
const CALL: u32 = 1;
/// Envoy's first token. The lowest two bits hold the kind of call.
pub(crate) const FIRST_TOKEN: u32 = 4;
/// The distance of Envoy's tokens of one kind.
pub(crate) const CALL_STEP: u32 = 4;
const STREAM: u32 = 2;

/// The greatest depth of nested groups in a message that a proxy parses.
const MAX_DEPTH: u32 = 100;

/// Takes a varint: seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or_default();
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Takes one field. A group is taken as a whole.
fn field(bytes: &mut &[u8], group: Option<u64>, depth: u32) -> Option<bool> {
    let key = varint(bytes).filter(|key| (1..=u64::from(u32::MAX)).contains(key))?;
    let number = Some(key >> 3).filter(|number| *number > 0)?;
    let size = match key & 7 {
        0 => return varint(bytes).map(|_| true),
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        3 => {
            let depth = depth.checked_sub(1)?;
            while field(bytes, Some(number), depth)? {}
            return Some(true);
        }
        4 => return (group == Some(number)).then_some(false),
        5 => 4,
        _ => return None,
    };
    *bytes = bytes.get(size..)?;
    Some(true)
}

/// Returns whether bytes are a protobuf message. Empty bytes are one.
fn is_message(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        if field(&mut bytes, None, MAX_DEPTH).is_none() {
            return false;
        }
    }
    true
}

/// Returns the cluster that a serialised `GrpcService` names, or `None` if the target names none.
pub(crate) fn cluster_of(target: &[u8]) -> Option<String> {
    // A message that comes twice is merged. Of a string that comes twice the last one counts.
    let envoy_grpc = contents(target, 1)?.concat();
    let names = contents(&envoy_grpc, 1)?;
    names.last().map(|name| String::from_utf8_lossy(name).into_owned())
}

/// Returns whether bytes are a `GrpcService` that names no target, at which Envoy ends.
fn names_nothing(target: &[u8]) -> bool {
    contents(target, 1).is_some_and(|envoy_grpc| is_message(&envoy_grpc.concat()))
}

/// Returns the contents of the length-delimited fields of this number, or `None` if the bytes are
/// no message.
fn contents(message: &[u8], number: u64) -> Option<Vec<&[u8]>> {
    if !is_message(message) {
        return None;
    }
    let (mut rest, mut found) = (message, Vec::new());
    while !rest.is_empty() {
        let before = rest;
        let mut content = rest;
        let key = varint(&mut content)?;
        field(&mut rest, None, MAX_DEPTH)?;
        if key == number << 3 | 2 {
            let size = usize::try_from(varint(&mut content)?).ok()?;
            let start = before.len() - content.len();
            found.push(before.get(start..start.checked_add(size)?)?);
        }
    }
    Some(found)
}

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

#[cfg(test)]
mod tests {
    use super::{cluster_of, is_message};

    #[test]
    fn some_names_are_messages() {
        let found = ["", "users", "empty", "upstream", "service", "nowhere", "grpc", "\n\u{2}ab", "\n\u{3}ab", "xy"]
            .map(|name| is_message(name.as_bytes()));
        assert_eq!(found, [true, true, true, false, false, false, false, true, false, true]);
    }

    #[test]
    fn a_message_names_its_cluster_among_other_fields() {
        let of = |target: &[u8]| cluster_of(target);
        let grpc = Some("grpc".to_owned());
        assert_eq!(of(b"\n\x06\n\x04grpc"), grpc);
        assert_eq!(of(b"\n\x06\n\x04grpc\x1a\x02\x08\x01"), grpc, "with a timeout");
        assert_eq!(of(b"\xf8\x7f\x01\n\x06\n\x04grpc"), grpc, "after a field that nobody knows");
        assert_eq!(of(b"\n\x09\n\x07unknown\n\x06\n\x04grpc"), grpc, "the last one");
        assert_eq!(of(b"\n\x0d\n\x04grpc\x12\x05other"), grpc, "with an authority");
        let none = [&b"users"[..], b"grpc", b"", b"\n\x06\n\x04grp", b"\n\x00", b"\n\x06\n\x05grpc"];
        assert_eq!(none.map(of), [const { None }; 6]);
    }
}
