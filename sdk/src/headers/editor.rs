//! Edits of a map that is not read.

use core::marker::PhantomData;

use super::check::Check;
use super::write::{self, Op};
use crate::ToValue;
use crate::abi::{MapType, Status};
use crate::error::Result;
use crate::stream_state::has_no_trailers;

/// An editor of a map, entry by entry. The editor lives as long as the callback that it comes from,
/// and edits the map of that callback's stream.
///
/// Each edit is written to the proxy at once, and fails if the proxy refuses.
///
/// ```
/// # use sluicegate::prelude::*;
/// fn mark(stream: &HttpHandle<'_>) -> Result<()> {
///     let response = stream.edit_response_headers();
///     response.add("x-seen", 1)?;
///     response.remove("server")
/// }
/// ```
///
/// An editor that would outlive its callback does not compile:
///
/// ```compile_fail
/// # use sluicegate::prelude::*;
/// # use sluicegate::MapEditor;
/// struct Keep { editor: Option<MapEditor<'static>> }
///
/// fn keep(filter: &mut Keep, stream: &HttpHandle<'_>) {
///     filter.editor = Some(stream.edit_request_headers()); // ERROR: borrowed from this callback
/// }
/// ```
///
/// # Cost
///
/// One host call that returns nothing for each edit (2,000 to 4,400 instructions in Envoy, about
/// 0.2 µs).
#[derive(Clone, Copy, Debug)]
pub struct MapEditor<'cb> {
    map: MapType,
    callback: PhantomData<&'cb ()>,
}

impl MapEditor<'_> {
    pub(crate) const fn new(map: MapType) -> Self {
        Self { map, callback: PhantomData }
    }

    /// Appends an entry. Existing entries of the same name stay.
    ///
    /// # Errors
    ///
    /// Fails if the name is not a token, optionally behind one colon. Fails if the value has a
    /// control byte other than the tab. Fails if the host refuses: it does if the stream does not
    /// have this map yet, or no longer has it. An edit of the request's trailers fails without a
    /// host call if the request has none.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing.
    pub fn add(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.edit(Check::Both, Op::Add, name.as_ref(), &value)
    }

    /// Appends an entry without checking its bytes. The caller answers for them.
    ///
    /// # Errors
    ///
    /// Fails if the name is empty, or if the host refuses.
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn add_unchecked(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.edit(Check::Neither, Op::Add, name.as_ref(), &value)
    }

    /// Sets the value of a name, and adds the entry if the map has none of this name.
    ///
    /// # Errors
    ///
    /// Fails as [`add`](Self::add) does.
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn replace(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.edit(Check::Both, Op::Replace, name.as_ref(), &value)
    }

    /// Sets the value of a name without checking the bytes of either. The caller answers for them.
    ///
    /// # Errors
    ///
    /// Fails as [`add_unchecked`](Self::add_unchecked) does.
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn replace_unchecked(&self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.edit(Check::Neither, Op::Replace, name.as_ref(), &value)
    }

    /// Removes all entries of a name. Succeeds if there are none.
    ///
    /// # Errors
    ///
    /// Fails as [`add`](Self::add) does.
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn remove(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.edit(Check::Both, Op::Remove, name.as_ref(), b"")
    }

    /// Removes all entries of a name without checking its bytes. The caller answers for them.
    ///
    /// # Errors
    ///
    /// Fails as [`add_unchecked`](Self::add_unchecked) does.
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn remove_unchecked(&self, name: impl AsRef<[u8]>) -> Result<()> {
        self.edit(Check::Neither, Op::Remove, name.as_ref(), b"")
    }

    #[inline]
    fn edit<V: ToValue>(&self, check: Check, op: Op, name: &[u8], value: &V) -> Result<()> {
        write::checked((check, op, self.map), name, value, |value| {
            if matches!(self.map, MapType::HttpRequestTrailers) && has_no_trailers() {
                return Status::BadArgument.code();
            }
            write::edit_out_of_line(op, self.map, name, value)
        })
    }
}
