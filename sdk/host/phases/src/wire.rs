//! The bytes of HTTP/1.1 that a peer received, taken apart strictly: a byte that fits nowhere is an
//! error.

/// The messages that a connection brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Messages {
    /// The heads, without those of interim responses.
    pub heads: Vec<String>,
    /// The body of each message, as far as it came.
    pub bodies: Vec<Vec<u8>>,
    /// The trailers of each message, as lines.
    pub trailers: Vec<String>,
    /// `true` if the last message came to its end.
    pub complete: bool,
    /// `true` if what follows the head is bytes of another protocol, up to the connection's end.
    pub tunnel: bool,
    /// The first thing that is no HTTP/1.1.
    pub invalid: Option<String>,
}

/// Where a message stands that is read.
struct Reader<'a> {
    rest: &'a [u8],
    ended: bool,
}

impl<'a> Reader<'a> {
    /// Takes the bytes up to a separator, without it; `None` if the separator has not come.
    fn until(&mut self, separator: &[u8]) -> Option<&'a [u8]> {
        let at = self.rest.windows(separator.len()).position(|window| window == separator)?;
        let taken = &self.rest[..at];
        self.rest = &self.rest[at + separator.len()..];
        Some(taken)
    }
}

/// Reads everything that a connection brought, which `ended` says whether it is closed.
#[must_use]
pub fn read(bytes: &[u8], ended: bool) -> Messages {
    let (mut messages, mut reader) = (Messages::default(), Reader { rest: bytes, ended });
    while !reader.rest.is_empty() {
        messages.complete = false;
        match message(&mut reader, &mut messages) {
            Ok(complete) if complete => messages.complete = true,
            Ok(_) => break,
            Err(wrong) => {
                messages.invalid = Some(wrong);
                break;
            }
        }
    }
    messages
}

/// Reads one message; whether it came to its end.
fn message(reader: &mut Reader<'_>, messages: &mut Messages) -> Result<bool, String> {
    let start = reader.rest;
    let Some(head) = reader.until(b"\r\n\r\n") else {
        let known = start.starts_with(b"HTTP/1.1 ") || first_line_is_a_request(start);
        return if known { Ok(false) } else { Err(format!("no head: {:?}", String::from_utf8_lossy(start))) };
    };
    let head = String::from_utf8_lossy(head).into_owned();
    let first = head.lines().next().unwrap_or_default();
    let is_response = first.starts_with("HTTP/1.1 ");
    if !is_response && !first_line_is_a_request(first.as_bytes()) {
        return Err(format!("no first line: {first:?}"));
    }
    if head.lines().skip(1).any(|line| line.split_once(": ").is_none_or(|(name, _)| name.contains([' ', '\0']))) {
        return Err(format!("no field: {head:?}"));
    }
    if first.starts_with("HTTP/1.1 1") && !first.starts_with("HTTP/1.1 101") {
        return Ok(true);
    }
    let field = |wanted: &str| head.lines().find_map(|line| line.strip_prefix(wanted)?.strip_prefix(": "));
    let (length, chunked) = (field("content-length"), field("transfer-encoding").is_some_and(|how| how == "chunked"));
    let length =
        length.map(|length| length.parse::<usize>().map_err(|_| format!("no length: {length:?}"))).transpose()?;
    let is_tunnel = first.starts_with("HTTP/1.1 101")
        || first.starts_with("CONNECT ")
        || !is_response && field("upgrade").is_some();
    let without_body = first.starts_with("HTTP/1.1 204") || first.starts_with("HTTP/1.1 304");
    messages.heads.push(head);
    messages.bodies.push(Vec::new());
    messages.trailers.push(String::new());
    let body = messages.bodies.last_mut().expect("pushed");
    if is_tunnel {
        messages.tunnel = true;
        body.extend(std::mem::take(&mut reader.rest));
        return Ok(true);
    }
    if chunked {
        let trailers = messages.trailers.last_mut().expect("pushed");
        return chunks(reader, body, trailers);
    }
    let wanted = match length {
        Some(length) => length,
        None if is_response && !without_body => {
            // To the connection's end, as after CONNECT.
            messages.tunnel = true;
            body.extend(std::mem::take(&mut reader.rest));
            return Ok(reader.ended);
        }
        None => 0,
    };
    let came = wanted.min(reader.rest.len());
    body.extend(&reader.rest[..came]);
    reader.rest = &reader.rest[came..];
    Ok(came == wanted)
}

fn chunks(reader: &mut Reader<'_>, body: &mut Vec<u8>, trailers: &mut String) -> Result<bool, String> {
    loop {
        let Some(size) = reader.until(b"\r\n") else { return Ok(false) };
        let text = String::from_utf8_lossy(size);
        let size = usize::from_str_radix(&text, 16).map_err(|_| format!("no size of a chunk: {text:?}"))?;
        if size == 0 {
            loop {
                let Some(line) = reader.until(b"\r\n") else { return Ok(false) };
                if line.is_empty() {
                    return Ok(true);
                }
                trailers.push_str(&String::from_utf8_lossy(line));
                trailers.push('\n');
            }
        }
        if reader.rest.len() < size + 2 {
            body.extend(&reader.rest[..size.min(reader.rest.len())]);
            reader.rest = &[];
            return Ok(false);
        }
        body.extend(&reader.rest[..size]);
        if &reader.rest[size..size + 2] != b"\r\n" {
            return Err("no end of a chunk".to_owned());
        }
        reader.rest = &reader.rest[size + 2..];
    }
}

fn first_line_is_a_request(bytes: &[u8]) -> bool {
    let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    is_method && (line.ends_with(b" HTTP/1.1") || line.len() == bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_end_where_their_framing_says() {
        let two =
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 403 F\r\ncontent-length: 0\r\n\r\n", true);
        assert_eq!((two.heads.len(), two.complete, &*two.bodies[0]), (2, true, &b"ok"[..]));
        let chunked =
            read(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n0\r\na: b\r\n\r\n", false);
        assert_eq!((&*chunked.bodies[0], &*chunked.trailers[0], chunked.complete), (&b"one"[..], "a: b\n", true));
        assert!(!read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", true).complete);
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\nall", true).complete);
    }

    #[test]
    fn a_tunnel_holds_any_bytes() {
        let heads: [&[u8]; 3] = [
            b"GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
            b"CONNECT host:80 HTTP/1.1\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n",
        ];
        for head in heads {
            let read = read(&[head, b"\r\n\r\nHTTP/1.1"].concat(), false);
            assert_eq!((read.tunnel, &*read.bodies[0], read.invalid), (true, &b"\r\n\r\nHTTP/1.1"[..], None));
        }
    }

    #[test]
    fn what_fits_nowhere_is_invalid() {
        assert!(read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\noks", true).invalid.is_some());
        assert!(read(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nx\r\none\r\n", false).invalid.is_some());
        assert!(read(b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", true).invalid.is_some());
    }
}
