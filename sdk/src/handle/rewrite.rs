//! Bodies and data that change as they pass.

use alloc::boxed::Box;
use core::fmt;

use super::{Head, Headers, Part};
use crate::abi::try_slice;
use crate::buffer::Buffer;
use crate::error::{Error, Result};

impl<D, P> Headers<'_, D, P, Head> {
    /// Makes room for a body of another size: removes `content-length`, which would be wrong. The proxy then sends the body in chunks.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove).
    ///
    /// # Cost
    ///
    /// As [`remove`](Self::remove): an edit that waits, and none if the headers were read and have no such header.
    pub fn body_will_change(&mut self) -> Result<()> {
        self.remove("content-length")
    }
}

/// Changes a body, or a connection's data, as it passes: kept in the filter, from one part to the next. Nothing is held back in the proxy, so a body of any size passes.
///
/// What is looked for may lie across the end of a part. So the closure says how many bytes it has dealt with, and sees the rest again in front of the next part:
///
/// ```
/// use sluicegate::prelude::*;
///
/// /// Writes each line in front of a number.
/// #[derive(Default)]
/// struct Number { lines: u32, rewriter: Rewriter }
///
/// #[sluicegate::http_filter]
/// impl HttpFilter for Number {
///     fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
///         response.body_will_change()?;
///         Ok(Action::Continue)
///     }
///
///     fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
///         let Self { lines, rewriter } = self;
///         rewriter.pass(body, |bytes, out| {
///             let mut done = 0;
///             for line in bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")) {
///                 *lines += 1;
///                 out.push_number(*lines)?;
///                 out.push(" ")?;
///                 out.push(line)?;
///                 done += line.len();
///             }
///             Ok(done) // what is behind the last end of a line comes again
///         })?;
///         Ok(DataAction::Continue)
///     }
/// }
/// # sluicegate::plugin!(http: Number);
/// # fn main() {}
/// ```
///
/// At the end of the stream what the closure leaves passes as it is.
///
/// # Trailers
///
/// A body that trailers follow has no last part, and no host takes bytes of a body that has passed. [`finish`](Self::finish) in the callback for the trailers tells whether
/// something is left. Who must expect that holds the body back instead, and changes all of it.
#[derive(Default)]
pub struct Rewriter {
    left: Option<Box<[u8]>>,
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewriter").field("left", &self.left().len()).finish()
    }
}

impl Rewriter {
    /// Shows what was left and this part to a closure, and puts what that writes in the part's place. The closure answers how many bytes it has dealt with. Let the part go on
    /// after that.
    ///
    /// # Errors
    ///
    /// If the closure's is one, the host refuses, or memory is out: then the part is as it was, and what was left is still left.
    ///
    /// # Cost
    ///
    /// Two host calls, one if the closure writes what it got, none if there is nothing; one block of the part's size, one of the size of what the closure writes if that is over
    /// 256 bytes, and if something was left one of both sizes. What the closure leaves is a block of the filter's: leave little.
    pub fn pass(
        &mut self,
        part: &mut impl Part,
        change: impl FnOnce(&[u8], &mut Output) -> Result<usize>,
    ) -> Result<()> {
        let new = part.read(0, part.size())?;
        let joined;
        let bytes: &[u8] = match self.left() {
            [] => &new,
            left => {
                joined = concat(left, &new)?;
                &joined
            }
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let mut out = Output(Buffer::new());
        let done = change(bytes, &mut out)?;
        let rest = bytes.get(done..).unwrap_or_default();
        let mut left = None;
        if part.end_of_stream() {
            out.push(rest)?;
        } else if !rest.is_empty() {
            left = Some(concat(rest, &[])?);
        }
        if out.written() != &*new {
            part.replace(out.written())?;
        }
        self.left = left;
        Ok(())
    }

    /// What the closure has not dealt with so far.
    #[must_use]
    pub fn left(&self) -> &[u8] {
        self.left.as_deref().unwrap_or_default()
    }

    /// Forgets what is left, in the callback for the trailers.
    ///
    /// # Errors
    ///
    /// If something is left: it cannot pass any more.
    ///
    /// # Cost
    ///
    /// One host call for what is left, if anything is.
    pub fn finish(&mut self) -> Result<()> {
        match self.left.take() {
            None => Ok(()),
            Some(_) => Err(Error::new("bytes are left of a body that trailers end")),
        }
    }
}

fn concat(first: &[u8], second: &[u8]) -> Result<Box<[u8]>> {
    let mut all = try_slice(first.len().saturating_add(second.len()), || 0)?;
    let (head, tail) = all.split_at_mut_checked(first.len()).unwrap_or_default();
    for (to, from) in [(head, first), (tail, second)] {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    }
    Ok(all)
}

/// What a [`Rewriter`]'s closure writes.
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
    /// If memory is out; then nothing is appended.
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
    /// As [`push`](Self::push).
    ///
    /// # Cost
    ///
    /// A copy; no host call.
    pub fn push_number(&mut self, number: impl Into<u64>) -> Result<()> {
        crate::ToValue::with_value(&number.into(), |digits| self.push(digits))
    }

    /// What was appended so far.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        self.0.written()
    }
}
