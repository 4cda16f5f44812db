//! The moves of the peers of a moment, one after the other.

use super::Step::{self, *};

/// The line of a filter that answers the request at its head.
pub(super) const REPLIED: &str = "request_headers: reply 403 - denied - -1; return 1";

/// A request and its response, both in parts and with trailers, the response after the whole
/// request.
pub(super) const WHOLE: &[Step] =
    &[Request, Part("one"), Part("two"), Trailers, Response, Back("three"), Back("fee"), BackTrailers];
/// A request and its response, neither with a body.
pub(super) const BARE: &[Step] = &[Get, Empty];
/// A request and its response, whose bodies end with a last part.
pub(super) const ENDED: &[Step] =
    &[Request, Part("one"), Part("two"), End, Response, Back("three"), Back("fee"), BackEnd];
/// The response comes while the request is not complete.
pub(super) const EARLY: &[Step] =
    &[Request, Part("one"), Response, Part("two"), Back("three"), Back("fee"), BackTrailers, Trailers];
/// A service is called, and answers before the response comes.
pub(super) const CALLED: &[Step] =
    &[Request, Part("one"), Trailers, Answer, Response, Back("three"), Back("fee"), BackTrailers];
/// A service is called in the response's headers.
pub(super) const CALLED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, Answer];
/// A response over gRPC.
pub(super) const STREAMED: &[Step] =
    &[Request, Part("one"), Trailers, GrpcAnswer, Response, Back("three"), Back("fee"), BackTrailers];
/// A response over gRPC, in the response's headers.
pub(super) const STREAMED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, GrpcAnswer];
/// A tick comes while the upstream has not answered.
pub(super) const TICKED: &[Step] =
    &[Request, Part("one"), Trailers, Step::Tick, Response, Back("three"), Back("fee"), BackTrailers];
/// A tick comes while the response is held.
pub(super) const TICKED_BACK: &[Step] =
    &[Request, Part("one"), Trailers, Response, Back("three"), Back("fee"), BackTrailers, Step::Tick];
/// The client leaves before there is a response.
pub(super) const LEFT: &[Step] = &[Request, Part("one"), Leave];
/// The client leaves while the response is held.
pub(super) const LEFT_BACK: &[Step] = &[Request, Part("one"), Trailers, Response, Back("three"), Leave];
/// A connection that goes over to another protocol.
pub(super) const UPGRADED: &[Step] = &[
    Upgrade,
    Switch,
    FromClient("one"),
    FromUpstream("three"),
    FromClient("two"),
    FromUpstream("fee"),
    Step::Tick,
    Leave,
];
/// A tunnel.
pub(super) const TUNNELLED: &[Step] = &[
    Step::Tunnel,
    Grant,
    FromClient("one"),
    FromUpstream("three"),
    FromClient("two"),
    FromUpstream("fee"),
    Step::Tick,
    Leave,
];
/// A request and its response with trailers, both with metadata between the parts of their bodies.
pub(super) const METADATA: &[Step] = &[
    Request,
    Part("one"),
    Metadata,
    Part("two"),
    Trailers,
    Response,
    Back("three"),
    BackMetadata,
    Back("fee"),
    BackTrailers,
];
/// A request that nobody but the proxy answers.
pub(super) const DIRECT: &[Step] = &[Request, Part("one"), Trailers, Step::Tick];
/// A listener that is removed after a request.
pub(super) const UNLOADED: &[Step] = &[Get, Empty, Unload];
/// A connection, with data both ways.
pub(super) const TALK: &[Step] =
    &[Connect, FromClient("hello"), FromUpstream("world"), FromClient("more"), FromUpstream("over"), Leave];
/// A connection that the upstream closes.
pub(super) const HANGUP: &[Step] = &[Connect, FromClient("hello"), FromUpstream("world"), CloseUpstream];
/// A connection, beside a call to a service.
pub(super) const TALK_CALLED: &[Step] =
    &[Connect, FromClient("hello"), Answer, FromUpstream("world"), FromClient("more"), Leave];
/// A connection, and a tick.
pub(super) const TALK_TICKED: &[Step] =
    &[Connect, FromClient("hello"), Step::Tick, FromUpstream("world"), FromClient("more"), Leave];
