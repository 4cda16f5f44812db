//! The calls that a task awaits.

use core::future::{Future, poll_fn};
use core::task::{Context, Poll};

use super::slot::Slot;
use super::{Polled, polled};
use crate::abi::{HostBytes, Shared};
use crate::callout::{Answer, Answered, CallFailure, CallToken, GrpcCall, GrpcFailure, HttpCall, Kind, Pending, keep};
use crate::error::Result;
use sluicegate_alloc::region::outside;

/// A call that a task awaits. The first poll sends the call. If the future is dropped before its
/// end, the call is given up.
struct Call<T: 'static> {
    sent: Option<(Shared<Slot<T>>, Pending)>,
}

impl<T: 'static> Call<T> {
    const NEW: Self = Self { sent: None };

    /// Sends the call at the first poll, and then waits for the value that `read` makes of the
    /// response.
    fn poll(
        &mut self,
        context: &Context<'_>,
        kind: Kind,
        send: impl FnOnce(u32) -> Result<CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Poll<Result<T>> {
        if self.sent.is_none() {
            match Self::send(kind, send, read) {
                Ok(call) => self.sent = Some(call),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match &self.sent {
            Some((slot, _)) => slot.poll(context).map(Ok),
            None => Poll::Pending,
        }
    }

    fn send(
        kind: Kind,
        send: impl FnOnce(u32) -> Result<CallToken>,
        read: fn(Answered<'_>) -> Option<T>,
    ) -> Result<(Shared<Slot<T>>, Pending)> {
        let Polled { context, .. } = polled()?;
        let slot = outside(Slot::new)?;
        let filled = slot.clone();
        let pending = keep(context, kind, send, move |_, answered| {
            if let Some(value) = read(answered) {
                filled.fill(value);
            }
            Ok(())
        })?;
        Ok((slot, pending))
    }
}

impl<T: 'static> Drop for Call<T> {
    fn drop(&mut self) {
        if let Some((_, pending)) = &self.sent {
            // It makes no difference if the response has come before.
            let _ = pending.cancel();
        }
    }
}

impl<'a, N, V, T> HttpCall<'a, N, V, T> {
    /// Sends the call in a [task](crate::task), and returns the response.
    ///
    /// # Errors
    ///
    /// Fails if the call is not sent, if it gets no response, or if the response cannot be read. A
    /// response with an error status is not a failure.
    ///
    /// # Cost
    ///
    /// The cost of the call, and three small blocks until the response comes. Then one host call
    /// and one block for the headers, and one of each for the body and for the trailers if the
    /// response has them.
    pub fn send(self) -> impl Future<Output = Result<Answer, CallFailure>>
    where
        N: AsRef<[u8]>,
        V: AsRef<[u8]>,
        T: AsRef<[u8]>,
    {
        let mut sent = Call::NEW;
        poll_fn(move |context| {
            let polled = sent.poll(
                context,
                Kind::Http,
                |asker| self.dispatch(asker),
                |answered| match answered {
                    Answered::Http(response) => Some(Answer::read(response)),
                    Answered::Grpc(_) => None,
                },
            );
            polled.map(|answered| answered.unwrap_or_else(|error| Err(self.refused(error))))
        })
    }
}

impl<'a> GrpcCall<'a> {
    /// Sends the call in a [task](crate::task), and returns the message of the response.
    ///
    /// # Errors
    ///
    /// Fails if the call is not sent, if the call ends with a status instead of a message, or if
    /// the message cannot be read.
    ///
    /// # Cost
    ///
    /// The cost of the call, and three small blocks until the response comes. Then one host call
    /// and one block for the message.
    pub fn send(self) -> impl Future<Output = Result<HostBytes, GrpcFailure>> {
        let mut sent = Call::NEW;
        poll_fn(move |context| {
            let polled = sent.poll(
                context,
                Kind::GrpcCall,
                |asker| self.dispatch(asker),
                |answered| match answered {
                    Answered::Grpc(event) => Some(match GrpcFailure::of(event) {
                        Some(failure) => Err(failure),
                        None => event.message().map_err(GrpcFailure::Refused),
                    }),
                    Answered::Http(_) => None,
                },
            );
            polled.map(|answered| answered.unwrap_or_else(|error| Err(GrpcFailure::Refused(error))))
        })
    }
}
