//! Headers and trailers on their way.

use core::marker::PhantomData;

use super::{Head, HttpHandle, Request, Response, Tail};
use crate::abi::{HostBytes, Refused, Status, StreamType, call};
use crate::callout::{
    CallFailure, CallResponse, CallToken, Closures, GrpcCall, GrpcEvent, GrpcFailure, HttpCall, Pending,
};
use crate::context::Action;
use crate::error::{Error, Result};
use crate::headers::{Check, HeaderMap, Snapshots, encode};
use crate::owner::HttpStream;
use crate::reply::LocalResponse;
use crate::{ByteStr, ToValue};

/// The request's headers, in [`on_request_headers`](crate::HttpFilter::on_request_headers).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn method(request: &RequestHeaders<'_>) -> Result<bool> {
///     Ok(request.get(":method")?.is_some_and(|method| method == "GET"))
/// }
/// ```
pub type RequestHeaders<'cb, P = ()> = Headers<'cb, Request, P, Head>;

/// The response's headers, in [`on_response_headers`](crate::HttpFilter::on_response_headers).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn is_error(response: &ResponseHeaders<'_>) -> Result<bool> {
///     Ok(response.get(":status")?.is_some_and(|status| status.starts_with(b"5")))
/// }
/// ```
pub type ResponseHeaders<'cb, P = ()> = Headers<'cb, Response, P, Head>;

/// The request's trailers, in [`on_request_trailers`](crate::HttpFilter::on_request_trailers).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn checksum(trailers: &RequestTrailers<'_>) -> Result<bool> {
///     Ok(trailers.get("x-checksum")?.is_some())
/// }
/// ```
pub type RequestTrailers<'cb, P = ()> = Headers<'cb, Request, P, Tail>;

/// The response's trailers, in [`on_response_trailers`](crate::HttpFilter::on_response_trailers).
///
/// ```
/// # use sluicegate::prelude::*;
/// fn is_ok(trailers: &ResponseTrailers<'_>) -> Result<bool> {
///     Ok(trailers.get("grpc-status")?.is_some_and(|status| status == "0"))
/// }
/// ```
pub type ResponseTrailers<'cb, P = ()> = Headers<'cb, Response, P, Tail>;

/// Headers or trailers that are on their way. A snapshot reads them, and edits go to the proxy.
///
/// The first read fetches the whole map. Further reads in the callback use this snapshot and the
/// edits made since, without a host call. To read several names, take a
/// [`snapshot`](Headers::snapshot) and read from it. [`fetch`](Headers::fetch) asks the proxy for
/// one name alone, which is cheaper if the name is mostly absent and nothing else is read.
///
/// The call that makes an edit writes it to the proxy, and fails if the proxy refuses. Values that
/// were read before stay valid until the callback returns, so edits are possible while views are in
/// use:
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
/// # Rules for edits
///
/// The rules are those of the newest Envoy: `add` appends, `replace` removes all values of the name
/// and appends one, `remove` removes all. Names compare without case. Pseudo-headers stay in front.
/// The proxy may join an added value to the existing one, as Envoy does with `,` for the names that
/// it knows well. The guest cannot know. So a read asks the proxy for a name that has several
/// values, one of them added since the snapshot. A snapshot after edits is fetched again. A map
/// that was edited in another way is also fetched again, at the next read: by
/// [`replace_all`](Headers::replace_all), by an editor, or by an edit of `host`, which Envoy has as
/// `:authority`.
///
/// # When the proxy refuses
///
/// If the proxy refuses an edit, the edit fails. The proxy refuses an edit of a map that the stream
/// does not have yet, for example of the response's headers while the request's are on their way.
/// An edit fails without a host call if the name is not a token, optionally behind one colon, or if
/// the value has a control byte other than the tab: a line feed would end the header's line. A
/// filter that must write such bytes uses [`add_unchecked`](Headers::add_unchecked) and
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

    /// Returns the plugin's context, which all streams of the plugin share.
    #[must_use]
    pub const fn plugin(&self) -> &'cb P {
        self.stream.plugin
    }

    /// Returns the stream, for things other than these headers: the body, or a local reply.
    #[must_use]
    pub const fn stream(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }

    /// Returns the number of headers that the host announced.
    #[must_use]
    pub const fn len_hint(&self) -> u32 {
        self.announced
    }

    /// Returns a snapshot of all headers, as they are now.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let headers = request.snapshot()?; // one host call; the reads are local
    ///     if headers.contains("x-internal") || headers.get("user-agent").is_none() {
    ///         return request.reply(&LocalResponse::new(403));
    ///     }
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, if the host sends bytes that are not a header map, or if the SDK
    /// is out of memory.
    ///
    /// # Cost
    ///
    /// The first time, one host call and one block, which the host allocates (14,200 instructions
    /// of the proxy for 25 headers, about 1 µs). The first time after edits, the same again.
    /// Otherwise nothing.
    #[doc(alias(
        "GetHttpRequestHeaders",
        "get_http_request_headers",
        "GetHttpRequestTrailers",
        "GetHttpResponseHeaders",
        "GetHttpResponseTrailers",
        "get_http_request_headers_bytes",
        "get_http_request_trailers",
        "get_http_request_trailers_bytes",
        "get_http_response_headers",
        "get_http_response_headers_bytes",
        "get_http_response_trailers",
        "get_http_response_trailers_bytes",
        "get_map",
        "get_map_bytes"
    ))]
    pub fn snapshot(&self) -> Result<&'cb HeaderMap> {
        self.snapshots.current()
    }

    /// Returns the size of the map in bytes, as the proxy counts it. Envoy counts names and values,
    /// without the bytes between them.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     if request.byte_size()? > 16 * 1024 {
    ///         return request.reply(&LocalResponse::new(431));
    ///     }
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
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

    /// Returns the first value of a name, compared without case, or `None` if the map has no such
    /// header. To read several names, take a [`snapshot`](Self::snapshot) and read from it.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let is_curl = request.get("user-agent")?.is_some_and(|agent|
    ///     agent.starts_with(b"curl")); request.replace("x-curl", if is_curl { "yes" } else { "no"
    ///     })?; Ok(Action::Continue) }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`snapshot`](Self::snapshot) does.
    ///
    /// # Cost
    ///
    /// The first read of a callback fetches the map, as [`snapshot`](Self::snapshot) does.
    /// Otherwise nothing, except for a name that has several values, one of them added since the
    /// snapshot: one host call, once.
    #[doc(alias(
        "GetHttpRequestHeader",
        "get_http_request_header",
        "GetHttpRequestTrailer",
        "GetHttpResponseHeader",
        "GetHttpResponseTrailer",
        "get_http_request_header_bytes",
        "get_http_request_trailer",
        "get_http_request_trailer_bytes",
        "get_http_response_header",
        "get_http_response_header_bytes",
        "get_http_response_trailer",
        "get_http_response_trailer_bytes",
        "get_map_value",
        "get_map_value_bytes"
    ))]
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<ByteStr<'cb>>> {
        self.snapshots.get(name.as_ref())
    }

    /// Asks the proxy for the first value of a name, and returns the value as a block of its own,
    /// or `None` if the map has no such header. Use it for a value that the filter keeps.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     // A header that few requests have, and the only one that the filter reads.
    ///     if let Some(tenant) = request.fetch("x-tenant")? {
    ///         info!("tenant {}", ByteStr::new(&tenant).display());
    ///     }
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the host refuses, or if the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// One host call each time. If the name is there, one block, which the host allocates. In
    /// Envoy, fetching a value that is there costs more than fetching the whole map of 25 headers,
    /// and fetching an absent one costs less: 9,000 instructions of the proxy for the first fetch
    /// of a callback and 2,000 for each further one, against 13,500 for the map.
    pub fn fetch(&self, name: impl AsRef<[u8]>) -> Result<Option<HostBytes>> {
        let map = self.snapshots.map();
        match call::map_value(map, name.as_ref()) {
            Ok(value) => Ok(Some(value)),
            Err(Refused::Status(Status::NotFound)) => Ok(None),
            Err(refused) => Err(Error::host("proxy_get_header_map_value", map, refused)),
        }
    }

    /// Appends a header. Existing headers of the same name stay.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     request.add("x-seen-by", "sluicegate")?;
    ///     request.add("x-seen-by", request.id())?; // a second header of the name
    ///     assert_eq!(request.snapshot()?.get_all("x-seen-by").count(), 2);
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the name is not a token, optionally behind one colon. Fails if the value has a
    /// control byte other than the tab. Fails if the [proxy refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (2,000 to 2,900 instructions of the proxy). If there is a
    /// snapshot, the edit is copied for later reads.
    #[doc(alias(
        "AddHttpRequestHeader",
        "add_http_request_header",
        "AddHttpRequestTrailer",
        "AddHttpResponseHeader",
        "AddHttpResponseTrailer",
        "add_http_request_header_bytes",
        "add_http_request_trailer",
        "add_http_request_trailer_bytes",
        "add_http_response_header",
        "add_http_response_header_bytes",
        "add_http_response_trailer",
        "add_http_response_trailer_bytes",
        "add_map_value",
        "add_map_value_bytes"
    ))]
    pub fn add(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.add(Check::Both, name.as_ref(), &value)
    }

    /// Appends a header without checking its bytes. The caller answers for them.
    ///
    /// # Errors
    ///
    /// Fails if the name is empty, or if the [proxy refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// The cost of [`add`](Self::add).
    pub fn add_unchecked(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.add(Check::Neither, name.as_ref(), &value)
    }

    /// Sets the value of a name, and adds the header if the map has none of this name.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     request.replace("user-agent", "sluicegate")?;
    ///     assert_eq!(request.get("user-agent")?, Some(ByteStr::from("sluicegate")));
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails as [`add`](Self::add) does.
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (3,500 to 4,400 instructions of the proxy). If there is a
    /// snapshot, the edit is copied for later reads.
    #[doc(alias(
        "ReplaceHttpRequestHeader",
        "set_http_request_header",
        "ReplaceHttpRequestTrailer",
        "ReplaceHttpResponseHeader",
        "ReplaceHttpResponseTrailer",
        "set_http_request_header_bytes",
        "set_http_request_trailer",
        "set_http_request_trailer_bytes",
        "set_http_response_header",
        "set_http_response_header_bytes",
        "set_http_response_trailer",
        "set_http_response_trailer_bytes",
        "set_map_value",
        "set_map_value_bytes"
    ))]
    pub fn replace(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) -> Result<()> {
        self.snapshots.replace(Check::Both, name.as_ref(), &value)
    }

    /// Sets the value of a name without checking the bytes of either. The caller answers for them.
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

    /// Removes all headers of a name. Succeeds if there are none.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     request.remove("x-internal-user")?; // no client may send it
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if the name is not a token, optionally behind one colon, or if the
    /// [proxy refuses](Self#when-the-proxy-refuses).
    ///
    /// # Cost
    ///
    /// One host call that returns nothing (2,000 instructions of the proxy). No host call if there
    /// is a snapshot and the name is absent.
    #[doc(alias(
        "RemoveHttpRequestHeader",
        "remove_http_request_header",
        "RemoveHttpRequestTrailer",
        "RemoveHttpResponseHeader",
        "RemoveHttpResponseTrailer",
        "remove_http_request_trailer",
        "remove_http_response_header",
        "remove_http_response_trailer",
        "remove_map_value"
    ))]
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        self.snapshots.remove(Check::Both, name.as_ref())
    }

    /// Removes all headers of a name without checking its bytes. The caller answers for them.
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

    /// Replaces the whole map, including the pseudo-headers. A few edits are cheaper.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     request.replace_all(&[(":method", "GET"), (":path", "/"), (":authority", "host")])?;
    ///     assert!(request.get("user-agent")?.is_none());
    ///     Ok(Action::Continue)
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails if a name is not a token, or if a value has a control byte other than the tab. Fails
    /// if there are more than 1,024 pairs or 1 MiB: a host would take such a map for empty, and
    /// return success. Fails if the SDK is out of memory, or if the host refuses.
    ///
    /// # Cost
    ///
    /// One block of the map's size, freed at once, and one host call (6 µs for 45 headers in
    /// Envoy).
    #[doc(alias(
        "ReplaceHttpRequestHeaders",
        "set_http_request_headers",
        "ReplaceHttpRequestTrailers",
        "ReplaceHttpResponseHeaders",
        "ReplaceHttpResponseTrailers",
        "set_http_request_headers_bytes",
        "set_http_request_trailers",
        "set_http_request_trailers_bytes",
        "set_http_response_headers",
        "set_http_response_headers_bytes",
        "set_http_response_trailers",
        "set_http_response_trailers_bytes",
        "set_map",
        "set_map_bytes"
    ))]
    pub fn replace_all<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.replace_pairs(pairs, Check::Both)
    }

    /// Replaces the whole map without checking the bytes of names and values: for a filter that
    /// must send bytes that HTTP does not allow.
    ///
    /// A line feed in a value ends the header's line. The bytes after it become a header, or a
    /// message, of their own.
    ///
    /// # Errors
    ///
    /// Fails as [`replace_all`](Self::replace_all) does, but allows any byte. A name must not be
    /// empty.
    ///
    /// # Cost
    ///
    /// The cost of [`replace_all`](Self::replace_all).
    pub fn replace_all_unchecked<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)]) -> Result<()> {
        self.replace_pairs(pairs, Check::Neither)
    }

    fn replace_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, pairs: &[(N, V)], check: Check) -> Result<()> {
        let encoded = encode(pairs, check).map_err(|error| error.within(&"proxy_set_header_map_pairs"))?;
        self.snapshots.replace_pairs(&encoded)
    }
}

impl<D, P, K> Headers<'_, D, P, K> {
    /// Returns the direction of the message.
    pub(crate) const fn direction(&self) -> StreamType {
        self.snapshots.map().direction()
    }
}

impl<'cb, D, P> Headers<'cb, D, P, Head> {
    /// Calls a cluster over HTTP. The response comes to
    /// [`on_http_call_response`](crate::HttpFilter::on_http_call_response), as with
    /// [`HttpHandle::call`]. Return [`Action::Pause`] to pause the stream until then.
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

    /// Calls a cluster over HTTP, and drops the response when it comes, as
    /// [`HttpHandle::call_and_forget`] does.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     let headers = [(":method", "POST"), (":path", "/log"), (":authority", "collector")];
    ///     if let Err(error) = request.call_and_forget(&HttpCall::new("service").headers(&headers))
    ///     { warn!("not logged: {error}"); } Ok(Action::Continue) }
    /// # sluicegate_host::example::request(example);
    /// ```
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

    /// Calls a cluster over HTTP, and runs the closure with the response, as
    /// [`HttpHandle::call_then`] does. Return [`Action::Pause`] to pause the stream until then.
    ///
    /// # Errors
    ///
    /// Fails as [`HttpHandle::call_then`] does. Then nothing is sent, and the closure does not run.
    ///
    /// # Cost
    ///
    /// One host call and a block for the headers. Until the response comes, a block for the closure
    /// and entries of two tables.
    #[doc(alias("DispatchHttpCall", "dispatch_http_call"))]
    pub fn call_then<F, N: AsRef<[u8]>, V: AsRef<[u8]>, T: AsRef<[u8]>>(
        &self,
        call: &HttpCall<'_, N, V, T>,
        then: impl FnOnce(&mut F, &mut HttpHandle<'_, P>, Result<&CallResponse, CallFailure>) -> Result<()> + 'static,
    ) -> Result<Pending>
    where
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.call_then(call, then)
    }

    /// Calls a cluster over HTTP, and holds the message until the closure has run with the
    /// response, or with the reason for the failure:
    /// `return request.hold_for_call(&call, |filter: &mut Self, stream, answer| …);`
    ///
    /// The closure decides about the message. [`Action::Continue`] resumes the message when nobody
    /// else holds it. Any other action leaves the message paused: the closure has replied, or
    /// something else will resume the message. If the closure fails, the
    /// [failure policy](crate::HttpFilter::ON_ERROR) decides.
    ///
    /// # Errors
    ///
    /// Fails if the stream has ended, or if the call cannot be sent. Then nothing is held, and the
    /// closure does not run.
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
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Calls a method over gRPC, and holds the message until the closure has run, as
    /// [`hold_for_call`](Self::hold_for_call) does.
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
        F: Closures<Kind = HttpStream, Above = P>,
        P: 'static,
    {
        self.stream.hold_for_grpc(self.direction(), call, then)?;
        Ok(Action::Held)
    }

    /// Runs a task, holds the message until the task ends, and then takes the action that the task
    /// returns; see [`task`](crate::task): `return request.hold_while(async { … });`
    ///
    /// # Errors
    ///
    /// Fails if the attribute of the filter does not say `tasks`, if the stream has ended, or if
    /// the SDK is out of memory.
    ///
    /// # Cost
    ///
    /// Blocks for the future and for its task, until the task ends. No host call by itself.
    #[cfg(feature = "async")]
    pub fn hold_while(&mut self, task: impl Future<Output = Result<Action>> + 'static) -> Result<Action> {
        crate::task::hold(self.stream.id, self.direction(), task)?;
        Ok(Action::Held)
    }

    /// Returns whether nothing follows the headers: neither a body nor trailers.
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     // A request with a body waits for it; one without has nothing to wait for.
    ///     Ok(if request.end_of_stream() { Action::Continue } else { Action::StopIteration })
    /// }
    /// # sluicegate_host::example::request(example);
    /// ```
    #[must_use]
    pub const fn end_of_stream(&self) -> bool {
        self.end_of_stream
    }

    /// Sends a local reply to the client, and returns the action for the callback to return:
    /// `return request.reply(&LocalResponse::new(403));`
    ///
    /// ```
    /// # use sluicegate::prelude::*;
    /// fn example(request: &mut RequestHeaders<'_>) -> Result<Action> {
    ///     if request.get("authorization")?.is_none() {
    ///         return request.reply(&LocalResponse::new(401).headers(&[("www-authenticate",
    ///         "Basic")])); } Ok(Action::Continue) }
    /// # sluicegate_host::example::request(example);
    /// ```
    ///
    /// # Errors
    ///
    /// Fails without a host call if the stream was replied to before, if it has ended, or if the
    /// [`LocalResponse`] is not valid. Fails if the headers are over the host's limits, if the SDK
    /// is out of memory, or if the host refuses. The host refuses once a response is on its way.
    ///
    /// # Cost
    ///
    /// One host call. If there are headers, one block, freed at once.
    #[doc(alias = "SendHttpResponse")]
    #[doc(alias = "send_http_response")]
    pub fn reply<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, response: &LocalResponse<'_, N, V>) -> Result<Action> {
        response.send()?;
        Ok(Action::StopIteration)
    }
}
