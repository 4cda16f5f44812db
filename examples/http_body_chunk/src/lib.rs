//! Looks for the text `pattern` in a request's body while the body arrives, and replies with 403 as
//! soon as it is there. Each byte is read once.

use sluicegate::prelude::*;

const PATTERN: &[u8] = b"pattern";

#[derive(Default)]
struct HttpBodyChunk {
    cursor: BodyCursor,
    chunks: usize,
    search: Search,
}

#[sluicegate::http_filter]
impl HttpFilter for HttpBodyChunk {
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        info!(
            "OnHttpRequestBody called. BodySize: {}, totalRequestBodyReadSize: {}, endOfStream: {}",
            body.size(),
            self.cursor.position(),
            body.end_of_stream(),
        );
        let chunk = self.cursor.read(body);
        let chunk = chunk.inspect_err(|error| critical!("failed to get request body: {error}"))?;
        if !chunk.is_empty() {
            self.chunks += 1;
            info!("read chunk size: {}", chunk.len());
        }
        if self.search.finds_in(&chunk) {
            return self.forbid(body);
        }
        if self.cursor.position() != body.size() {
            // A part was not read, so nothing of it may pass. This is checked before the end, too,
            // because trailers would release the held part.
            return Err(Error::text(format!(
                "read data does not match the expected total size: {} != {}",
                self.cursor.position(),
                body.size(),
            )));
        }
        if !body.end_of_stream() {
            return Ok(DataAction::Pause);
        }
        info!("pattern not found");
        Ok(DataAction::Continue)
    }

    /// Lets the body go on. Trailers end a body that has no last part, and all of the body was read
    /// by then.
    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        info!("pattern not found");
        Ok(FilterStatus::Continue)
    }
}

impl HttpBodyChunk {
    fn forbid(&self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let text = format!("pattern found in chunk: {}", self.chunks);
        info!("{text}");
        let reply = body.reply(&LocalResponse::new(403).headers(&[("powered-by", "sluicegate")]).body(&text));
        match &reply {
            Ok(_) => info!("local 403 response sent"),
            Err(error) => critical!("failed to send local response: {error}"),
        }
        reply
    }
}

/// A search for the pattern in a text that comes in chunks. The pattern may begin in one chunk and
/// end in a later one.
#[derive(Default)]
struct Search {
    /// The end of the text so far, one byte shorter than the pattern. The pattern may begin there.
    seam: Vec<u8>,
}

impl Search {
    const SEAM: usize = PATTERN.len() - 1;

    fn finds_in(&mut self, chunk: &[u8]) -> bool {
        let (start, rest) = chunk.split_at(chunk.len().min(Self::SEAM));
        self.seam.extend_from_slice(start);
        if contains_pattern(&self.seam) || contains_pattern(chunk) {
            return true;
        }
        self.seam.extend_from_slice(&rest[rest.len().saturating_sub(Self::SEAM)..]);
        self.seam.drain(..self.seam.len().saturating_sub(Self::SEAM));
        false
    }
}

fn contains_pattern(bytes: &[u8]) -> bool {
    bytes.windows(PATTERN.len()).any(|window| window == PATTERN)
}

sluicegate::plugin!(http: HttpBodyChunk);

#[cfg(test)]
mod tests;
