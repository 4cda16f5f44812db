use sluicegate::abi::Import;
use sluicegate::{DataAction, LogLevel, Status};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

use crate::Search;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const CONTINUE: u32 = DataAction::Continue as u32;
const PAUSE: u32 = DataAction::Pause as u32;

fn stream(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    stream
}

fn forbidden(stream: &HttpStream<'_>) -> Option<String> {
    let reply = stream.reply()?;
    assert_eq!((reply.status, reply.headers.get(b"powered-by")), (403, Some(&b"sluicegate"[..])));
    String::from_utf8(reply.body).ok()
}

#[sluicegate_host::test]
fn lets_a_body_pass_once_it_has_seen_all_of_it(host: Host) {
    let host = host.start();
    let stream = stream(&host);
    for chunk in ["chunk1...", "chunk2...", "chunk3..."] {
        assert_eq!(stream.request_body(chunk, false), PAUSE);
    }
    assert!(stream.sent_request_body().is_empty());
    assert_eq!(stream.request_body("", true), CONTINUE);
    assert_eq!(stream.sent_request_body(), b"chunk1...chunk2...chunk3...");
    let line = |size, read, end| {
        format!("OnHttpRequestBody called. BodySize: {size}, totalRequestBodyReadSize: {read}, endOfStream: {end}")
    };
    let read = "read chunk size: 9";
    let expected = [
        &line(9, 0, false),
        read,
        &line(18, 9, false),
        read,
        &line(27, 18, false),
        read,
        &line(27, 27, true),
        "pattern not found",
    ];
    assert_eq!(host.log().iter().map(|line| &*line.text).collect::<Vec<_>>(), expected);
    assert_eq!(host.calls(Import::proxy_get_buffer_bytes), 3, "each byte is read once");
}

#[sluicegate_host::test]
fn forbids_the_pattern_as_soon_as_it_is_there(host: Host) {
    let host = host.start();
    let stream = stream(&host);
    for chunk in ["chunk1...", "chunk2...", "chunk3..."] {
        assert_eq!(stream.request_body(chunk, false), PAUSE);
    }
    stream.request_body("chunk4 with pattern ...", false);
    assert_eq!(forbidden(&stream).as_deref(), Some("pattern found in chunk: 4"));
    assert!(host.logged(LogLevel::Info, "pattern found in chunk: 4"));
    assert!(host.logged(LogLevel::Info, "local 403 response sent"));
    assert!(stream.sent_request_body().is_empty());
}

#[sluicegate_host::test]
fn finds_a_pattern_that_two_chunks_share(host: Host) {
    let host = host.start();
    let stream = stream(&host);
    assert_eq!(stream.request_body("...pat", false), PAUSE);
    stream.request_body("tern...", true);
    assert_eq!(forbidden(&stream).as_deref(), Some("pattern found in chunk: 2"));
}

#[test]
fn finds_what_a_search_of_the_whole_text_finds() {
    let texts =
        ["pattern", "..pattern", "pattern..", "patpattern", "pppattern", "patter_n", "pattenr", "", "p", "patter"];
    for text in texts {
        for size in 1..=text.len() + 1 {
            for first in 0..=text.len() {
                let (head, tail) = text.as_bytes().split_at(first);
                let mut search = Search::default();
                let found = [head].into_iter().chain(tail.chunks(size)).any(|chunk| search.finds_in(chunk));
                assert_eq!(found, text.contains("pattern"), "{text} in {first} and then {size}");
            }
        }
    }
}

#[sluicegate_host::test]
fn fails_closed_if_the_body_cannot_be_read(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_buffer_bytes, Status::InternalFailure);
    let stream = stream(&host);
    stream.request_body("pattern", true);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    let critical =
        |text: &str| host.log().iter().any(|line| line.level == LogLevel::Critical && line.text.starts_with(text));
    assert!(critical("failed to get request body: "), "{:?}", host.log());
    // `NotFound` is no failure. It stands for an empty buffer, which is less than was announced.
    host.fail(Import::proxy_get_buffer_bytes, Status::NotFound);
    let stream = self::stream(&host);
    stream.request_body("pattern", true);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    let error =
        format!("on_request_body (context {}): read data does not match the expected total size: 0 != 7", stream.id());
    assert!(host.logged(LogLevel::Error, &error), "{:?}", host.log());

    host.fail(Import::proxy_get_buffer_bytes, Status::Ok);
    host.fail(Import::proxy_send_local_response, Status::InternalFailure);
    let stream = self::stream(&host);
    assert_ne!(stream.request_body("pattern", true), CONTINUE, "what is forbidden does not pass");
    assert!(stream.sent_request_body().is_empty());
    assert!(critical("failed to send local response: "), "{:?}", host.log());
}

#[sluicegate_host::test]
fn a_body_that_trailers_end_was_seen_before_them(host: Host) {
    let host = host.start();
    let stream = stream(&host);
    assert_eq!(stream.request_body("...", false), PAUSE);
    assert!(!host.logged(LogLevel::Info, "pattern not found"));
    assert_eq!(stream.request_trailers(&[("a", "b")]), 0);
    assert_eq!(stream.sent_request_body(), b"...");
    assert!(host.logged(LogLevel::Info, "pattern not found"));
}

#[sluicegate_host::test]
fn trailers_let_nothing_pass_that_it_did_not_see(host: Host) {
    let host = host.start();
    let stream = stream(&host);
    host.fail(Import::proxy_get_buffer_bytes, Status::NotFound);
    stream.request_body("pattern", false);
    stream.request_trailers(&[("a", "b")]);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert!(stream.sent_request_body().is_empty());
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let passes = sweep(&host, traffic);
    let found = sweep(&host, |host| {
        let stream = stream(host);
        let actions = ["chunk1 pat", "tern chunk2"].map(|chunk| stream.request_body(chunk, false));
        let seen = (actions, stream.reply(), stream.sent_request_body());
        stream.complete();
        seen
    });
    // No part that was kept is resumed from another callback, and no part is dropped after one that
    // was kept.
    passes.and(found).assert_reaches_all_but(&["proxy_continue_stream", "proxy_set_buffer_bytes"]);
}
