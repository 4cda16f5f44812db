//! Headers and trailers on their way.

use core::marker::PhantomData;

use super::{Head, HttpHandle, Request, Response, Tail};
use crate::abi::{HostBytes, Refused, Status, StreamType, call};
use crate::callout::{
    CallFailure, CallResponse, CallToken, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall, Pending,
};
use crate::context::{Action, HttpFilter, PluginContext};
use crate::error::{Error, Result};
use crate::headers::{Check, HeaderMap, Op, Snapshots, encode};
use crate::reply::LocalResponse;
use crate::{ByteStr, ToValue};

/// The request's headers, in [`on_request_headers`](crate::HttpFilter::on_request_headers).
pub type RequestHeaders<'cb, P = ()> = Headers<'cb, Request, P, Head>;

/// The response's headers, in [`on_response_headers`](crate::HttpFilter::on_response_headers).
pub type ResponseHeaders<'cb, P = ()> = Headers<'cb, Response, P, Head>;

/// The request's trailers, in [`on_request_trailers`](crate::HttpFilter::on_request_trailers).
pub type RequestTrailers<'cb, P = ()> = Headers<'cb, Request, P, Tail>;

/// The response's trailers, in [`on_response_trailers`](crate::HttpFilter::on_response_trailers).
pub type ResponseTrailers<'cb, P = ()> = Headers<'cb, Response, P, Tail>;

/// Headers or trailers that are on their way: read through a snapshot, edited in the guest, written back once.
///
/// The first read fetches the whole map, and every further read in the callback is answered from it, edits included. Edits are buffered and written
/// back before anyone can observe them: when the callback returns, and before a callout, a local response, a property, a foreign function, a resume or whatever
/// else could see the map. Of edits that undo each other only the last is written. What was read before stays valid until the callback returns, so
/// edits are possible while views are in use:
///
/// ```
/// # use sluicegate::prelude::*;
/// fn count(request: &mut RequestHeaders<'_>) -> Result<()> {
///     let headers = request.snapshot()?;
///     for (name, value) in headers {
///         if name.starts_with(b"x-debug-") {
///             request.add("x-seen", value)?; // `headers`, `name` and `value` live on
///         }
///     }
///     request.replace("x-count", headers.len())
/// }
/// ```
///
/// # What the proxy makes of an edit
///
/// The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and appends one, `remove` removes all; names compare
/// without case; pseudo-headers stay in front. Whether the proxy joins an added value to the one that is there (Envoy does so with `,` for the names that it
/// knows well) cannot be known here: a read of a name that has several values, one of them added since it was fetched, and of a map with such a name, writes back and
/// fetches again. So does the first read after edits were written back.
///
/// # When the host refuses
///
/// A refusal shows when edits are written back: as the error of [`flush`](Headers::flush) or of the call that could have seen them, otherwise as an error of
/// the callback, for which the [failure policy](crate::HttpFilter::ON_ERROR) decides. The edit itself fails if it is wrong alone, and if it would bring the map
/// past the 1 MiB or 1,024 pairs that hosts read back, as far as the size of the map is known: announced, or fetched.
///
/// The first edit of a callback is written at once if the callback before made no other one and read nothing after it: then there is nothing to gain.
///
/// # Bytes that end a line
///
/// Names and values are passed on as they are. CR, LF and NUL do not belong in them; Envoy looks for them in its debug builds only, and the SDK does not either, as
/// it would have to look at each byte of each edit. A filter that makes a name or a value of what a client sent in an escaped form looks for itself.
///
/// # Views
///
/// A view that would outlive the callback does not compile:
///
/// ```compile_fail
/// # use sluicegate::prelude::*;
/// struct Keep { agent: Option<ByteStr<'static>> }
///
/// fn keep(filter: &mut Keep, request: &mut RequestHeaders<'_>) -> Result<()> {
///     filter.agent = request.get("user-agent")?; // ERROR: borrowed from this callback
///     Ok(())
/// }
/// ```
pub struct Headers<'cb, D, P = (), K = Head> {
    pub(crate) stream: HttpHandle<'cb, P>,
    pub(crate) snapshots: Snapshots<'cb>,
    pub(crate) announced: u32,
    pub(crate) end_of_stream: bool,
    pub(crate) kind: PhantomData<(D, K)>,
}

impl<D, P, K> core::fmt::Debug for Headers<'_, D, P, K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Headers")
            .field("map", &self.snapshots.map())
            .field("stream", &self.stream.id)
            .finish_non_exhaustive()
    }
}

impl<'cb, D, P, K> Headers<'cb, D, P, K> {
    arena!();

    /// The number that the host gave the stream.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.stream.id
    }

    /// The plugin's context: shared with the other streams, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.stream.plugin
    }

    /// The stream, for what has nothing to do with these headers: its body, an answer to the client.
    #[must_use]
    pub const fn stream(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }

    /// How many headers the host announced.
    #[must_use]
    pub const fn announced(&self) -> u32 {
        self.announced
    }

    /// All headers, as they are now.
    ///
    /// # Errors
    ///
    /// If the host refuses, also an edit that waited, sends what is no header map, or memory is out.
    ///
    /// # Cost
    ///
    /// The first time: one host call and one block of the host's (1 µs for 25 headers in Envoy). The first time after edits a block of the guest's own, of the
    /// map's size. Otherwise nothing.
    #[doc(alias = "GetHttpRequestHeaders")]
    #[doc(alias = "get_http_request_headers")]
    pub fn snapshot(&self) -> Result<&'cb HeaderMap> {
        self.snapshots.current()
    }

    /// The size of the map in bytes, as the proxy counts it: in Envoy, names and values without what is between them.
    ///
    /// # Errors
    ///
    /// If the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number (0.02 µs in Envoy). Edits are written back before it.
    pub fn byte_size(&self) -> Result<usize> {
        let map = self.snapshots.map();
        call::map_size(map).map_err(|status| Error::host("proxy_get_header_map_size", map, status))
    }

    /// The first value of a name, compared without case.
    ///
    /// # Errors
    ///
    /// As [`snapshot`](Self::snapshot).
    ///
    /// # Cost
    ///
    /// As [`snapshot`](Self::snapshot) for the first read of the callback. Of a name that was edited the value is a view of the edit. Two of these cost less than
    /// two single reads at the host.
    #[doc(alias = "GetHttpRequestHeader")]
    #[doc(alias = "get_http_request_header")]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<ByteStr<'cb>>> {
        self.snapshots.get(name.as_ref())
    }

    /// The first value of a name, asked of the host for itself: for the filter that reads exactly one header.
    ///
    /// # Errors
    ///
    /// If the host refuses, or memory is out.
    ///
    /// # Cost
    ///
    /// One host call and one block of the host's, each time (0.6 µs in Envoy). Edits are written back before it.
    pub fn fetch(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        let map = self.snapshots.map();
        match call::map_value(map, name.as_ref()) {
            Ok(value) => Ok(Some(value)),
            Err(Refused::Status(Status::NotFound)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_get_header_map_value", map, refused)),
        }
    }

    /// Appends a header, beside any of the same name.
    ///
    /// # Errors
    ///
    /// If the name is empty, or the map would be over the host's limits; a refusal of the host usually shows [later](Self#when-the-host-refuses).
    ///
    /// # Cost
    ///
    /// At most one host call that returns nothing (0.2 µs in Envoy), when it is written back.
    #[doc(alias = "AddHttpRequestHeader")]
    #[doc(alias = "add_http_request_header")]
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value.with_value(|value| self.snapshots.edit(Op::Add, name.as_ref(), value))
    }

    /// Sets the value of a name, whether it is there or not.
    ///
    /// # Errors
    ///
    /// If the name is empty, or the map would be over the host's limits; a refusal of the host usually shows [later](Self#when-the-host-refuses).
    ///
    /// # Cost
    ///
    /// At most one host call that returns nothing (0.2 µs in Envoy), when it is written back.
    #[doc(alias = "ReplaceHttpRequestHeader")]
    #[doc(alias = "set_http_request_header")]
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        value.with_value(|value| self.snapshots.edit(Op::Replace, name.as_ref(), value))
    }

    /// Removes all headers of a name; none is fine too.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    ///
    /// # Cost
    ///
    /// At most one host call that returns nothing (0.1 µs in Envoy); none if the headers were read and the host does not have the name.
    #[doc(alias = "RemoveHttpRequestHeader")]
    #[doc(alias = "remove_http_request_header")]
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        self.snapshots.remove(name.as_ref())
    }

    /// Replaces the whole map, pseudo-headers included. A few edits are cheaper than this.
    ///
    /// # Errors
    ///
    /// If a name is no token or a value has a control byte, if there are more than 1,024 pairs or 1 MiB (a host would take such a map for empty, and
    /// say that all went well), out of memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One block of the map's size, freed at once, and one host call (6 µs for 45 headers in Envoy).
    #[doc(alias = "ReplaceHttpRequestHeaders")]
    #[doc(alias = "set_http_request_headers")]
    pub fn set_all<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.snapshots.replace_all(&encode(pairs, Check::Both)?)
    }

    /// Replaces the whole map by names and values that nobody looks at: for a filter that must send what is not HTTP.
    ///
    /// A value with a line feed ends its line, and what follows it is a header, or a message, of its own.
    ///
    /// # Errors
    ///
    /// As [`set_all`](Self::set_all), but for the bytes.
    ///
    /// # Cost
    ///
    /// As [`set_all`](Self::set_all).
    pub fn set_all_unchecked<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.snapshots.replace_all(&encode(pairs, Check::Neither)?)
    }

    /// Writes back what waits, of all maps. Otherwise it is written when the callback returns, or before a call that could see it.
    ///
    /// # Errors
    ///
    /// If the host refuses an edit: the first one that it refused, after all were tried.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing for each edit that no later one undoes. The next read fetches again.
    pub fn flush(&mut self) -> Result<()> {
        call::settle().map_err(Error::edit)
    }
}

impl<D, P, K> Headers<'_, D, P, K> {
    /// Which way the message goes.
    pub(crate) const fn direction(&self) -> StreamType {
        self.snapshots.map().direction()
    }
}

impl<'cb, D, P> Headers<'cb, D, P, Head> {
    /// Calls a cluster; the answer comes to [`on_http_call_response`](crate::HttpFilter::on_http_call_response), as with [`HttpHandle::call`]. Answer
    /// [`Action::Pause`] to hold the stream until then.
    ///
    /// # Errors
    ///
    /// As [`HttpHandle::call`].
    ///
    /// # Cost
    ///
    /// As [`HttpHandle::call`].
    #[doc(alias = "DispatchHttpCall")]
    #[doc(alias = "dispatch_http_call")]
    pub fn call<N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
    ) -> Result<CallToken> {
        self.stream.call(call)
    }

    /// Calls a cluster, and drops the answer when it comes, as [`HttpHandle::call_and_forget`].
    ///
    /// # Errors
    ///
    /// As [`HttpHandle::call_and_forget`].
    ///
    /// # Cost
    ///
    /// As [`HttpHandle::call_and_forget`].
    pub fn call_and_forget<N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
    ) -> Result<()> {
        self.stream.call_and_forget(call)
    }

    /// Calls a cluster, and runs the closure with the answer, as [`HttpHandle::call_then`]. Answer [`Action::Pause`] to hold the stream until then.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call): then nothing is sent, and the closure does not run.
    ///
    /// # Cost
    ///
    /// One host call, a block for the headers, and one for the closure and entries of two tables until the answer.
    pub fn call_then<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<()> + 'static,
    ) -> Result<Pending>
    where
        F: HttpFilter<Plugin = P> + Closures,
        P: PluginContext,
    {
        self.stream.call_then(call, then)
    }

    /// Calls a cluster, and holds the message here until the closure has run with the answer, or with the reason why there is none:
    /// `return request.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure says what becomes of the message. [`Action::Continue`] lets it go on when nobody else holds it. Any other action leaves it paused, because the
    /// closure has replied, or something else will resume it. For an error the [failure policy](crate::HttpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// If the call cannot be sent: then nothing is held, and the closure does not run.
    ///
    /// # Cost
    ///
    /// As [`call_then`](crate::HttpHandle::call_then).
    pub fn hold_for_call<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &mut self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<Action> + 'static,
    ) -> Result<Action>
    where
        F: HttpFilter<Plugin = P> + Closures,
        P: PluginContext,
    {
        self.stream.hold_for(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Calls a method over gRPC, and holds the message here until the closure has run, as [`hold_for_call`](Self::hold_for_call).
    ///
    /// # Errors
    ///
    /// As [`hold_for_call`](Self::hold_for_call).
    ///
    /// # Cost
    ///
    /// As [`hold_for_call`](Self::hold_for_call).
    pub fn hold_for_grpc_call<F>(
        &mut self,
        call: &GrpcCall<'_>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&GrpcEvent, GrpcFailure>) -> Result<Action> + 'static,
    ) -> Result<Action>
    where
        F: HttpFilter<Plugin = P> + Closures,
        P: PluginContext,
    {
        self.stream.hold_for_grpc(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Holds the stream here while a task runs, and then does what it answers; see [`task`](crate::task): `return request.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// If memory is out.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until it ends; no host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Action> {
        crate::task::hold(self.stream.id, self.direction(), task)?;
        Ok(Action::Held)
    }

    /// Whether nothing follows the headers: no body, no trailers.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Answers the client from here, and gives the action to return: `return request.reply(&LocalResponse::new(403));`
    ///
    /// # Errors
    ///
    /// If the headers are over the host's limits, memory is out, or the host refuses: it does once a response is on its way.
    ///
    /// # Cost
    ///
    /// One host call; with headers one block, freed at once.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, response: &LocalResponse<'_, N, V>) -> Result<Action> {
        response.send()?;
        Ok(Action::StopIteration)
    }
}
