//! Filters for which every byte of a body matters: one judges complete bodies, and one rewrites
//! bodies as they pass.
//!
//! | header of the message | then |
//! |---|---|
//! | `x-hold` | the headers are held for a call: by a closure, or as the value says |
//! | `x-pass` | the body passes in parts, unjudged |
//! | `x-edit` | the complete body is put in brackets |
//! | `x-swap` | the complete body is held for a call to the service, whose answer replaces it |

use sluicegate::prelude::*;
use sluicegate::{Chunk, CompleteBody, Head, Headers, Output};

use crate::program::SERVICE;

const ASK: HttpCall<'static> =
    HttpCall::new(SERVICE).headers(&[(":method", "GET"), (":path", "/"), (":authority", SERVICE)]);

/// Judges complete bodies: what has `bad` in it is refused.
#[derive(Default)]
struct Judge {
    edits: [bool; 2],
    swaps: [bool; 2],
    has_response: bool,
}

/// Does what the headers of a message ask for, and holds them if they do.
macro_rules! headers {
    ($headers:ident) => {{
        $headers.body_will_change()?;
        if $headers.get("x-hold")?.is_none() {
            return Ok(Action::Continue);
        }
        let go = |_: &mut Self, _: &mut HttpHandle<'_>, _: Result<&CallResponse, CallFailure>| Ok(Action::Continue);
        $headers.hold_for_call(&ASK, go)
    }};
}

/// Holds headers as `x-hold` says: by a task, or by the callback itself, so that
/// `on_http_call_response` resumes them.
macro_rules! hold {
    ($headers:ident) => {{
        let hold = $headers.get("x-hold")?;
        match hold.as_deref() {
            Some(b"task") => {
                $headers.body_will_change()?;
                $headers.hold_while(async {
                    ASK.send().await?;
                    Ok(Action::Continue)
                })
            }
            Some(b"pause") => {
                $headers.body_will_change()?;
                $headers.stream().call(&ASK)?;
                Ok(Action::Pause)
            }
            _ => headers!($headers),
        }
    }};
}

impl Judge {
    fn prepare<D>(&mut self, way: usize, headers: &mut Headers<'_, D, (), Head>) -> Result<()> {
        self.edits[way] = headers.get("x-edit")?.is_some();
        self.swaps[way] = headers.get("x-swap")?.is_some();
        if headers.get("x-pass")?.is_some() {
            headers.let_body_pass();
        }
        Ok(())
    }

    fn judge<D>(&self, way: usize, body: &mut CompleteBody<'_, D>) -> Result<FilterStatus> {
        if body.bytes()?.windows(3).any(|bytes| bytes == b"bad") {
            return body.reply(&LocalResponse::new(403).body("refused"));
        }
        if self.swaps[way] {
            return body.hold_for_call(&ASK, move |_: &mut Self, stream, _| {
                if way == 0 {
                    stream.replace_request_body("swapped")
                } else {
                    stream.replace_response_body("swapped")
                }?;
                Ok(Action::Continue)
            });
        }
        if self.edits[way] {
            body.prepend("[")?;
            body.append("]")?;
        }
        Ok(FilterStatus::Continue)
    }
}

#[sluicegate::http_filter(calls, tasks)]
impl HttpFilter for Judge {
    const UPGRADES: Upgrades = Upgrades::Pass;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.prepare(0, request)?;
        hold!(request)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        self.judge(0, body)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        self.prepare(1, response)?;
        self.has_response = true;
        hold!(response)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        self.judge(1, body)
    }

    fn on_http_call_response(&mut self, stream: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
        if self.has_response { stream.resume_response() } else { stream.resume_request() }
    }
}

/// Rewrites words, wherever the parts of a body are cut: `cat` to `tiger`, `elephant` to `ant`, and
/// `dog` to `god`.
#[derive(Default)]
struct Rewrite {
    rewriters: [Rewriter; 2],
}

const WORDS: [(&[u8], &[u8]); 3] = [(b"cat", b"tiger"), (b"elephant", b"ant"), (b"dog", b"god")];

fn rewrite(chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
    let mut at = 0;
    while at < chunk.len() {
        let rest = &chunk[at..];
        if let Some((word, other)) = WORDS.iter().find(|(word, _)| rest.starts_with(word)) {
            out.push(other)?;
            at += word.len();
        } else if !chunk.is_last() && WORDS.iter().any(|(word, _)| word.starts_with(rest)) {
            break;
        } else {
            out.push(&rest[..1])?;
            at += 1;
        }
    }
    Ok(at)
}

#[sluicegate::http_filter(calls)]
impl HttpFilter for Rewrite {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        headers!(request)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        self.rewriters[0].pass(body, rewrite)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        self.rewriters[0].finish(trailers, rewrite)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        headers!(response)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        self.rewriters[1].pass(body, rewrite)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        self.rewriters[1].finish(trailers, rewrite)
    }
}

sluicegate::plugin! {
    root "judge" { http: Judge }
    root "rewrite" { http: Rewrite }
}
