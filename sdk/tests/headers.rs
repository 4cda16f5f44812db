//! Reads by snapshot, edits that are written at once. What they come to is compared with a model in
//! `overlay`.

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        match request.get(":path")?.unwrap_or_default().as_bytes() {
            b"/read" => read(request),
            b"/edit" => edit(request),
            b"/set-all" => replace_all(request),
            b"/many" => many(request),
            b"/reply" => return reply(request),
            b"/reply-bytes" => return reply_bytes(request),
            b"/refused" | b"/large" => two(request),
            b"/refused-late" => late(request),
            b"/no-response-yet" => request.stream().edit_response_headers().add("x-early", 1),
            b"/authority" => authority(request),
            b"/remove-host" => request.remove("host"),
            b"/refused-name" => request.add("", "nameless"),
            _ => Err(Error::new("no such case")),
        }?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

fn read(request: &mut RequestHeaders<'_>) -> Result<()> {
    let headers = request.snapshot()?;
    assert_eq!(headers.len(), 4);
    assert_eq!(request.byte_size()?, 5 + 5 + 4 + 7 + 6 + 3 + 6 + 3);
    assert_eq!(headers.get("COOKIE").unwrap(), "a=1");
    assert_eq!(headers.get_all("cookie").map(|value| value.len()).sum::<usize>(), 6);
    assert!(headers.contains("from") && !headers.contains("fro") && headers.get("").is_none());
    for _ in 0..20 {
        assert_eq!(request.get("from")?.unwrap(), "example");
    }
    assert_eq!(headers.iter().len(), 4);
    assert_eq!(format!("{headers:?}").matches("cookie").count(), 2);
    assert_eq!(&*request.fetch("from")?.unwrap(), b"example");
    assert_eq!((headers.get("host"), headers.contains("HOST"), headers.get_all("host").count()), (None, false, 0));
    assert!(request.fetch("absent")?.is_none());
    Ok(())
}

fn edit(request: &mut RequestHeaders<'_>) -> Result<()> {
    let before = request.snapshot()?;
    request.replace("from", "other")?;
    request.add("x-number", -5)?;
    request.add("x-bytes", b"\xff")?;
    request.remove("cookie")?;
    assert_eq!(before.get("from").unwrap(), "example", "what was read stays as it was");
    assert_eq!(request.get("from")?.unwrap(), "other");
    assert!(request.get("cookie")?.is_none());
    let after = request.snapshot()?;
    assert_eq!((before.len(), after.len()), (4, 4));
    assert_eq!(after.get("x-bytes").unwrap(), b"\xff"[..]);
    Ok(())
}

/// Envoy has `host` as `:authority`, and gives it by either name, also after an edit by the other.
fn authority(request: &mut RequestHeaders<'_>) -> Result<()> {
    assert_eq!(request.get("Host")?.unwrap(), "example");
    request.replace("x-other", 1)?;
    request.replace("host", "a")?;
    assert_eq!(request.get(":authority")?.unwrap(), "a");
    assert_eq!(request.get("host")?.unwrap(), "a");
    request.replace(":authority", "b")?;
    assert_eq!(request.get("host")?.unwrap(), "b");
    assert_eq!(request.snapshot()?.get(":authority").unwrap(), "b");
    let headers = request.snapshot()?;
    assert_eq!((headers.get("HOST").unwrap(), headers.contains("host")), ("b".into(), true));
    assert_eq!(headers.get_all("host").map(|value| value.to_vec()).collect::<Vec<_>>(), [b"b"]);
    request.remove("host")?;
    assert!(request.get("host")?.is_none() && request.get(":authority")?.is_none());
    request.replace("host", "c")
}

fn two(request: &mut RequestHeaders<'_>) -> Result<()> {
    request.add("x-first", 1)?;
    request.replace("x-second", 2)
}

/// An edit after many good ones, beside a snapshot that is read again.
fn late(request: &mut RequestHeaders<'_>) -> Result<()> {
    let before = request.snapshot()?.len();
    for number in 0..200 {
        request.replace("x-good", number)?;
    }
    let refused = request.add("x-bad", "1");
    assert_eq!(request.get("x-bad")?.is_none(), refused.is_err(), "what was refused is not read");
    assert_eq!(request.snapshot()?.len(), before + 1 + usize::from(refused.is_ok()));
    refused
}

fn replace_all(request: &mut RequestHeaders<'_>) -> Result<()> {
    let long = "v".repeat(1 << 20);
    let error = request.replace_all(&[("k", long.as_str())]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "proxy_set_header_map_pairs: bytes in a header map: 1048591 is over the host's limit of 1048576"
    );
    let error = request.replace_all(&vec![("k", "v"); 1025]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "proxy_set_header_map_pairs: pairs in a header map: 1025 is over the host's limit of 1024"
    );
    assert_eq!(request.snapshot()?.len(), 4, "nothing was lost");
    request.replace_all(&[("a", "1"), ("A", "2")])?;
    assert_eq!(request.snapshot()?.len(), 2);
    request.replace_all::<&str, &str>(&[])?;
    assert!(request.snapshot()?.is_empty());
    Ok(())
}

/// Far more edits and reads in turn than snapshots would fit the stack of a guest, if dropping them
/// took a frame each.
fn many(request: &mut RequestHeaders<'_>) -> Result<()> {
    for number in 0..if cfg!(miri) { 50 } else { 3_000_u32 } {
        request.replace("x-count", number)?;
        assert_eq!(request.get("x-count")?.unwrap(), number.to_string().as_str());
    }
    Ok(())
}

fn reply(request: &mut RequestHeaders<'_>) -> Result<Action> {
    let headers = [("powered-by", "sluicegate")];
    request.reply(&LocalResponse::new(403).headers(&headers).body("forbidden").details("no").grpc_status(7))
}

/// A reply whose headers are no text, beside views of the request's.
fn reply_bytes(request: &mut RequestHeaders<'_>) -> Result<Action> {
    let headers: Vec<_> = request.snapshot()?.iter().filter(|(name, _)| **name == *b"cookie").collect();
    // The second reply is refused or wins, as the host has it; either way the stream stops.
    let _ = request.reply(&LocalResponse::new(200).headers(&[(&b"x-bytes"[..], [0xff])]).details(b"d"))?;
    request.reply(&LocalResponse::new(200).headers(&headers))
}

fn run(path: &str) -> (u32, Vec<(String, String)>, [usize; 2]) {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    let headers = [(":path", path), ("From", "example"), ("cookie", "a=1"), ("cookie", "b=2")];
    let action = stream.request_headers(&headers);
    if path == "/reply" {
        let reply = stream.reply().unwrap();
        assert_eq!((reply.status, &*reply.body, &*reply.details, reply.grpc_status), (403, &b"forbidden"[..], "no", 7));
        assert_eq!(reply.headers.to_text(), [("powered-by".to_owned(), "sluicegate".to_owned())]);
    } else {
        // A request whose filter took the path away has no route.
        let reply = stream.reply().map(|reply| reply.status);
        assert_eq!(reply, (path == "/set-all").then_some(404), "{:?}", host.log());
    }
    let map = stream.request_map().to_text();
    let calls = [host.calls(Import::proxy_get_header_map_pairs), host.calls(Import::proxy_get_header_map_value)];
    stream.complete();
    (action, map, calls)
}

#[test]
fn host_is_authority() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/authority"), ("host", "example")]), 0, "{:?}", host.log());
    stream.assert_request_header(":authority", "c").assert_request_header("host", "c");
    assert_eq!(stream.request_map().len(), 3);
}

/// Of a name that the map shows as another.
#[test]
fn host_is_removed_though_it_is_not_shown() {
    let host = Host::new(&PLUGIN).start();
    for _ in 0..4 {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[(":path", "/remove-host"), ("host", "example")]), 0, "{:?}", host.log());
        stream.assert_request_header(":authority", None);
    }
}

#[test]
fn all_reads_of_a_callback_are_one_host_call() {
    let (action, _, calls) = run("/read");
    assert_eq!((action, calls), (0, [1, 2]));
}

#[test]
fn a_read_after_an_edit_sees_it() {
    let (action, map, calls) = run("/edit");
    // Names are looked up in the guest; the snapshot after the edits is fetched.
    assert_eq!((action, calls), (0, [2, 0]));
    let names: Vec<_> = map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(names, [(":path", "/edit"), ("from", "other"), ("x-number", "-5"), ("x-bytes", "\u{fffd}")]);
}

#[test]
fn a_map_that_the_host_would_empty_is_refused() {
    let (action, map, _) = run("/set-all");
    assert_eq!((action, map), (0, vec![]));
}

/// The limit is one of maps that are handed over whole.
#[test]
fn a_single_edit_has_no_limit_of_pairs() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    let names: Vec<_> = (0..1_200).map(|number| format!("x-{number}")).collect();
    let headers: Vec<_> = [(":path", "/large")].into_iter().chain(names.iter().map(|name| (&**name, "1"))).collect();
    assert_eq!(stream.request_headers(&headers), 0, "{:?}", host.log());
    assert_eq!(stream.request_map().len(), headers.len() + 2);
    stream.assert_request_header("x-second", "2");
}

#[test]
fn many_snapshots_in_one_callback_are_dropped_one_by_one() {
    assert_eq!(run("/many").0, 0);
}

#[test]
fn a_replys_headers_may_be_no_text() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[(":path", "/reply-bytes"), ("cookie", "a=1")]), 1);
    let reply = stream.reply().unwrap();
    assert_eq!((reply.headers.get(b"x-bytes"), &*reply.details), (Some(&b"\xff"[..]), "d"));
}

#[test]
fn a_reply_carries_everything() {
    assert_eq!(run("/reply").0, Action::StopIteration as u32);
}

/// The result of a request whose edits the host refuses: the action, the status of the reply, the
/// log.
fn refused(path: &str) -> (u32, Option<u32>, String, Vec<(String, String)>) {
    let host = Host::new(&PLUGIN).start();
    host.fail(Import::proxy_add_header_map_value, Status::BadArgument);
    let stream = host.http_stream();
    let action = stream.request_headers(&[(":path", path)]);
    let log = host.log().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
    (action, stream.reply().map(|reply| reply.status), log, stream.request_map().to_text())
}

#[test]
fn a_refused_edit_is_the_error_of_its_call() {
    for (path, name) in [("/refused", "x-first"), ("/refused-late", "x-bad")] {
        let reason = format!(
            "proxy_add_header_map_value (request headers, {name}): error status returned by host: bad argument"
        );
        let (action, status, log, map) = refused(path);
        assert_eq!((action, status), (Action::StopIteration as u32, Some(500)), "{path}: {log}");
        assert_eq!(log.matches(&format!("on_request_headers (context 2): {reason}")).count(), 1, "{path}: {log}");
        assert!(!map.iter().any(|(name, _)| name == "x-second"), "what comes after it is not tried");
    }
    assert!(refused("/refused-name").2.contains("a header without a name"));
}

/// Whatever the requests before it did: the same error of the same call.
#[test]
fn a_refused_edit_is_the_same_error_after_any_other_request() {
    for before in ["/read", "/edit", "/many", "/authority", "/remove-host", "/refused", "/refused-late", "/set-all"] {
        let host = Host::new(&PLUGIN).start();
        let request = |path| {
            let stream = host.http_stream();
            let of_host = ("host", "example");
            let from = if path == "/authority" { of_host } else { ("From", "example") };
            let action = stream.request_headers(&[(":path", path), from, ("cookie", "a=1"), ("cookie", "b=2")]);
            (action, stream.reply().map(|reply| reply.status), stream.request_map().to_text())
        };
        for _ in 0..3 {
            request(before);
        }
        host.fail(Import::proxy_add_header_map_value, Status::BadArgument);
        host.clear_log();
        let (action, status, map) = request("/refused");
        assert_eq!((action, status, map.len()), (Action::StopIteration as u32, Some(500), 4), "{before}");
        let log: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
        let reason =
            "proxy_add_header_map_value (request headers, x-first): error status returned by host: bad argument";
        assert!(log.len() == 1 && log[0].contains(reason), "{before}: {log:?}");
    }
}

#[test]
fn an_edit_of_a_map_that_is_not_there_yet_is_an_error_that_says_so() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/no-response-yet")]);
    let log = host.log().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
    let error = "on_request_headers (context 2): proxy_add_header_map_value (response headers, x-early): error status returned by host: bad argument";
    assert!(log.contains(error) && log.contains("the stream has no response headers yet, or any more"), "{log}");
}
