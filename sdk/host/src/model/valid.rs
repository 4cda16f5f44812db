//! The checks that a proxy makes of a message before the message leaves, and the faults that it
//! does not check.

use crate::model::direction::Way;
use crate::model::map::{Kind, Map};
use crate::model::reply::LocalReply;

/// The result of checking headers that a filter edited.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Checked {
    /// The headers go on.
    Sound,
    /// The proxy replies in place of the peer.
    Refused(LocalReply),
    /// The headers go on, and the peer reads something else, for this reason.
    Garbled(String),
}

/// Checks the headers of a message as Envoy does when they leave the filter. Headers that came like
/// this from the peer are not checked, because tests send requests without the headers that their
/// filter does not read.
pub(crate) fn check(way: Way, came: &Map, goes: &Map) -> Checked {
    match way {
        Way::Request => check_request(came, goes),
        Way::Response => check_response(came, goes),
    }
}

fn check_request(came: &Map, goes: &Map) -> Checked {
    let has_path = |map: &Map| map.get(b":path").is_some_and(|path| path.starts_with(b"/"));
    if has_path(came) && !has_path(goes) {
        // There is no route for such a request.
        return refused(404, "route_not_found", Vec::new());
    }
    if came.get(b":method").is_some() && goes.get(b":method").is_none() {
        return refused(503, "filter_removed_required_request_headers", b"missing required header: :method".to_vec());
    }
    if let Some(why) = invalid(came, goes) {
        return refused(503, "filter_added_invalid_request_header", why);
    }
    nameless(came, goes).map_or(Checked::Sound, Checked::Garbled)
}

/// Returns the reply of Envoy's router to headers that it does not send.
pub(crate) fn refused(status: u32, details: &str, body: Vec<u8>) -> Checked {
    Checked::Refused(LocalReply { status, details: details.to_owned(), body, headers: Map::default(), grpc_status: -1 })
}

/// Returns a message that names a header that Envoy does not send to an upstream, or `None` if
/// Envoy sends all headers.
pub(crate) fn invalid(came: &Map, goes: &Map) -> Option<Vec<u8>> {
    added(came, goes).find_map(|(name, value)| {
        let what = if !name.iter().all(|byte| is_token(*byte)) {
            "invalid header name"
        } else if value.iter().any(|byte| is_control(*byte)) {
            "invalid header value for"
        } else {
            return None;
        };
        Some(format!("{what}: {}", name.escape_ascii()).into_bytes())
    })
}

fn check_response(came: &Map, goes: &Map) -> Checked {
    let number = |map: &Map| str::from_utf8(map.get(b":status")?).ok()?.parse::<u64>().ok();
    match number(goes) {
        None if number(came).is_some() => {
            return refused(
                502,
                "filter_removed_required_response_headers",
                b"missing required header: :status".to_vec(),
            );
        }
        Some(status) if number(came) != Some(status) && !(200..=999).contains(&status) => {
            return Checked::Garbled(format!("the response's status is {status}, which begins no final response"));
        }
        _ => {}
    }
    garbled(came, goes).map_or(Checked::Sound, Checked::Garbled)
}

/// Returns a message that names a header that Envoy sends as it is and that the peer reads as
/// something else, or `None` if there is no such header.
pub(crate) fn garbled(came: &Map, goes: &Map) -> Option<String> {
    let breaks = |bytes: &[u8]| bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
    let found = added(came, goes).find(|(name, value)| breaks(name) || breaks(value));
    let broken = found.map(|(name, value)| {
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        format!("a line break or NUL in \"{name}: {value}\" makes the peer read another message")
    });
    broken.or_else(|| nameless(came, goes))
}

fn nameless(came: &Map, goes: &Map) -> Option<String> {
    let found = added(came, goes).find(|(name, _)| name.is_empty())?;
    Some(format!("the header \": {}\" has no name, which makes the peer refuse the message", found.1.escape_ascii()))
}

/// Returns the pairs that did not come from the peer.
fn added<'a>(came: &'a Map, goes: &'a Map) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    goes.pairs().filter(|pair| came.pairs().all(|of_peer| of_peer != *pair))
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:".contains(&byte)
}

fn is_control(byte: u8) -> bool {
    byte != b'\t' && (byte < b' ' || byte == 0x7f)
}

/// Checks the headers of a call to another service. If Envoy does not send them, this returns the
/// body of Envoy's response in the service's place.
pub(crate) fn check_call(headers: &Map) -> Option<Vec<u8>> {
    invalid(&Map::default().of(Kind::Request), headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(checked: &Checked) -> u32 {
        match checked {
            Checked::Sound => 0,
            Checked::Refused(reply) => reply.status,
            Checked::Garbled(_) => 1,
        }
    }

    #[test]
    fn only_what_the_filter_did_is_checked() {
        let none = Map::default();
        let odd = Map::new(&[(":path", "*"), ("x y", "a\r\nb"), ("", "")]);
        assert_eq!(check(Way::Request, &odd, &odd), Checked::Sound);
        assert_eq!(check(Way::Response, &odd, &odd), Checked::Sound);
        assert_eq!(check(Way::Request, &none, &none), Checked::Sound);
    }

    #[test]
    fn requests_are_refused_and_responses_garbled() {
        let came = Map::new(&[(":path", "/"), (":method", "GET")]);
        let with = |name: &str, value: &str| {
            let mut map = came.clone();
            map.replace(name.as_bytes(), value.as_bytes());
            status(&check(Way::Request, &came, &map))
        };
        assert_eq!(
            [with(":path", ""), with("a", "1\n2"), with("a b", "1"), with("", "1"), with("a", "é\t")],
            [404, 503, 503, 1, 0]
        );
        let came = Map::new(&[(":status", "200")]);
        let with = |name: &str, value: &str| {
            let mut map = came.clone();
            map.replace(name.as_bytes(), value.as_bytes());
            status(&check(Way::Response, &came, &map))
        };
        assert_eq!([with(":status", "abc"), with(":status", "1000"), with(":status", "999")], [502, 1, 0]);
        assert_eq!([with("a", "1\r\n2"), with("a\0", ""), with("", "1"), with("a b", "1")], [1, 1, 1, 0]);
    }
}
