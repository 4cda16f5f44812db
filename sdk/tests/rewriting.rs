//! Bodies and data that are held back whole, read as they grow, or changed as they pass.

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{Chunk, LogLevel, Output, Status};
use sluicegate_host::{Host, HttpStream, RunningHost};

/// Replaces each `cat` by `tiger`. Leaves what may be the beginning of one for the next part.
fn tame(chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
    let mut at = 0;
    while let Some(rest) = chunk.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"cat") {
            out.push("tiger")?;
            at += 3;
        } else if b"cat".starts_with(rest) && !chunk.is_last() {
            break;
        } else {
            out.push(&rest[..1])?;
            at += 1;
        }
    }
    Ok(at)
}

/// Hides the lines that begin with `secret`, the last one too.
fn censor(chunk: Chunk<'_>, out: &mut Output) -> Result<usize> {
    let end = chunk.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let end = if chunk.is_last() { chunk.len() } else { end };
    for line in chunk[..end].split_inclusive(|byte| *byte == b'\n') {
        out.push(if line.starts_with(b"secret") { b"***\n" } else { line })?;
    }
    Ok(end)
}

#[derive(Default)]
struct Filter {
    rewriter: Rewriter,
    lines: Rewriter,
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
        self.fail = body.read(0, body.size())?.ends_with(b"thirteen byte");
        let Self { rewriter, fail, .. } = self;
        rewriter.pass(body, |chunk, out| if *fail { Err(Error::new("thirteen")) } else { tame(chunk, out) })
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        if trailers.get("forget")?.is_some() {
            return Ok(FilterStatus::Continue);
        }
        let fails = trailers.get("fail")?.is_some();
        self.rewriter.finish(trailers, |chunk, out| if fails { Err(Error::new("last")) } else { tame(chunk, out) })
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.snapshot()?;
        response.body_will_change()?;
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        self.cursor.reset();
        info!("{:?} at {}", ByteStr::new(&self.cursor.read(body)?), self.cursor.position());
        self.lines.pass(body, censor)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        self.lines.finish(trailers, censor)
    }
}

/// A filter like `Filter` that is open to errors.
#[derive(Default)]
struct Open(Filter);

#[sluicegate::http_filter]
impl HttpFilter for Open {
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.0.on_request_headers(request)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        self.0.on_request_body(body)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        self.0.on_request_trailers(trailers)
    }
}

/// A filter without a callback for the trailers, and one whose closure leaves all it gets.
#[derive(Default)]
struct Careless {
    rewriter: Option<Rewriter>,
}

#[sluicegate::http_filter]
impl HttpFilter for Careless {
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        Rewriter::default().pass(body, |chunk, _| Ok(chunk.len()))
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        self.rewriter = Some(response.get("limit")?.map_or_else(Rewriter::default, |_| Rewriter::with_limit(3)));
        Ok(Action::Continue)
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_>) -> Result<DataAction> {
        self.rewriter.as_mut().unwrap().pass(body, |chunk, _| {
            info!("{} of {} seen", chunk.seen(), chunk.len());
            Ok(0)
        })
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_>) -> Result<FilterStatus> {
        self.rewriter.as_mut().unwrap().finish(trailers, |_, _| Ok(0))
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

    fn on_downstream_data(&mut self, data: &mut DownstreamData<'_>) -> Result<FilterStatus> {
        self.rewriter.pass(data, tame)
    }

    fn on_upstream_data(&mut self, data: &mut UpstreamData<'_>) -> Result<FilterStatus> {
        let new = self.cursor.read(data)?;
        info!("{:?}", ByteStr::new(&new));
        if !new.ends_with(b"\n") && !data.end_of_stream() {
            return Ok(FilterStatus::Pause);
        }
        data.replace_start(1, "[first]")?;
        self.cursor.reset();
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin! {
    root "http" { http: Filter }
    root "open" { http: Open }
    root "careless" { http: Careless }
    root _ { tcp: Connection }
}

fn start() -> RunningHost {
    Host::new(&PLUGIN).root_id("http").start()
}

fn open<'a>(host: &'a RunningHost) -> HttpStream<'a> {
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":method", "POST"), ("content-length", "100")]), 0);
    assert_eq!(stream.request_header("content-length"), None);
    stream
}

/// The end of a body.
#[derive(Clone, Copy, Debug)]
enum End {
    LastPart,
    EmptyPart,
    Trailers,
}

#[test]
fn a_body_changes_as_it_passes_wherever_it_is_cut_and_however_it_ends() {
    let text = "a cat, a ca, catcat and c";
    for end in [End::LastPart, End::EmptyPart, End::Trailers] {
        for cut in 0..=text.len() {
            for second in cut..=text.len() {
                let host = start();
                let stream = open(&host);
                stream.request_body(&text[..cut], false);
                stream.request_body(&text[cut..second], false);
                stream.request_body(&text[second..], matches!(end, End::LastPart));
                match end {
                    End::LastPart => {}
                    End::EmptyPart => assert_eq!(stream.request_body("", true), 0),
                    End::Trailers => assert_eq!(stream.request_trailers(&[("t", "1")]), 0),
                }
                let (sent, expected) = (stream.sent_request_body(), "a tiger, a ca, tigertiger and c");
                assert_eq!(ByteStr::new(&sent).display().to_string(), expected, "{end:?} {cut} {second}");
                assert_eq!(stream.reply(), None);
            }
        }
    }
}

/// A line without its end at the end of a body is judged as any other.
#[test]
fn the_last_line_is_censored_however_the_body_ends() {
    for end in [End::LastPart, End::EmptyPart, End::Trailers] {
        for (body, expected) in [("secret=1\nok\n", "***\nok\n"), ("ok\nsecret=1", "ok\n***\n"), ("secret", "***\n")] {
            for cut in 0..=body.len() {
                let host = start();
                let stream = open(&host);
                stream.response_headers(&[(":status", "200")]);
                stream.response_body(&body[..cut], false);
                stream.response_body(&body[cut..], matches!(end, End::LastPart));
                match end {
                    End::LastPart => 0,
                    End::EmptyPart => stream.response_body("", true),
                    End::Trailers => stream.response_trailers(&[("grpc-status", "0")]),
                };
                let sent = stream.sent_response_body();
                assert_eq!(ByteStr::new(&sent).display().to_string(), expected, "{end:?} {cut}");
            }
        }
    }
}

#[test]
fn what_does_not_change_is_not_written() {
    let host = start();
    let stream = open(&host);
    assert_eq!(stream.request_body("no dog", false), 0);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 0);
    // Kept, so that something can be written with the trailers.
    assert_eq!(stream.request_body("one c", false), DataAction::Pause as u32);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 1);
    assert_eq!(stream.sent_request_body(), b"no dog");
    // Later parts are not kept.
    assert_eq!(stream.request_body("at and c", false), DataAction::Pause as u32);
    assert_eq!(stream.sent_request_body(), b"no dogone tiger and ");
    // Nothing new, and what is left goes.
    assert_eq!(stream.request_body("", true), 0);
    assert_eq!(stream.sent_request_body(), b"no dogone tiger and c");
}

#[test]
fn a_part_that_fails_is_as_it_was() {
    let host = start();
    let stream = open(&host);
    stream.request_body("c", false);
    assert_eq!(stream.sent_request_body(), b"");
    stream.request_body("thirteen byte", false);
    assert!(host.logged(LogLevel::Error, "on_request_body (context 2): thirteen"));
    // And the host's refusal.
    let host = start();
    let stream = open(&host);
    stream.request_body("ca", false);
    host.fail(Import::proxy_set_buffer_bytes, Status::BadArgument);
    stream.request_body("t", false);
    assert_eq!(host.calls(Import::proxy_set_buffer_bytes), 3, "the last one to put back what was left");
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}

/// With an open policy the bytes that were left go on in their place, and none is lost.
#[test]
fn bytes_that_were_left_pass_where_they_were_after_an_error() {
    for end in [End::LastPart, End::EmptyPart, End::Trailers] {
        for (first, second, third, sent) in [
            ("a ca", "t thirteen byte", " a cat", "a cat thirteen byte a tiger"),
            ("ca", "thirteen byte", "ca", "cathirteen byteca"),
            ("cat", "thirteen byte", "s", "tigerthirteen bytes"),
            ("c", "a", "thirteen byte", "cathirteen byte"),
        ] {
            let host = Host::new(&PLUGIN).root_id("open").start();
            let stream = open(&host);
            stream.request_body(first, false);
            stream.request_body(second, false);
            stream.request_body(third, matches!(end, End::LastPart));
            match end {
                End::LastPart => {}
                End::EmptyPart => drop(stream.request_body("", true)),
                End::Trailers => drop(stream.request_trailers(&[("t", "1")])),
            }
            assert_eq!(String::from_utf8_lossy(&stream.sent_request_body()), sent, "{end:?}");
            assert_eq!(stream.reply(), None);
        }
    }
    let host = Host::new(&PLUGIN).root_id("open").start();
    let stream = open(&host);
    stream.request_body("a ca", false);
    stream.request_trailers(&[("fail", "1")]);
    assert_eq!(String::from_utf8_lossy(&stream.sent_request_body()), "a ca");
}

#[test]
fn a_callback_for_trailers_that_forgets_what_is_left_fails() {
    let host = start();
    let stream = open(&host);
    stream.request_body("a cat", false);
    assert_eq!(stream.request_trailers(&[("forget", "1")]), 0, "nothing is left");

    let host = start();
    let stream = open(&host);
    stream.request_body("a ca", false);
    assert_eq!(stream.request_trailers(&[("forget", "1")]), FilterStatus::StopIteration as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert_eq!(stream.sent_request_body(), b"");
    let line = "on_request_trailers (context 2): a rewriter has bytes left: call `Rewriter::finish` in the callback for the trailers";
    assert!(host.logged(LogLevel::Error, line), "{:?}", host.log());
}

#[test]
fn a_filter_without_a_callback_for_trailers_does_not_rewrite() {
    let host = Host::new(&PLUGIN).root_id("careless").start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    stream.request_body("a", false);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    let line = host
        .log()
        .into_iter()
        .map(|line| line.text)
        .find(|line| line.starts_with("on_request_body (context 2): "))
        .unwrap();
    assert!(line.contains("implement the callback for the trailers"), "{line}");
}

#[test]
fn what_is_left_is_bounded_and_none_of_it_at_the_end() {
    let left = |limit: &[(&str, &str)], parts: &[&str], last: &str, trailers: bool| {
        let host = Host::new(&PLUGIN).root_id("careless").start();
        let stream = host.http_stream();
        stream.request_headers(&[(":method", "GET")]);
        stream.response_headers(&[&[(":status", "200")], limit].concat());
        for part in parts {
            stream.response_body(part, false);
        }
        if trailers {
            stream.response_trailers(&[("t", "1")]);
        } else {
            stream.response_body(last, true);
        }
        assert_eq!(stream.sent_response_body(), b"", "nothing passes that the closure has not dealt with");
        host.log().into_iter().filter(|line| line.level == LogLevel::Error).map(|line| line.text).collect::<Vec<_>>()
    };
    let last = "leaves bytes of the last chunk";
    let over = "leaves more bytes than it may";
    let limit = [("limit", "3")];
    for (limit, parts, end, trailers, expected) in [
        (&[][..], &["a", "b"][..], "c", false, last),
        (&[], &["a", "b"], "", false, last),
        (&[], &["a", "b"], "", true, last),
        (&limit, &["abc"], "", false, last),
        (&limit, &["abc", "d"], "", false, over),
        (&limit, &["abcd"], "", true, over),
        (&[], &[&"x".repeat(40_000), &"y".repeat(40_000)], "", true, over),
    ] {
        let errors = left(limit, parts, end, trailers);
        assert!(errors.len() == 1 && errors[0].contains(expected), "{parts:?}: {errors:?}");
    }
}

/// Each part of many is copied once, be it that the closure leaves everything for long.
#[test]
fn a_closure_knows_what_it_saw() {
    let host = Host::new(&PLUGIN).root_id("careless").start();
    let stream = host.http_stream();
    stream.request_headers(&[(":method", "GET")]);
    stream.response_headers(&[(":status", "200")]);
    for _ in 0..3 {
        stream.response_body("abc", false);
    }
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).filter(|line| line.ends_with("seen")).collect();
    assert_eq!(lines, ["0 of 3 seen", "3 of 6 seen", "6 of 9 seen"]);
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

    assert_eq!(connection.upstream_data("one", false), FilterStatus::Pause as u32);
    assert_eq!(connection.upstream_data(" two\n", false), 0);
    assert_eq!(connection.upstream_data("three\n", false), 0);
    assert_eq!(connection.sent_downstream(), b"[first]ne two\n[first]hree\n");
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [r#""one""#, r#"" two\n""#, r#""three\n""#]);
}
