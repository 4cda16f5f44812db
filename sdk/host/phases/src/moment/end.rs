//! The callbacks after the last of a stream, of an entry of the access log and of a plugin.

use super::build::on;
use super::traffic::{LEFT, LEFT_BACK, REPLIED, UNLOADED, WHOLE};
use super::{Moment, Setting};

/// A callback of a stream whose client left while the filter held the request's headers.
const fn request_held(callback: &'static str) -> Moment {
    on(callback, LEFT).holds("request headers").lines("request_headers: return 1")
}

/// A callback of a stream whose client left while the filter held the response's headers.
const fn response_held(callback: &'static str) -> Moment {
    on(callback, LEFT_BACK).holds("response headers").lines("response_headers: return 1")
}

/// A callback of a stream that the filter answered.
const fn replied(callback: &'static str) -> Moment {
    on(callback, WHOLE).holds("a reply").lines(REPLIED)
}

/// These moments, in the order of the table.
pub(super) const MOMENTS: &[Moment] = &[
    on("log", WHOLE),
    request_held("log"),
    response_held("log"),
    replied("log"),
    on("done", WHOLE).stops(),
    request_held("done").stops(),
    response_held("done").stops(),
    replied("done").stops(),
    on("delete", WHOLE),
    request_held("delete"),
    response_held("delete"),
    replied("delete"),
    on("log", WHOLE).with(Setting::Logger).holds("an entry of an access log"),
    on("done", UNLOADED).with(Setting::Unloaded).holds("the plugin").stops(),
    on("delete", UNLOADED).with(Setting::Unloaded).holds("the plugin"),
];
