//! Bodies and data that are held back whole, read as they grow, or changed as they pass.

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Output, Status};
use sluicegate_host::{Host, HttpStream, Running};

/// Replaces each `cat` by `tiger`; whatever may be the beginning of one is left for the next part.
fn tame(bytes: &[u8], out: &mut Output) -> Result<usize> {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"cat") {
            out.push("tiger")?;
            at += 3;
        } else if b"cat".starts_with(rest) {
            break;
        } else {
            out.push(&rest[..1])?;
            at += 1;
        }
    }
    Ok(at)
}

#[derive(Default)]
struct Filter {
    rewriter: Rewriter,
    numbers: Rewriter,
    cursor: BodyCursor,
    fail: bool,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        request.body_will_change()?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        self.fail = body.size() == 13;
        let Self { rewriter, fail, .. } = self;
        rewriter.pass(body, |bytes, out| if *fail { Err(Error::new("thirteen")) } else { tame(bytes, out) })?;
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, _: &mut RequestTrailers<'_>) -> Result<Flow> {
        self.rewriter.finish()?;
        Ok(Flow::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.snapshot()?;
        response.body_will_change()?;
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        info!("{:?} at {}", ByteStr::new(&self.cursor.read(body)?), self.cursor.position());
        let Some(whole) = body.whole()? else { return Ok(DataAction::Pause) };
        let mut lines = 0_u32;
        self.numbers.pass(body, |bytes, out| {
            assert_eq!(bytes, &*whole);
            for line in bytes.split(|byte| *byte == b'\n') {
                lines += 1;
                out.push_number(lines)?;
                out.push(line)?;
            }
            assert!(!out.written().is_empty());
            Ok(usize::MAX)
        })?;
        Ok(DataAction::Continue)
    }
}

#[derive(Default)]
struct Connection {
    rewriter: Rewriter,
    cursor: BodyCursor,
}

#[sluicegate::tcp_filter]
impl TcpFilter for Connection {
    type Plugin = ();

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<Flow> {
        self.rewriter.pass(data, tame)?;
        Ok(Flow::Continue)
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_>) -> Result<Flow> {
        let new = self.cursor.read(data)?;
        info!("{:?}", ByteStr::new(&new));
        if !new.ends_with(b"\n") && !data.end_of_stream() {
            return Ok(Flow::Pause);
        }
        data.replace_start(1, "[first]")?;
        self.cursor.reset();
        Ok(Flow::Continue)
    }
}

sluicegate::plugin! {
    root "http" { http: Filter }
    root _ { tcp: Connection }
}

fn start() -> Running {
    Host::new(&PLUGIN).root_id("http").start()
}

fn open<'a>(host: &'a Running) -> HttpStream<'a> {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "POST"), ("content-length", "100")]), 0);
    assert_eq!(stream.request_header("content-length"), None);
    stream
}

#[test]
fn a_body_changes_as_it_passes_wherever_it_is_cut() {
    let text = "a cat, a ca, catcat and c";
    for cut in 0..=text.len() {
        for second in cut..=text.len() {
            let host = start();
            let stream = open(&host);
            for (part, last) in [(&text[..cut], false), (&text[cut..second], false), (&text[second..], true)] {
                if part.len() == 13 {
                    continue;
                }
                assert_eq!(stream.request_body(part, last), 0);
            }
            if [cut, second - cut, text.len() - second].contains(&13) {
                continue;
            }
            assert_eq!(stream.sent_request_body(), b"a tiger, a ca, tigertiger and c", "{cut} {second}");
        }
    }
}

#[test]
fn what_does_not_change_is_not_written() {
    let host = start();
    let stream = open(&host);
    stream.request_body("no dog", false);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 0);
    stream.request_body("one c", false);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 1);
    // Nothing new, and what is left goes.
    stream.request_body("", true);
    assert_eq!(stream.sent_request_body(), b"no dogone c");
    let reads = host.calls(Import::proxy_get_buffer_bytes);
    assert_eq!((reads, host.calls(Import::proxy_set_buffer_bytes)), (3, 2));
}

#[test]
fn a_part_that_fails_is_as_it_was() {
    let host = start();
    let stream = open(&host);
    stream.request_body("c", false);
    assert_eq!(stream.sent_request_body(), b"");
    stream.request_body("thirteen byte", false);
    assert!(host.logged(LogLevel::Error, "on_request_body: thirteen"));
    // And the host's refusal.
    let host = start();
    let stream = open(&host);
    stream.request_body("ca", false);
    host.fail(Import::proxy_set_buffer_bytes, Status::BadArgument);
    stream.request_body("t", false);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 2);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

#[test]
fn trailers_find_nothing_left_or_are_an_error() {
    let host = start();
    let stream = open(&host);
    stream.request_body("a cat", false);
    assert_eq!(stream.request_trailers(&[("t", "1")]), 0);

    let host = start();
    let stream = open(&host);
    stream.request_body("a ca", false);
    assert_eq!(stream.request_trailers(&[("t", "1")]), Flow::StopIteration as u32);
    assert!(host.logged(LogLevel::Error, "on_request_trailers: bytes are left of a body that trailers end"));
}

#[test]
fn a_body_is_held_back_until_it_is_whole() {
    let host = start();
    let stream = open(&host);
    let edits = host.calls(Import::proxy_remove_header_map_value);
    assert_eq!(stream.response_headers(&[(":status", "200")]), 0);
    assert_eq!(host.calls(Import::proxy_remove_header_map_value), edits, "there is nothing to remove");
    assert_eq!(stream.response_body("a\nb", false), DataAction::Pause as u32);
    assert_eq!(stream.response_body("", false), DataAction::Pause as u32);
    assert_eq!(stream.response_body("b\nc", true), 0);
    assert_eq!(stream.sent_response_body(), b"1a2bb3c");
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [r#""a\nb" at 3"#, r#""" at 3"#, r#""b\nc" at 6"#]);
}

#[test]
fn a_connections_data_is_read_as_it_grows_and_changes_as_it_passes() {
    let host = Host::new(&PLUGIN).start();
    let connection = host.tcp_connection();
    for part in ["a c", "at, ", "cat"] {
        assert_eq!(connection.downstream_data(part, false), 0);
    }
    connection.downstream_data("", true);
    assert_eq!(connection.sent_upstream(), b"a tiger, tiger");

    assert_eq!(connection.upstream_data("one", false), Flow::Pause as u32);
    assert_eq!(connection.upstream_data(" two\n", false), 0);
    assert_eq!(connection.upstream_data("three\n", false), 0);
    assert_eq!(connection.sent_downstream(), b"[first]ne two\n[first]hree\n");
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [r#""one""#, r#"" two\n""#, r#""three\n""#]);
}
