//! The progress of an HTTP/1.1 message, by its bytes.

/// The part of a message that has come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    pub(crate) head: bool,
    /// The number of bytes of the body.
    pub(crate) body: usize,
    pub(crate) ended: bool,
}

impl Progress {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let Some(at) = find(bytes, b"\r\n\r\n") else { return Self::default() };
        let (head, body) = (String::from_utf8_lossy(&bytes[..at]).to_ascii_lowercase(), &bytes[at + 4..]);
        if head.contains("\r\ntransfer-encoding: chunked") {
            let (body, ended) = chunks(body);
            return Self { head: true, body, ended };
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        Self { head: true, body: body.len(), ended: body.len() >= length.unwrap_or(0) }
    }

    /// Returns whether as much has come as of another one.
    pub(crate) fn reaches(self, other: Self) -> bool {
        self.head >= other.head && self.body >= other.body && self.ended >= other.ended
    }
}

/// Returns the number of bytes in the chunks that have come, and whether the last chunk is one of
/// them.
fn chunks(mut rest: &[u8]) -> (usize, bool) {
    let mut sum = 0;
    while let Some(at) = find(rest, b"\r\n") {
        let size = str::from_utf8(&rest[..at]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let Some(size) = size else { break };
        rest = &rest[at + 2..];
        if size == 0 {
            // The empty line after the trailers.
            return (sum, rest.starts_with(b"\r\n") || find(rest, b"\r\n\r\n").is_some());
        }
        sum += size.min(rest.len());
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    (sum, false)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Without the value of `date`, which is the only thing that two runs of the same program differ
/// in.
pub(crate) fn without_date(bytes: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"\r\ndate: ";
    let Some(at) = find(bytes, NAME) else { return bytes.to_vec() };
    let (before, after) = bytes.split_at(at + NAME.len());
    let end = find(after, b"\r\n").unwrap_or(after.len());
    [before, &after[end..]].concat()
}
