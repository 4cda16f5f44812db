//! Headers and trailers on their way: the reads. The edits are in `edit`, and the local reply and
//! the holds in `hold`.

mod edit;
mod hold;

use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;

use super::{HttpHandle, Request, Response};
use crate::ByteStr;
use crate::abi::{HostBytes, Refused, Status, StreamType, call};
use crate::error::{Error, Result};
use crate::headers::{HeaderMap, Snapshots};

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

impl<D, P, K> fmt::Debug for Headers<'_, D, P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers")
            .field("map", &self.snapshots.map())
            .field("stream", &self.stream.id)
            .finish_non_exhaustive()
    }
}

/// The methods of the stream, such as its calls.
impl<'cb, D, P, K> Deref for Headers<'cb, D, P, K> {
    type Target = HttpHandle<'cb, P>;

    fn deref(&self) -> &HttpHandle<'cb, P> {
        &self.stream
    }
}

impl<'cb, D, P, K> Headers<'cb, D, P, K> {
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

    /// Returns the direction of the message.
    pub(crate) const fn direction(&self) -> StreamType {
        self.snapshots.map().direction()
    }
}

/// Marks the headers of a message.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Head, Headers};
///
/// /// Works in both directions.
/// fn count<D, P>(map: &Headers<'_, D, P, Head>) -> Result<usize> {
///     Ok(map.snapshot()?.len())
/// }
/// ```
#[derive(Debug)]
pub enum Head {}

/// Marks the trailers of a message.
///
/// ```
/// use sluicegate::prelude::*;
/// use sluicegate::{Tail, Headers};
///
/// /// Works in both directions.
/// fn count<D, P>(map: &Headers<'_, D, P, Tail>) -> Result<usize> {
///     Ok(map.snapshot()?.len())
/// }
/// ```
#[derive(Debug)]
pub enum Tail {}
