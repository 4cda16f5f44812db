//! Bodies and data that change as they pass.

use core::fmt;
use core::ops::Deref;

use super::carry::Carry;
use super::{Body, Direction, Head, Headers, Tail};
use crate::buffer::Buffer;
use crate::context::FilterStatus;
use crate::effective::write_at_trailers;
use crate::error::{Error, Result};
use crate::host_buffer::{WHOLE, buffer_of};
use crate::stream_state;

impl<D, P> Headers<'_, D, P, Head> {
    /// Lets the body of this message pass in parts, as they come. The callback for the
    /// [complete body](crate::HttpFilter::on_complete_request_body) does not run for this message.
    ///
    /// A complete body must fit into the proxy's buffer: Envoy replies with 413 over 1 MiB, unless
    /// the listener sets another limit. A filter that has nothing to judge in a body lets the body
    /// pass:
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// #[derive(Default)]
    /// struct NoSecrets;
    ///
    /// #[sluicegate::http_filter]
    /// impl HttpFilter for NoSecrets {
    ///     fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///         if request.get("content-type")?.is_some_and(|kind| kind == "video/mp4") {
    ///             request.let_body_pass();
    ///         }
    ///         Ok(Action::Continue)
    ///     }
    ///
    ///     fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
    ///         if body.bytes()?.starts_with(b"secret") {
    ///             return body.reply(&LocalResponse::new(403));
    ///         }
    ///         Ok(FilterStatus::Continue)
    ///     }
    /// }
    /// # sluicegate::plugin!(http: NoSecrets);
    /// # fn main() {}
    /// ```
    ///
    /// # Security
    ///
    /// A client chooses its headers. A filter that lets bodies pass for the sake of a header lets
    /// every client choose.
    ///
    /// # Cost
    ///
    /// No host call.
    pub fn let_body_pass(&mut self) {
        let direction = self.direction();
        stream_state::current(|state| state.map(|state| state.pass_in_parts(direction)));
    }

    /// Announces that the body will have another size: removes `content-length`, which would be
    /// wrong. The proxy then sends the body in chunks.
    ///
    /// # Errors
    ///
    /// Fails as [`remove`](Self::remove) does.
    ///
    /// # Cost
    ///
    /// The cost of [`remove`](Self::remove).
    pub fn body_will_change(&mut self) -> Result<()> {
        self.remove("content-length")?;
        let direction = self.direction();
        stream_state::current(|state| state.map(|state| state.allow_another_size(direction)));
        Ok(())
    }
}

/// A rewriter, which changes a body, or the data of a connection, as it passes. The rewriter is a
/// field of the filter, and works from one part to the next.
///
/// A part may end within the bytes that the filter looks for. So the closure returns how many bytes
/// it has dealt with, and sees the rest again in front of the next part. The closure is told when
/// no more bytes come, and then it must deal with all of them:
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Chunk, Output};
///
/// /// Writes a number in front of each line.
/// #[derive(Default)]
/// struct Number { lines: u32, rewriter: Rewriter }
///
/// fn number(lines: &mut u32, chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
///     let mut done = 0;
///     for line in chunk.split_inclusive(|byte| *byte == b'\n') {
///         if !line.ends_with(b"\n") && !chunk.is_last() {
///             break; // the rest of the line comes with the next part
///         }
///         *lines += 1;
///         out.push_number(*lines)?;
///         out.push(" ")?;
///         out.push(line)?;
///         done += line.len();
///     }
///     Ok(done)
/// }
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Number {
///     fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
///         response.body_will_change()?;
///         Ok(Action::Continue)
///     }
///
///     fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
///         self.rewriter.pass(body, |chunk, out| number(&mut self.lines, chunk, out))
///     }
///
///     fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
///         self.rewriter.finish(trailers, |chunk, out| number(&mut self.lines, chunk, out))
///     }
/// }
/// # sluicegate::plugin!(http: Number);
/// # fn main() {}
/// ```
///
/// # Trailers
///
/// Trailers end a body without a last part. Most responses of gRPC end in this way.
/// [`finish`](Self::finish) then passes the bytes that are left. A filter that uses
/// [`pass`](Self::pass) without a callback for the trailers gets an error for its first part. A
/// callback for the trailers that forgets `finish` while bytes are left is an error of that
/// callback.
///
/// So that something can still be written with the trailers, the proxy keeps the part in which the
/// closure left bytes for the first time, until the next part, the trailers or the end come. Later
/// parts are not kept.
///
/// # Limit
///
/// The number of bytes that the closure leaves is bounded by
/// [`DEFAULT_LIMIT`](Self::DEFAULT_LIMIT), or by [`with_limit`](Self::with_limit).
pub struct Rewriter {
    carry: Carry,
    limit: usize,
    /// The number of bytes, at the start of those that the proxy holds, that were rewritten.
    rewritten: usize,
    /// `true` if the proxy was told to keep the part before.
    kept: bool,
}

impl Default for Rewriter {
    fn default() -> Self {
        Self::with_limit(Self::DEFAULT_LIMIT)
    }
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewriter").field("left", &self.left().len()).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Rewriter {
    /// The default limit of the bytes that a closure may leave: 64 KiB.
    pub const DEFAULT_LIMIT: usize = 64 << 10;

    /// Returns a rewriter whose closure may leave this many bytes.
    #[must_use]
    pub const fn with_limit(limit: usize) -> Self {
        Self { carry: Carry::new(), limit, rewritten: 0, kept: false }
    }

    /// Shows the bytes that were left and this part to a closure, and replaces the part by the
    /// bytes that the closure writes. The closure returns the number of bytes that it has dealt
    /// with. Returns the status for the callback to return: [`FilterStatus`] for a connection.
    ///
    /// The closure is not called if there are no bytes.
    ///
    /// # Errors
    ///
    /// Fails with the closure's error, if the host refuses, or if the SDK is out of memory. Then
    /// the part is as it was, and the bytes that were left are in front of it again: with an open
    /// [policy](crate::HttpFilter::ON_ERROR) all of them pass as they came.
    ///
    /// Fails if the closure leaves more bytes than the limit, if the closure leaves bytes of the
    /// last [`Chunk`], or if the filter has no callback for the trailers of this direction.
    ///
    /// # Cost
    ///
    /// At most two host calls: one to read the part, and one to write it if the closure changed it.
    /// One more host call while bytes are left. No host call if there are no bytes. One block of
    /// the part's size, and one of the size of the bytes that the closure writes if that is over
    /// 256 bytes. Bytes that are left are copied a bounded number of times, however many parts they
    /// wait for. If a task holds the body at the same time, the bytes that were rewritten so far
    /// are copied again with each part.
    pub fn pass<D: Direction, P>(
        &mut self,
        part: &mut Body<'_, D, P>,
        change: impl FnOnce(Chunk<'_>, &mut Output) -> Result<usize>,
    ) -> Result<D::Status> {
        if !part.sees_trailers {
            return Err(Error::new(
                "trailers would end the body unseen: implement the callback for the trailers, with `Rewriter::finish`",
            ));
        }
        let (direction, is_last) = (part.buffer.direction(), part.end_of_stream());
        let (is_paused, is_held) = stream_state::current(|state| {
            state.map_or((false, false), |state| (state.is_paused(direction), state.is_held(direction)))
        });
        let rewritten = if is_paused { self.rewritten.min(part.size()) } else { 0 };
        let new = part.read(rewritten, part.size().saturating_sub(rewritten))?;
        let seen = self.carry.len();
        let mut out = Output(Buffer::new());
        if seen == 0 {
            let done = deal(Chunk { bytes: &new, seen, is_last }, &mut out, self.limit, change)?;
            self.carry.append(new.get(done..).unwrap_or_default())?;
            put(part, rewritten, &new, out.written()).inspect_err(|_| self.carry.truncate(0))?;
        } else {
            self.carry.append(&new)?;
            let dealt = deal(Chunk { bytes: self.carry.bytes(), seen, is_last }, &mut out, self.limit, change)
                .and_then(|done| put(part, rewritten, &new, out.written()).map(|()| done));
            match dealt {
                Ok(done) => self.carry.consume(done),
                Err(error) => {
                    self.give_back(part, rewritten, &new, seen);
                    return Err(error);
                }
            }
        }
        let is_empty = self.carry.len() == 0;
        stream_state::current(|state| state.map(|state| state.carry(direction, !is_empty)));
        let keeps = D::IS_KEPT && !is_empty;
        // The kept part goes on with this one. The proxy is then ready for more bytes to be
        // written, even at the trailers.
        let passes = keeps
            && self.kept
            && stream_state::current(|state| state.map_or(Ok(false), |state| state.pass_on(direction)))?;
        self.rewritten = if passes || !(keeps || is_held) { 0 } else { rewritten + out.written().len() };
        self.kept = keeps;
        Ok(if keeps { D::KEEP } else { D::GO })
    }

    /// Puts the bytes that were left before a part back in front of it, because the closure or the
    /// host has failed. If the host refuses that too, the bytes are still left.
    #[cold]
    fn give_back<D: Direction, P>(&mut self, part: &mut Body<'_, D, P>, rewritten: usize, new: &[u8], seen: usize) {
        if put(part, rewritten, new, self.carry.bytes()).is_err() {
            self.carry.truncate(seen);
            return;
        }
        self.carry.truncate(0);
        (self.rewritten, self.kept) = (0, false);
        let direction = part.buffer.direction();
        stream_state::current(|state| state.map(|state| state.carry(direction, false)));
    }

    /// Returns the bytes that the closure has not dealt with so far.
    #[must_use]
    pub fn left(&self) -> &[u8] {
        self.carry.bytes()
    }

    /// Shows the bytes that are left to the closure, in the callback for the trailers, and sends
    /// the bytes that the closure writes before the trailers. Returns the status for the callback
    /// to return.
    ///
    /// The closure is not called if no bytes are left.
    ///
    /// # Errors
    ///
    /// Fails with the closure's error, if the closure does not deal with all bytes, if the host
    /// refuses, or if the SDK is out of memory. Fails if the closure writes bytes, and the callback
    /// for the last part did not return the status that [`pass`](Self::pass) returned.
    ///
    /// # Cost
    ///
    /// One host call if the closure writes bytes, and one block of their size if that is over 256
    /// bytes.
    pub fn finish<D, P>(
        &mut self,
        trailers: &mut Headers<'_, D, P, Tail>,
        change: impl FnOnce(Chunk<'_>, &mut Output) -> Result<usize>,
    ) -> Result<FilterStatus> {
        let direction = trailers.direction();
        let bytes = self.carry.bytes();
        let mut out = Output(Buffer::new());
        let dealt = deal(Chunk { bytes, seen: bytes.len(), is_last: true }, &mut out, self.limit, change);
        // After an error the bytes pass as they came, if the failure policy is open.
        let written = if dealt.is_ok() { out.written() } else { bytes };
        if !written.is_empty() {
            write_at_trailers(buffer_of(direction), WHOLE, 0, written)?;
        }
        self.carry = Carry::new();
        stream_state::current(|state| state.map(|state| state.carry(direction, false)));
        dealt.map(|_| FilterStatus::Continue)
    }
}

/// Runs the closure, and returns the number of bytes that it has dealt with.
fn deal(
    chunk: Chunk<'_>,
    out: &mut Output,
    limit: usize,
    change: impl FnOnce(Chunk<'_>, &mut Output) -> Result<usize>,
) -> Result<usize> {
    if chunk.is_empty() {
        return Ok(0);
    }
    let done = change(chunk, out)?.min(chunk.len());
    match chunk.len() - done {
        0 => Ok(done),
        _ if chunk.is_last() => Err(Error::new("the closure of a rewriter leaves bytes of the last chunk")),
        left if left > limit => {
            Err(Error::new("the closure of a rewriter leaves more bytes than it may: see `Rewriter::with_limit`"))
        }
        _ => Ok(done),
    }
}

/// Replaces the new bytes by those that the closure wrote, behind the bytes that were rewritten
/// before.
fn put<D: Direction, P>(part: &mut Body<'_, D, P>, rewritten: usize, new: &[u8], out: &[u8]) -> Result<()> {
    if out == new {
        return Ok(());
    }
    if rewritten == 0 {
        return part.replace(out);
    }
    let before = part.read(0, rewritten)?;
    let mut all = Buffer::new();
    all.append(&before)?;
    all.append(out)?;
    part.replace(all.written())
}

/// The bytes that the closure of a [`Rewriter`] sees: those that it left before, and the new ones.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::Chunk;
///
/// /// Returns the number of bytes up to the end of the last whole line.
/// fn whole_lines(chunk: Chunk<'_>) -> usize {
///     if chunk.is_last() {
///         return chunk.len();
///     }
///     chunk.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    bytes: &'a [u8],
    seen: usize,
    is_last: bool,
}

impl Chunk<'_> {
    /// Returns whether no more bytes come. Then the closure must deal with all bytes of the chunk.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns the number of bytes, at the start of the chunk, that the closure saw before and
    /// left. A search that begins after them looks at each byte once, however small the parts are.
    #[must_use]
    pub const fn seen(&self) -> usize {
        self.seen
    }
}

impl Deref for Chunk<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

/// The bytes that the closure of a [`Rewriter`] writes.
///
/// ```
/// # use sluicegate::prelude::*;
/// use sluicegate::Output;
///
/// fn number(line: &[u8], lines: u32, out: &mut Output) -> Result<()> {
///     out.push_number(lines)?;
///     out.push(": ")?;
///     out.push(line)
/// }
/// ```
pub struct Output(Buffer);

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Output").field(&self.written().len()).finish()
    }
}

impl Output {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory. Then nothing is appended.
    ///
    /// # Cost
    ///
    /// A copy; no host call.
    pub fn push(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        self.0.append(bytes.as_ref())
    }

    /// Appends a number in decimal digits.
    ///
    /// # Errors
    ///
    /// Fails as [`push`](Self::push) does.
    ///
    /// # Cost
    ///
    /// A copy; no host call.
    pub fn push_number(&mut self, number: impl Into<u64>) -> Result<()> {
        crate::ToValue::with_value(&number.into(), |digits| self.push(digits))
    }

    /// Returns the bytes that were appended so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.0.written()
    }
}
