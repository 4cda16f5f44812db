//! The edits of headers and trailers on their way.

use super::Headers;
use crate::ToValue;
use crate::error::Result;
use crate::headers::{Check, encode};

impl<D, P, K> Headers<'_, D, P, K> {
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
