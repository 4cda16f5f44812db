//! The directions of a stream, and the parts of a message.

use sluicegate::abi::{BufferType, MapType};

use crate::model::map::Kind;

/// One direction of an HTTP stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    Request,
    Response,
}

impl Way {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        [Self::Request, Self::Response].into_iter().find(|way| *way as u32 == number)
    }

    pub(crate) fn headers(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestHeaders,
            Self::Response => MapType::HttpResponseHeaders,
        }
    }

    pub(crate) fn trailers(self) -> MapType {
        match self {
            Self::Request => MapType::HttpRequestTrailers,
            Self::Response => MapType::HttpResponseTrailers,
        }
    }

    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Request => Kind::Request,
            Self::Response => Kind::Response,
        }
    }

    pub(crate) fn body(self) -> BufferType {
        match self {
            Self::Request => BufferType::HttpRequestBody,
            Self::Response => BufferType::HttpResponseBody,
        }
    }
}

/// A part of a message that a filter holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// The headers, and with them everything after.
    Headers,
    /// The body, and with it the trailers.
    Body,
    Trailers,
}

impl Part {
    /// Returns the names of this part of a direction in the table of phases: first its own, then
    /// those of the parts that are held as this one is.
    pub(crate) fn names(self, way: Way) -> &'static [&'static str] {
        match (way, self) {
            (Way::Request, Self::Headers) => &["request headers"],
            (Way::Request, Self::Body) => &["request body", "request trailers", "request headers"],
            (Way::Request, Self::Trailers) => &["request trailers", "request body", "request headers"],
            (Way::Response, Self::Headers) => &["response headers"],
            (Way::Response, Self::Body) => &["response body", "response trailers", "response headers"],
            (Way::Response, Self::Trailers) => &["response trailers", "response body", "response headers"],
        }
    }
}
