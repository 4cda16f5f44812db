//! HTTP/1.1, as bytes.

use std::fmt::Write as _;

use crate::Pairs;

/// The head of a request. The client asks for the connection's end, so that a whole answer can be
/// read.
pub(crate) fn request(headers: Pairs) -> String {
    let value = |wanted: &str, otherwise| {
        headers.iter().find(|(name, _)| *name == wanted).map_or(otherwise, |(_, value)| *value)
    };
    let (method, path, host) = (value(":method", "GET"), value(":path", "/"), value(":authority", "host"));
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    fields(head, headers)
}

/// The head of a response.
pub(crate) fn response(headers: Pairs) -> String {
    let status = headers.iter().find(|(name, _)| *name == ":status").map_or("200", |(_, value)| *value);
    fields(format!("HTTP/1.1 {status} Status\r\n"), headers)
}

fn fields(mut head: String, headers: Pairs) -> String {
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(':')) {
        // Writing into a string does not fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head + "\r\n"
}

/// The framing of the body of a message, which its headers name.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Framing {
    chunked: bool,
}

impl Framing {
    pub(crate) const fn chunked() -> Self {
        Self { chunked: true }
    }

    pub(crate) fn of(headers: Pairs) -> Self {
        Self { chunked: headers.contains(&("transfer-encoding", "chunked")) }
    }

    pub(crate) fn part(self, text: &str, last: bool) -> String {
        if !self.chunked {
            return text.to_owned();
        }
        let chunk = if text.is_empty() { String::new() } else { format!("{:x}\r\n{text}\r\n", text.len()) };
        chunk + if last { "0\r\n\r\n" } else { "" }
    }

    pub(crate) fn trailers(trailers: Pairs) -> String {
        fields("0\r\n".to_owned(), trailers)
    }
}

/// Returns the data that a peer got, in a line for each header and one for the body.
pub(crate) fn received(who: &str, bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = Vec::new();
    let mut chunked = false;
    for line in head.lines() {
        chunked |= line == "transfer-encoding: chunked";
        // Without the reason, which HTTP/2 does not have.
        let status = line.strip_prefix("HTTP/1.1 ").and_then(|status| status.split_whitespace().next());
        let line = &status.map_or(line.to_owned(), |status| format!("HTTP/1.1 {status}"));
        if !line.is_empty() {
            lines.push(format!("{who} got {line}"));
        }
    }
    let body = if chunked { dechunked(body) } else { body.to_owned() };
    lines.push(format!("{who} got body {body:?}"));
    lines
}

fn dechunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, more)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        let Some(chunk) = more.get(..size).filter(|chunk| !chunk.is_empty()) else {
            // Trailers follow the last chunk.
            let trailers = more.trim_end_matches("\r\n");
            if !trailers.is_empty() {
                body += &format!(" and {trailers}");
            }
            break;
        };
        body += chunk;
        rest = more.get(size + 2..).unwrap_or_default();
    }
    body
}
