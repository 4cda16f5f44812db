//! HTTP/2 for peers that speak HTTP/1.1: what they send becomes frames, and the frames that come
//! become a message of HTTP/1.1, so that both are judged alike. One request a connection.

use crate::hpack::{self, Fields};

/// The first bytes of a client.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The setting that there is no dynamic table of fields.
const NO_TABLE: [u8; 6] = [0, 1, 0, 0, 0, 0];

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
/// The frame of Envoy's metadata.
const METADATA: u8 = 0x4d;

const END_STREAM: u8 = 1;
/// The answer to settings or to a ping.
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection's translation.
#[derive(Debug)]
pub(crate) struct Http2 {
    /// The received bytes that are no whole frame yet.
    rest: Vec<u8>,
    /// `true` if the client's first bytes are to come.
    awaits_preface: bool,
    stream: u32,
}

/// The content of frames.
#[derive(Debug, Default)]
pub(crate) struct Came {
    /// Returns the message as HTTP/1.1.
    pub(crate) text: Vec<u8>,
    /// The bytes to send to the other side at once.
    pub(crate) answers: Vec<u8>,
    /// `true` if the stream has ended.
    pub(crate) ended: bool,
}

impl Http2 {
    /// A side of a connection, and the first bytes that it sends.
    pub(crate) fn new(is_client: bool) -> (Self, Vec<u8>) {
        let settings = frame(SETTINGS, 0, 0, &NO_TABLE);
        let first = if is_client { [PREFACE, &settings].concat() } else { settings };
        (Self { rest: Vec::new(), awaits_preface: !is_client, stream: 1 }, first)
    }

    /// The frames of a part of a message: a head with its body, a chunk, or the last chunk with the
    /// trailers.
    pub(crate) fn sent(&self, part: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(part);
        let (first, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
        if first.contains("HTTP/1.1") {
            let (lines, body) = rest.split_once("\r\n\r\n").unwrap_or((rest, ""));
            return self.head(first, fields(lines), body);
        }
        if first != "0" {
            return self.frame(DATA, 0, rest.trim_end_matches("\r\n").as_bytes());
        }
        let trailers = fields(rest);
        if trailers.is_empty() {
            return self.frame(DATA, END_STREAM, &[]);
        }
        self.frame(HEADERS, END_STREAM | END_HEADERS, &hpack::encode(&trailers))
    }

    fn head(&self, first: &str, fields: Fields, body: &str) -> Vec<u8> {
        let mut words = first.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let of = |name: &str| fields.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str());
        let mut head = if first.starts_with("HTTP/") {
            vec![pair(":status", second)]
        } else {
            let authority = pair(":authority", of("host").unwrap_or_default());
            vec![pair(":method", first), pair(":scheme", "http"), authority, pair(":path", second)]
        };
        let is_open = of("transfer-encoding").is_some();
        let of_connection = ["host", "connection", "transfer-encoding", "content-length"];
        head.extend(fields.into_iter().filter(|(name, _)| !of_connection.contains(&&**name)));
        let ends = if is_open || !body.is_empty() { 0 } else { END_STREAM };
        let mut frames = self.frame(HEADERS, END_HEADERS | ends, &hpack::encode(&head));
        if !body.is_empty() {
            frames.extend(self.frame(DATA, END_STREAM, body.as_bytes()));
        }
        frames
    }

    /// The frame of metadata, which has no like in HTTP/1.1.
    pub(crate) fn metadata(&self) -> Vec<u8> {
        self.frame(METADATA, END_HEADERS, &hpack::encode(&vec![("x-metadata".to_owned(), "yes".to_owned())]))
    }

    fn frame(&self, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        frame(kind, flags, self.stream, payload)
    }

    /// Takes bytes that came.
    pub(crate) fn came(&mut self, bytes: &[u8]) -> Came {
        self.rest.extend(bytes);
        let mut came = Came::default();
        if self.awaits_preface {
            if self.rest.len() < PREFACE.len() {
                return came;
            }
            self.rest.drain(..PREFACE.len());
            self.awaits_preface = false;
        }
        while let Some(size) = self.rest.first_chunk().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c])) {
            let size = 9 + usize::try_from(size).unwrap_or(usize::MAX);
            if self.rest.len() < size {
                break;
            }
            let frame: Vec<u8> = self.rest.drain(..size).collect();
            let stream = u32::from_be_bytes([frame[5], frame[6], frame[7], frame[8]]);
            self.frame_came(frame[3], frame[4], stream, &frame[9..], &mut came);
        }
        came
    }

    fn frame_came(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8], came: &mut Came) {
        match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                let payload = if kind == PING { payload } else { &[] };
                came.answers.extend(frame(kind, ACK, 0, payload));
            }
            HEADERS => {
                self.stream = stream;
                let Some(fields) = hpack::decode(payload) else {
                    came.text.extend(b"a header block that cannot be read");
                    return;
                };
                if fields.iter().any(|(name, _)| name == ":method" || name == ":status") {
                    came.text.extend(head(&fields, flags & END_STREAM != 0).as_bytes());
                } else {
                    came.text.extend(format!("0\r\n{}\r\n", lines(&fields)).as_bytes());
                }
            }
            DATA => {
                if !payload.is_empty() {
                    came.text.extend([format!("{:x}\r\n", payload.len()).as_bytes(), payload, b"\r\n"].concat());
                }
                if flags & END_STREAM != 0 {
                    came.text.extend(b"0\r\n\r\n");
                }
            }
            _ => {}
        }
        came.ended |= kind == RESET || [HEADERS, DATA].contains(&kind) && flags & END_STREAM != 0;
    }
}

/// A head as HTTP/1.1 has it.
fn head(fields: &Fields, ended: bool) -> String {
    let of = |wanted: &str| fields.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let first = match of(":status") {
        Some(status) => format!("HTTP/1.1 {status} -"),
        None => format!("{} {} HTTP/1.1", of(":method").unwrap_or_default(), of(":path").unwrap_or_default()),
    };
    let framing = if ended { "content-length: 0" } else { "transfer-encoding: chunked" };
    format!("{first}\r\n{}{framing}\r\n\r\n", lines(fields))
}

fn lines(fields: &Fields) -> String {
    let fields = fields.iter().filter(|(name, _)| !name.starts_with(':') && name != "content-length");
    fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

fn fields(lines: &str) -> Fields {
    let fields = lines.lines().filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    [&size[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_passes_as_frames() {
        let (client, first) = Http2::new(true);
        let (mut server, _) = Http2::new(false);
        let mut come = |bytes: &[u8]| {
            let came = server.came(bytes);
            (String::from_utf8(came.text).expect("a text"), came.ended)
        };
        // In two parts.
        assert_eq!(come(&first[..30]), (String::new(), false));
        assert_eq!(come(&first[30..]), (String::new(), false));
        let head =
            b"POST /a HTTP/1.1\r\nhost: host\r\nconnection: close\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n";
        let wanted = "POST /a HTTP/1.1\r\nx-a: b\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(come(&client.sent(head)), (wanted.to_owned(), false));
        assert_eq!(come(&client.metadata()), (String::new(), false));
        assert_eq!(come(&client.sent(b"3\r\none\r\n")), ("3\r\none\r\n".to_owned(), false));
        assert_eq!(come(&client.sent(b"0\r\nx: y\r\n\r\n")), ("0\r\nx: y\r\n\r\n".to_owned(), true));
        assert_eq!(come(&client.sent(b"0\r\n\r\n")), ("0\r\n\r\n".to_owned(), true));
        let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let wanted = "HTTP/1.1 200 -\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(come(&client.sent(whole)), (wanted.to_owned(), true));
    }

    #[test]
    fn settings_and_pings_are_answered() {
        let (mut client, _) = Http2::new(true);
        let came = client.came(&[frame(SETTINGS, 0, 0, &NO_TABLE), frame(PING, 0, 0, &[7; 8])].concat());
        assert_eq!(came.answers, [frame(SETTINGS, ACK, 0, &[]), frame(PING, ACK, 0, &[7; 8])].concat());
        assert!(client.came(&frame(RESET, 0, 1, &[0; 4])).ended);
    }
}
