//! Bodies and trailers: held back, read once, changed, and let go on.

use std::cell::RefCell;

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status};
use sluicegate_host::Host;

#[derive(Default)]
struct Plugin {
    waiting: RefCell<Vec<u32>>,
}

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, plugin: &mut PluginHandle<'_>) -> Result<()> {
        for stream in self.waiting.take() {
            plugin.resume_request(stream)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    case: String,
    cursor: BodyCursor,
    /// The data of a body of which the proxy keeps nothing.
    taken: Vec<u8>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        self.case = request.get("case")?.unwrap_or_default().display().to_string();
        if request.get("change")?.is_some() {
            request.body_will_change()?;
        }
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_, Plugin>) -> Result<DataAction> {
        match &*self.case {
            "count" => {
                let new = self.cursor.read(body)?;
                info!("{} new of {}: {}", new.len(), body.size(), ByteStr::new(&new).display());
            }
            "wait" => body.plugin().waiting.borrow_mut().push(body.id()),
            "refuse" => return body.reply(&LocalResponse::new(413).body("too much")),
            "drop" => return Ok(DataAction::StopIterationNoBuffer),
            "take" => {
                self.taken.extend_from_slice(&body.read(0, body.size())?);
                if !body.end_of_stream() {
                    return Ok(DataAction::StopIterationNoBuffer);
                }
                body.replace(&self.taken)?;
            }
            "fail" => return Err(Error::new("told to fail")),
            _ => {}
        }
        if !body.end_of_stream() || self.case == "wait" {
            return Ok(DataAction::Pause);
        }
        match &*self.case {
            "append" => body.append("[after]")?,
            "prepend" => body.prepend("[before]")?,
            "replace" => {
                body.replace("[instead]")?;
                assert_eq!((body.size(), body.current_size()?), (13, 9));
            }
            "start" => body.replace_start(3, "[3]")?,
            "empty" => body.replace("")?,
            "headers" => info!("{} headers", body.stream().request_headers()?.len()),
            _ => {}
        }
        Ok(DataAction::Continue)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_, Plugin>) -> Result<FilterStatus> {
        if self.case == "inspect" {
            let body = trailers.stream().request_body()?;
            if &*body == b"bad" {
                trailers.stream().reply(&LocalResponse::new(403))?;
                return Ok(FilterStatus::Pause);
            }
            return Ok(FilterStatus::Continue);
        }
        let sum = trailers.get("checksum")?.is_some();
        trailers.replace("checked", if sum { "yes" } else { "no" })?;
        Ok(if sum { FilterStatus::Continue } else { FilterStatus::Pause })
    }

    fn on_request_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, elements: u32) -> Result<()> {
        info!("{} request metadata {elements}", stream.id());
        Ok(())
    }

    fn on_response_metadata(&mut self, stream: &mut HttpHandle<'_, Plugin>, elements: u32) -> Result<()> {
        info!("{} response metadata {elements}", stream.id());
        Ok(())
    }

    fn on_response_body(&mut self, body: &mut ResponseBody<'_, Plugin>) -> Result<DataAction> {
        info!("response {} {}", body.size(), body.end_of_stream());
        Ok(DataAction::Continue)
    }

    fn on_response_trailers(&mut self, trailers: &mut ResponseTrailers<'_, Plugin>) -> Result<FilterStatus> {
        trailers.remove("secret")?;
        Ok(FilterStatus::Continue)
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

fn upload(case: &str) -> (Vec<u32>, String) {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("case", case)]);
    let actions = vec![
        stream.request_body("one ", false),
        stream.request_body("two ", false),
        stream.request_body("three", false),
        stream.request_body("", true),
    ];
    (actions, String::from_utf8(stream.sent_request_body()).unwrap())
}

#[test]
fn a_held_body_is_changed_and_goes_on() {
    for (case, expected) in [
        ("none", "one two three"),
        ("append", "one two three[after]"),
        ("prepend", "[before]one two three"),
        ("replace", "[instead]"),
        ("start", "[3] two three"),
        ("empty", ""),
    ] {
        assert_eq!(upload(case), (vec![1, 1, 1, 0], expected.to_owned()), "{case}");
    }
}

/// Whoever forgets `body_will_change` is told by the first test that sends a length.
#[test]
#[should_panic(expected = "the request's content-length says 13, and 20 bytes of a changed body passed")]
fn a_changed_body_behind_headers_that_say_its_old_length_is_found() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("content-length", "13"), ("case", "append")]);
    stream.request_body("one two three", true);
    assert_eq!(stream.sent_request_body(), b"one two three[after]");
    stream.assert_passed();
}

#[test]
fn a_changed_body_goes_on_without_its_old_length() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("content-length", "13"), ("case", "append"), ("change", "1")]);
    stream.assert_passed();
    stream.request_body("one two three", true);
    stream.assert_request_body("one two three[after]").assert_request_header("content-length", None);
}

#[test]
fn a_growing_body_is_read_once() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("case", "count")]);
    for (part, end) in [("ab", false), ("", false), ("cde", false), ("", true)] {
        stream.request_body(part, end);
    }
    let lines: Vec<_> = host.log().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, ["2 new of 2: ab", "0 new of 2: ", "3 new of 5: cde", "0 new of 5: "]);
    assert_eq!(host.calls(Import::proxy_get_buffer_bytes), 2, "nothing new is no host call");
    assert_eq!(stream.sent_request_body(), b"abcde");
}

#[test]
fn a_body_may_be_refused_dropped_or_fail() {
    let host = Host::new(&PLUGIN).start();
    for (case, status) in [("refuse", Some(413)), ("drop", None), ("fail", Some(500))] {
        let stream = host.http_stream();
        stream.request_headers(&[("case", case)]);
        let dropped = if case == "drop" { DataAction::StopIterationNoBuffer } else { DataAction::Pause };
        assert_eq!(stream.request_body("lots", false), dropped as u32, "{case}");
        assert_eq!(stream.reply().map(|reply| reply.status), status, "{case}");
        assert_eq!(stream.sent_request_body(), b"", "{case}");
        stream.complete();
    }
    assert!(host.logged(LogLevel::Error, "on_request_body (context 4): told to fail"));
}

/// The proxy's limit is one of what the proxy keeps.
#[test]
fn a_body_that_the_filter_keeps_itself_goes_on_once_and_is_of_any_size() {
    let host = Host::new(&PLUGIN).buffer_limit(1000).start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("case", "take"), ("change", "1")]);
    let parts: Vec<_> = (0..10).map(|part| vec![part; 700]).collect();
    for (place, part) in parts.iter().enumerate() {
        assert_eq!(stream.sent_request_body(), b"");
        stream.request_body(part, place == 9);
    }
    assert_eq!(stream.sent_request_body(), parts.concat());
}

#[test]
fn a_request_waits_for_a_tick() {
    let host = Host::new(&PLUGIN).start();
    let streams = [host.http_stream(), host.http_stream()];
    for stream in &streams {
        stream.request_headers(&[("case", "wait")]);
        assert_eq!(stream.request_body("later", true), 1);
        assert!(!stream.request_resumed());
    }
    host.tick();
    for stream in &streams {
        assert!(stream.request_resumed() && !stream.response_resumed());
        assert_eq!(stream.sent_request_body(), b"later");
    }
}

#[test]
fn a_stream_that_is_gone_is_not_resumed() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("case", "wait")]);
    stream.request_body("", true);
    let id = stream.id();
    stream.complete();
    host.tick();
    let log = host.log();
    let error = format!("on_tick (context 1): context {id}: the plugin has no open stream of this number");
    assert!(log.iter().any(|line| line.text == error), "{log:?}");
}

#[test]
fn headers_that_went_on_are_gone_while_a_body_passes() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("case", "headers"), ("a", "b")]);
    assert_eq!(stream.request_body("x", true), 0);
    assert!(host.logged(LogLevel::Info, "0 headers"));
}

#[test]
fn trailers_are_read_and_edited() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(stream.request_trailers(&[("checksum", "1")]), 0);
    assert_eq!(stream.request_trailer_map().get(b"checked"), Some(&b"yes"[..]));
    assert_eq!(stream.request_trailers(&[("other", "1")]), 1);
    assert_eq!(stream.response_trailers(&[("secret", "1"), ("public", "2")]), 0);
    assert_eq!(stream.response_trailer_map().len(), 1);
    assert_eq!(stream.response_body("abc", true), 0);
    assert!(host.logged(LogLevel::Info, "response 3 true"));
    assert_eq!(stream.sent_response_body(), b"abc");
}

#[test]
fn metadata_frames_are_announced() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    assert_eq!(PLUGIN.proxy_on_request_metadata.unwrap()(stream.id(), 3), 0);
    assert_eq!(PLUGIN.proxy_on_response_metadata.unwrap()(stream.id(), 4), 0);
    assert!(host.logged(LogLevel::Info, &format!("{} request metadata 3", stream.id())));
    assert!(host.logged(LogLevel::Info, &format!("{} response metadata 4", stream.id())));
}

#[test]
fn a_body_that_trailers_end_can_be_read_and_refused_with_them() {
    let host = Host::new(&PLUGIN).start();
    for (body, action, status) in [("good", 0, None), ("bad", 1, Some(403))] {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers_with_body(&[("case", "inspect")]), 0);
        assert_eq!(stream.request_body(body, false), 1);
        assert_eq!(stream.request_trailers(&[("a", "b")]), action, "{body}");
        assert_eq!(stream.reply().map(|reply| reply.status), status, "{body}");
        let sent = if status.is_none() { body } else { "" };
        assert_eq!(stream.sent_request_body(), sent.as_bytes(), "what is held back goes on with the trailers");
    }
}

#[test]
fn a_refused_read_is_an_error_and_is_tried_again_at_the_same_place() {
    let host = Host::new(&PLUGIN).start();
    let stream = host.http_stream();
    stream.request_headers(&[("case", "count")]);
    host.fail(Import::proxy_get_buffer_bytes, Status::InvalidMemoryAccess);
    assert_eq!(stream.request_body("ab", false), DataAction::Pause as u32);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
}
