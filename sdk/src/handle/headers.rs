//! Headers and trailers on their way.

use core::marker::PhantomData;

use super::{Head, HttpHandle, Request, Response, Tail};
use crate::abi::{HostBytes, Refused, Status, StreamType, call};
use crate::callout::{
    CallFailure, CallResponse, CallToken, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall, Pending,
};
use crate::context::{Action, HttpFilter, PluginContext};
use crate::error::{Error, Result};
use crate::headers::{Check, HeaderMap, Snapshots, encode};
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

/// Headers or trailers that are on their way: read through a snapshot, edited in the proxy.
///
/// The first read fetches the whole map: further reads in the callback are answered from this
/// snapshot, and from the edits made since. To read several names take
/// [`snapshot`](Headers::snapshot) and ask it. [`fetch`](Headers::fetch) asks the proxy for one
/// name alone, which is cheaper where the name is mostly absent and nothing else is read.
///
/// An edit is written to the proxy by the call that makes it, and a refusal is the error of that
/// call. What was read before stays valid until the callback returns, so edits are possible while
/// views are in use:
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
/// The rules are the newest Envoy's: `add` appends, `replace` removes all values of the name and
/// appends one, `remove` removes all; names compare without case; pseudo-headers stay in front.
/// Whether the proxy joins an added value to the one that is there (Envoy does so with `,` for the
/// names that it knows well) cannot be known here: a read of a name that has several values, one of
/// them added since the snapshot, asks the proxy for that name. A snapshot after edits is fetched
/// again; so is, at the next read, a map that was edited by other means:
/// [`set_all`](Headers::set_all), an editor, an edit of `host`, which Envoy has as `:authority`.
///
/// # When the proxy refuses
///
/// A refusal is the error of the edit. The proxy refuses an edit of a map that the stream does not
/// have yet: of the response's headers while the request's are on their way, say. Before the proxy
/// is called an edit fails if the name is not a token, optionally behind one colon, or if the value
/// has a control byte other than the tab: a line feed would end the header's line. A filter that
/// must write such bytes has [`add_unchecked`](Headers::add_unchecked) and
/// [`replace_unchecked`](Headers::replace_unchecked).
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

    /// Returns the number that the host gave the stream.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.stream.id
    }

    /// Returns the plugin's context: shared with the other streams, not copied.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.stream.plugin
    }

    /// Returns the stream, for what has nothing to do with these headers: its body, an answer to
    /// the client.
    #[must_use]
    pub const fn stream(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }

    /// How many headers the host announced.
    #[must_use]
    pub const fn announced(&self) -> u32 {
        self.announced
    }

    /// Returns all headers, as they are now.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, sends what is no header map, or is out of memory for it.
    ///
    /// # Cost
    ///
    /// The first time: one host call and one block of the host's (14,200 instructions of the proxy
    /// for 25 headers, about 1 µs). The first time after edits the same once more. Otherwise
    /// nothing.
    #[doc(alias = "GetHttpRequestHeaders")]
    #[doc(alias = "get_http_request_headers")]
    pub fn snapshot(&self) -> Result<&'cb HeaderMap> {
        self.snapshots.current()
    }

    /// Returns the size of the map in bytes, as the proxy counts it: in Envoy, names and values
    /// without what is between them.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses.
    ///
    /// # Cost
    ///
    /// One host call that returns a number (1,100 instructions of the proxy).
    pub fn byte_size(&self) -> Result<usize> {
        let map = self.snapshots.map();
        call::map_size(map).map_err(|status| Error::host("proxy_get_header_map_size", map, status))
    }

    /// Returns the first value of a name, compared without case. To read several names take a
    /// [`snapshot`](Self::snapshot) and ask it.
    ///
    /// # Errors
    ///
    /// Fails as [`snapshot`](Self::snapshot) does.
    ///
    /// # Cost
    ///
    /// The first read of a callback fetches the map, as [`snapshot`](Self::snapshot) does.
    /// Otherwise none, but for a name that has several values, one of them added since the
    /// snapshot: then one host call, once.
    #[doc(alias = "GetHttpRequestHeader")]
    #[doc(alias = "get_http_request_header")]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<ByteStr<'cb>>> {
        self.snapshots.get(name.as_ref())
    }

    /// Returns the first value of a name as a block of its own, asked of the proxy each time: for a
    /// value that the filter keeps.
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or is out of memory for it.
    ///
    /// # Cost
    ///
    /// One host call each time; a block of the host's if the name is there. In Envoy a value that
    /// is there is dearer than the whole map of 25 headers, and a name that is absent is cheaper:
    /// 9,000 instructions of the proxy for the first one of a callback and 2,000 for each further
    /// one, to the map's 13,500.
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
    /// Fails if the name is not a token, optionally behind one colon; if the value has a control
    /// byte other than the tab; if the [proxy refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (2,000 to 2,900 instructions of the proxy). Beside a
    /// snapshot the edit is copied, for later reads.
    #[doc(alias = "AddHttpRequestHeader")]
    #[doc(alias = "add_http_request_header")]
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.add(Check::Both, name.as_ref(), &value)
    }

    /// Appends a header whose bytes the caller answers for.
    ///
    /// # Errors
    ///
    /// Fails if the name is empty, or the [proxy refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn add_unchecked(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.add(Check::Neither, name.as_ref(), &value)
    }

    /// Sets the value of a name, whether it is there or not.
    ///
    /// # Errors
    ///
    /// Fails as [`add`](Self::add) does.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (3,500 to 4,400 instructions of the proxy). Beside a
    /// snapshot the edit is copied, for later reads.
    #[doc(alias = "ReplaceHttpRequestHeader")]
    #[doc(alias = "set_http_request_header")]
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.replace(Check::Both, name.as_ref(), &value)
    }

    /// Sets the value of a name; the caller answers for the bytes of both.
    ///
    /// # Errors
    ///
    /// Fails as [`add_unchecked`](Self::add_unchecked) does.
    ///
    /// # Cost
    ///
    /// The cost of [`replace`](Self::replace).
    pub fn replace_unchecked(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.replace(Check::Neither, name.as_ref(), &value)
    }

    /// Removes all headers of a name. No header of the name is fine too.
    ///
    /// # Errors
    ///
    /// Fails if the name is not a token, optionally behind one colon, or the [proxy
    /// refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (2,000 instructions of the proxy); none if there is a
    /// snapshot and the name is absent.
    #[doc(alias = "RemoveHttpRequestHeader")]
    #[doc(alias = "remove_http_request_header")]
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        self.snapshots.remove(Check::Both, name.as_ref())
    }

    /// Removes all headers of a name whose bytes the caller answers for.
    ///
    /// # Errors
    ///
    /// Fails as [`add_unchecked`](Self::add_unchecked) does.
    ///
    /// # Cost
    ///
    /// The cost of [`remove`](Self::remove).
    pub fn remove_unchecked(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        self.snapshots.remove(Check::Neither, name.as_ref())
    }

    /// Replaces the whole map, pseudo-headers included. A few edits are cheaper than this.
    ///
    /// # Errors
    ///
    /// Fails if a name is no token or a value has a control byte, if there are more than 1,024
    /// pairs or 1 MiB (a host would take such a map for empty, and say that all went well), out of
    /// memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One block of the map's size, freed at once, and one host call (6 µs for 45 headers in
    /// Envoy).
    #[doc(alias = "ReplaceHttpRequestHeaders")]
    #[doc(alias = "set_http_request_headers")]
    pub fn set_all<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.replace_all(pairs, Check::Both)
    }

    /// Replaces the whole map by names and values that nobody looks at: for a filter that must send
    /// what is not HTTP.
    ///
    /// A value with a line feed ends its line, and what follows it is a header, or a message, of
    /// its own.
    ///
    /// # Errors
    ///
    /// As [`set_all`](Self::set_all), but for the bytes.
    ///
    /// # Cost
    ///
    /// The cost of [`set_all`](Self::set_all).
    pub fn set_all_unchecked<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.replace_all(pairs, Check::Neither)
    }

    fn replace_all<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)], check: Check) -> Result<()> {
        let encoded = encode(pairs, check).map_err(|error| error.within(&"proxy_set_header_map_pairs"))?;
        self.snapshots.replace_all(&encoded)
    }
}

impl<D, P, K> Headers<'_, D, P, K> {
    /// Which way the message goes.
    pub(crate) const fn direction(&self) -> StreamType {
        self.snapshots.map().direction()
    }
}

impl<'cb, D, P> Headers<'cb, D, P, Head> {
    /// Calls a cluster; the answer comes to
    /// [`on_http_call_response`](crate::HttpFilter::on_http_call_response), as with
    /// [`HttpHandle::call`]. Answer [`Action::Pause`] to hold the stream until then.
    ///
    /// # Errors
    ///
    /// Fails as [`HttpHandle::call`] does.
    ///
    /// # Cost
    ///
    /// The cost of [`HttpHandle::call`].
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
    /// Fails as [`HttpHandle::call_and_forget`] does.
    ///
    /// # Cost
    ///
    /// The cost of [`HttpHandle::call_and_forget`].
    pub fn call_and_forget<N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
    ) -> Result<()> {
        self.stream.call_and_forget(call)
    }

    /// Calls a cluster, and runs the closure with the answer, as [`HttpHandle::call_then`]. Answer
    /// [`Action::Pause`] to hold the stream until then.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call): then nothing is sent, and the closure does not run.
    ///
    /// # Cost
    ///
    /// One host call, a block for the headers, and one for the closure and entries of two tables
    /// until the answer.
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

    /// Calls a cluster, and holds the message here until the closure has run with the answer, or
    /// with the reason why there is none:
    /// `return request.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure says what becomes of the message. [`Action::Continue`] lets it go on when nobody
    /// else holds it. Any other action leaves it paused, because the closure has replied, or
    /// something else will resume it. For an error the [failure
    /// policy](crate::HttpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// Fails if the call cannot be sent: then nothing is held, and the closure does not run.
    ///
    /// # Cost
    ///
    /// The cost of [`call_then`](crate::HttpHandle::call_then).
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

    /// Calls a method over gRPC, and holds the message here until the closure has run, as
    /// [`hold_for_call`](Self::hold_for_call).
    ///
    /// # Errors
    ///
    /// Fails as [`hold_for_call`](Self::hold_for_call) does.
    ///
    /// # Cost
    ///
    /// The cost of [`hold_for_call`](Self::hold_for_call).
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

    /// Holds the stream here while a task runs, and then does what it answers; see
    /// [`task`](crate::task): `return request.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// Fails if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until it ends; no host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Action> {
        crate::task::hold(self.stream.id, self.direction(), task)?;
        Ok(Action::Held)
    }

    /// Returns whether nothing follows the headers: no body, no trailers.
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Answers the client from here, and gives the action to return:
    /// `return request.reply(&LocalResponse::new(403));`
    ///
    /// # Errors
    ///
    /// Fails if the headers are over the host's limits, the SDK is out of memory, or the host
    /// refuses: it does once a response is on its way.
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
