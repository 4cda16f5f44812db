//! Bodies that come to a filter complete, however they end: nothing of them passes unjudged.

use sluicegate::abi::Import;
use sluicegate::prelude::*;
use sluicegate::{Body, CompleteBody, LogLevel, Request, Status, task};
use sluicegate_host::{Host, HttpStream, RunningHost};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Case {
    #[default]
    Continue,
    Pause,
    Reply,
    Fail,
    Edit,
}

impl Case {
    const ALL: [Self; 5] = [Self::Continue, Self::Pause, Self::Reply, Self::Fail, Self::Edit];

    fn of(name: Option<ByteStr<'_>>) -> Self {
        let name = name.map(|name| name.display().to_string()).unwrap_or_default();
        Self::ALL.into_iter().find(|case| format!("{case:?}") == name).unwrap_or_default()
    }
}

fn judge<D>(case: Case, body: &mut CompleteBody<'_, D>) -> Result<FilterStatus> {
    info!("judged {:?}, trailers {}", ByteStr::new(&body.bytes()?), body.has_trailers());
    assert_eq!(body.size()?, body.bytes()?.len());
    match case {
        Case::Continue => Ok(FilterStatus::Continue),
        Case::Pause => Ok(FilterStatus::Pause),
        Case::Reply => body.reply(&LocalResponse::new(403)),
        Case::Fail => Err(Error::new("told to")),
        Case::Edit => {
            body.prepend("<")?;
            body.append(">")?;
            Ok(FilterStatus::Continue)
        }
    }
}

#[derive(Default)]
struct Closed(Case);

#[sluicegate::http_filter]
impl HttpFilter for Closed {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.0 = Case::of(request.get("case")?);
        if self.0 == Case::Edit {
            request.body_will_change()?;
        }
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        judge(self.0, body)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        self.0 = Case::of(response.get("case")?);
        if self.0 == Case::Edit {
            response.body_will_change()?;
        }
        Ok(Action::Continue)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        judge(self.0, body)
    }
}

/// A filter that is open to errors, and passes upgrades.
#[derive(Default)]
struct Open(Closed);

#[sluicegate::http_filter]
impl HttpFilter for Open {
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;
    const UPGRADES: Upgrades = Upgrades::Pass;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.0.on_request_headers(request)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        self.0.on_complete_request_body(body)
    }

    fn on_request_trailers(&mut self, trailers: &mut RequestTrailers<'_>) -> Result<FilterStatus> {
        info!("trailers");
        trailers.replace("seen", "1")?;
        Ok(FilterStatus::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        self.0.on_response_headers(response)
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        self.0.on_complete_response_body(body)
    }
}

/// Edits without having said so. Holds headers if told, and fails after its edit if told.
#[derive(Default)]
struct Unsaid {
    fails: bool,
}

#[sluicegate::http_filter]
impl HttpFilter for Unsaid {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.fails = request.get("fails")?.is_some();
        Ok(if request.get("hold")?.is_some() { Action::StopIteration } else { Action::Continue })
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        match &*body.bytes()? {
            b"same" => body.replace("SAME")?,
            b"start" => body.replace_start(2, "ST")?,
            _ => body.append("!")?,
        }
        if self.fails { Err(Error::new("told to")) } else { Ok(FilterStatus::Continue) }
    }
}

/// A filter like `Unsaid` that is open to errors.
#[derive(Default)]
struct UnsaidOpen(Unsaid);

#[sluicegate::http_filter]
impl HttpFilter for UnsaidOpen {
    const ON_ERROR: FailurePolicy = FailurePolicy::Open;

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.0.on_request_headers(request)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        self.0.on_complete_request_body(body)
    }
}

/// Lets go by itself, from elsewhere, what is held of a request.
#[derive(Default)]
struct Hasty;

#[sluicegate::http_filter(calls)]
impl HttpFilter for Hasty {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        request.call_then(&HttpCall::new("service").headers(&headers), |_: &mut Self, stream, _| {
            info!("resumed: {}", stream.resume_request().is_ok());
            Ok(())
        })?;
        Ok(Action::Continue)
    }

    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        judge(Case::Reply, body)
    }
}

/// Asks a service about each body, in a task.
#[derive(Default)]
struct Asking;

async fn ask() -> Result<Action> {
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
    match HttpCall::new("service").headers(&headers).send().await?.status() {
        Some(200) => Ok(Action::Continue),
        _ => task::reply(&LocalResponse::new(403)),
    }
}

#[sluicegate::http_filter(tasks)]
impl HttpFilter for Asking {
    fn on_complete_request_body(&mut self, body: &mut CompleteRequestBody<'_>) -> Result<FilterStatus> {
        body.hold_while(ask())
    }

    fn on_complete_response_body(&mut self, body: &mut CompleteResponseBody<'_>) -> Result<FilterStatus> {
        body.hold_while(ask())
    }
}

/// Reads parts, as any filter without the callbacks for complete bodies: an upgrade is nothing
/// special to it.
#[derive(Default)]
struct Parts;

#[sluicegate::http_filter]
impl HttpFilter for Parts {
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let _: &Body<'_, Request> = body;
        Ok(DataAction::Continue)
    }
}

sluicegate::plugin! {
    root "closed" { http: Closed }
    root "open" { http: Open }
    root "unsaid" { http: Unsaid }
    root "unsaid, open" { http: UnsaidOpen }
    root "hasty" { http: Hasty }
    root "asking" { http: Asking }
    root "parts" { http: Parts }
}

fn start(root: &str) -> RunningHost {
    Host::new(&PLUGIN).root_id(root).start()
}

/// The end of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    LastPart,
    EmptyPart,
    Trailers,
    Reset,
    Headers,
}

const ENDS: [End; 5] = [End::LastPart, End::EmptyPart, End::Trailers, End::Reset, End::Headers];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Request,
    Response,
}

impl Way {
    fn headers(self, stream: &HttpStream<'_>, case: Case, ends: bool) {
        let case = format!("{case:?}");
        match (self, ends) {
            (Self::Request, false) => stream.request_headers_with_body(&[(":method", "POST"), ("case", &case)]),
            (Self::Request, true) => stream.request_headers(&[(":method", "POST"), ("case", &case)]),
            (Self::Response, _) => {
                stream.request_headers(&[(":method", "GET")]);
                let headers = [(":status", "200"), ("case", &*case)];
                if ends { stream.response_headers_only(&headers) } else { stream.response_headers(&headers) }
            }
        };
    }

    fn part(self, stream: &HttpStream<'_>, part: &str, ends: bool) -> u32 {
        match self {
            Self::Request => stream.request_body(part, ends),
            Self::Response => stream.response_body(part, ends),
        }
    }

    fn trailers(self, stream: &HttpStream<'_>) -> u32 {
        match self {
            Self::Request => stream.request_trailers(&[("t", "1")]),
            Self::Response => stream.response_trailers(&[("t", "1")]),
        }
    }

    fn sent(self, stream: &HttpStream<'_>) -> String {
        let sent = match self {
            Self::Request => stream.sent_request_body(),
            Self::Response => stream.sent_response_body(),
        };
        String::from_utf8(sent).unwrap()
    }
}

fn judged(host: &RunningHost) -> Vec<String> {
    let lines = host.log().into_iter().map(|line| line.text);
    lines.filter_map(|line| line.strip_prefix("judged ").map(ToOwned::to_owned)).collect()
}

/// The whole class: each way, each policy, each end, in one part or many or none, and all that a
/// callback can do.
#[test]
fn a_body_is_judged_once_and_passes_no_earlier() {
    for way in [Way::Request, Way::Response] {
        for root in ["closed", "open"] {
            for end in ENDS {
                for parts in [&[][..], &[""], &["abc"], &["a", "", "bc"]] {
                    for case in Case::ALL {
                        one(way, root, end, parts, case);
                    }
                }
            }
        }
    }
}

fn one(way: Way, root: &str, end: End, parts: &[&str], case: Case) {
    let what = format!("{way:?} {root} {end:?} {parts:?} {case:?}");
    let host = start(root);
    let stream = host.http_stream();
    way.headers(&stream, case, end == End::Headers);
    if end == End::Headers {
        assert_eq!(judged(&host), [""; 0], "{what}: there is no body");
        return;
    }
    let (last, earlier) = match (end, parts.split_last()) {
        (End::LastPart, Some((last, earlier))) => (Some(*last), earlier),
        (End::LastPart, None) | (End::EmptyPart, _) => (Some(""), parts),
        _ => (None, parts),
    };
    for part in earlier {
        assert_eq!(way.part(&stream, part, false), DataAction::Pause as u32, "{what}");
        assert_eq!((way.sent(&stream), judged(&host)), (String::new(), Vec::new()), "{what}: not complete yet");
    }
    match end {
        End::LastPart | End::EmptyPart => drop(way.part(&stream, last.unwrap(), true)),
        End::Trailers => drop(way.trailers(&stream)),
        _ => {
            stream.complete();
            assert_eq!(judged(&host), [""; 0], "{what}: it has not ended");
            return;
        }
    }
    let body = parts.concat();
    let trailers = end == End::Trailers;
    assert_eq!(judged(&host), [format!("{body:?}, trailers {trailers}")], "{what}");
    // There is nothing to write into where no part came.
    let edits = !(trailers && parts.is_empty());
    let fails = case == Case::Fail || case == Case::Edit && !edits;
    // Nothing is left that could resume a body which is paused.
    let by_policy = fails || case == Case::Pause;
    let expected = match case {
        Case::Continue => body,
        Case::Edit if edits => format!("<{body}>"),
        _ if by_policy && root == "open" => body,
        _ => String::new(),
    };
    let asked = host.log().iter().filter(|line| line.text == "trailers").count();
    let asks = root == "open" && way == Way::Request && trailers && !fails && case != Case::Reply;
    assert_eq!(asked, usize::from(asks), "{what}: the callback for the trailers");
    let status = match case {
        Case::Reply => Some(403),
        _ if by_policy && root == "closed" => Some(500),
        _ => None,
    };
    match way {
        Way::Request => assert_eq!(stream.reply().map(|reply| reply.status), status, "{what}"),
        // Its headers are with the client.
        Way::Response => assert_eq!(stream.was_reset(), status.is_some(), "{what}"),
    }
    assert_eq!(way.sent(&stream), expected, "{what}");
}

/// Whoever else lets a request go, the body waits for its judge.
#[test]
fn nobody_lets_a_body_go_that_is_gathered() {
    let host = start("hasty");
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    stream.request_body("bad", false);
    host.answer_call(host.pending_calls()[0].token, &[(":status", "200")], "", &[]);
    assert!(!stream.request_resumed());
    assert_eq!(stream.sent_request_body(), b"");
    stream.request_body("", true);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(403));
    assert_eq!(stream.sent_request_body(), b"");
}

#[test]
fn a_body_waits_for_a_task_that_judges_it() {
    for way in [Way::Request, Way::Response] {
        for end in [End::LastPart, End::EmptyPart, End::Trailers] {
            for status in ["200", "500"] {
                let host = start("asking");
                let stream = host.http_stream();
                way.headers(&stream, Case::Continue, false);
                way.part(&stream, "a", false);
                way.part(&stream, "b", end == End::LastPart);
                assert_eq!(host.pending_calls().len(), usize::from(end == End::LastPart));
                let action = match end {
                    End::Trailers => way.trailers(&stream),
                    End::EmptyPart => way.part(&stream, "", true),
                    _ => DataAction::Pause as u32,
                };
                assert_eq!((action, way.sent(&stream)), (DataAction::Pause as u32, String::new()), "{way:?} {end:?}");
                host.answer_call(host.pending_calls()[0].token, &[(":status", status)], "", &[]);
                let sent = if status == "200" { "ab" } else { "" };
                assert_eq!(way.sent(&stream), sent, "{way:?} {end:?} {status}");
                assert_eq!(stream.reply().is_some(), status != "200");
                stream.complete();
            }
        }
    }
}

#[test]
fn the_answer_of_a_filter_goes_through_its_own_judge() {
    let host = start("closed");
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST"), ("case", "Fail")]);
    stream.request_body("abc", true);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
    assert_eq!(judged(&host), [r#""abc", trailers false"#], "an answer without a body has no such callback");
}

const UPGRADE: [(&str, &str); 3] = [(":method", "GET"), ("connection", "upgrade"), ("upgrade", "websocket")];
const CONNECT: [(&str, &str); 2] = [(":method", "CONNECT"), (":authority", "a:80")];

#[test]
fn an_upgrade_is_refused_unless_the_filter_says_otherwise() {
    for headers in [&UPGRADE[..], &CONNECT] {
        let host = start("closed");
        let stream = host.http_stream();
        stream.request_headers_with_body(headers);
        let reply = stream.reply().unwrap();
        assert_eq!((reply.status, &*reply.details), (403, "upgrade_refused"), "{headers:?}");
        assert!(!stream.reached_upstream());

        let host = start("parts");
        let stream = host.http_stream();
        stream.request_headers_with_body(headers);
        assert_eq!(stream.request_body("data", false), 0, "of no concern to a filter of parts");
    }
}

#[test]
fn an_upgrade_that_the_upstream_agrees_to_passes_both_ways() {
    for (headers, status) in [(&UPGRADE[..], "101"), (&CONNECT, "200"), (&CONNECT, "101")] {
        let host = start("open");
        let stream = host.http_stream();
        stream.request_headers_with_body(headers);
        assert!(stream.reached_upstream());
        // Envoy shows an empty part at once.
        stream.request_body("", false);
        stream.request_body("early", false);
        assert_eq!(stream.sent_request_body(), b"", "nobody has agreed");
        stream.response_headers(&[(":status", status)]);
        assert_eq!(stream.sent_request_body(), b"early", "{status}");
        // The first part goes on by a resume, because a proxy that kept one may forget it
        // otherwise.
        assert_eq!(stream.request_body(" da", false), DataAction::Pause as u32);
        assert_eq!(stream.sent_request_body(), b"early da");
        assert_eq!(stream.request_body("ta", false), 0);
        assert_eq!(stream.response_body("back", false), 0);
        assert_eq!(
            (stream.sent_request_body(), stream.sent_response_body()),
            (b"early data".to_vec(), b"back".to_vec())
        );
        stream.request_body("", true);
        stream.response_body("", true);
        assert_eq!(judged(&host), [""; 0]);
    }
}

/// To ask for an upgrade is no way past the judge.
#[test]
fn a_body_is_judged_if_nobody_agrees_to_the_upgrade() {
    for (headers, status) in [(&UPGRADE[..], "200"), (&UPGRADE[..], "400"), (&CONNECT, "403")] {
        let host = start("open");
        let stream = host.http_stream();
        stream.request_headers_with_body(headers);
        stream.request_body("bo", false);
        stream.response_headers(&[(":status", status)]);
        stream.response_body("answer", false);
        assert_eq!((stream.sent_request_body(), stream.sent_response_body()), (Vec::new(), Vec::new()), "{status}");
        stream.request_body("dy", true);
        stream.response_body("", true);
        assert_eq!(judged(&host), [r#""body", trailers false"#, r#""answer", trailers false"#]);
        assert_eq!((stream.sent_request_body(), stream.sent_response_body()), (b"body".to_vec(), b"answer".to_vec()));
    }
}

#[test]
fn another_size_is_an_error_behind_headers_that_went_on() {
    for (body, sent) in [("body", None), ("same", Some("SAME")), ("start", Some("START"))] {
        let host = start("unsaid");
        let stream = host.http_stream();
        let length = body.len().to_string();
        stream.request_headers_with_body(&[(":method", "POST"), ("content-length", &length)]);
        stream.request_body(body, true);
        let expected = if sent == Some("START") { "STart" } else { sent.unwrap_or_default() };
        assert_eq!(stream.sent_request_body(), expected.as_bytes());
        assert_eq!(stream.reply().map(|reply| reply.status), if sent.is_none() { Some(500) } else { None });
        let said =
            host.log().iter().any(|line| line.text.contains("call `body_will_change` in the callback for the headers"));
        assert_eq!(said, sent.is_none());
    }
}

/// Holds the headers of a request, and changes the size of its body. Then the host refuses a call.
fn resized<'host>(
    host: &'host RunningHost,
    length: Option<&str>,
    (fails, trailers): (bool, bool),
    refused: Option<Import>,
) -> HttpStream<'host> {
    let stream = host.http_stream();
    let mut headers = vec![(":method", "POST"), ("hold", "1")];
    headers.extend(length.map(|length| ("content-length", length)));
    headers.extend(fails.then_some(("fails", "1")));
    assert_eq!(stream.request_headers_with_body(&headers), Action::StopIteration as u32);
    if let Some(refused) = refused {
        host.fail(refused, Status::InternalFailure);
    }
    stream.request_body("body", !trailers);
    if trailers {
        stream.request_trailers(&[("t", "1")]);
    }
    stream
}

#[test]
fn the_length_is_corrected_in_headers_that_are_held() {
    for (length, trailers) in [(Some("4"), false), (None, false), (Some("4"), true), (None, true)] {
        for root in ["unsaid", "unsaid, open"] {
            let host = Host::new(&PLUGIN).root_id(root).allow_on_headers_stop_iteration().start();
            let stream = resized(&host, length, (false, trailers), None);
            stream.assert_request_body("body!").assert_request_header("content-length", length.map(|_| "5"));
            // An error after the change: the body goes on as the callback left it, or not at all.
            let stream = resized(&host, length, (true, trailers), None);
            if root == "unsaid" {
                assert_eq!(stream.reply().map(|reply| reply.status), Some(500));
                continue;
            }
            stream.assert_request_body("body!").assert_request_header("content-length", length.map(|_| "5"));
        }
    }
}

/// Removes a length that cannot be corrected, also where the policy lets the body go on after an
/// error.
#[test]
fn a_length_that_cannot_be_corrected_is_removed() {
    let refusals = [Import::proxy_get_header_map_value, Import::proxy_replace_header_map_value];
    for (refused, fails) in refusals.into_iter().flat_map(|refused| [(refused, false), (refused, true)]) {
        let host = Host::new(&PLUGIN).root_id("unsaid, open").allow_on_headers_stop_iteration().start();
        let stream = resized(&host, Some("4"), (fails, false), Some(refused));
        stream.assert_request_body("body!").assert_request_header("content-length", None);
    }
}

/// A judge costs no call of the host's for a part that it does not see, and two for the headers of
/// a message with a body.
#[test]
fn parts_before_the_end_cost_no_host_call() {
    let host = start("unsaid");
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST")]);
    let before = host.all_calls();
    for _ in 0..10 {
        stream.request_body("part", false);
    }
    assert_eq!(host.all_calls(), before);
    assert_eq!(host.calls(Import::proxy_get_buffer_bytes), 0);
}

#[test]
fn a_body_over_the_limit_of_the_proxy_is_never_judged() {
    for root in ["closed", "open"] {
        let host = Host::new(&PLUGIN).root_id(root).buffer_limit(8).start();
        let stream = host.http_stream();
        stream.request_headers_with_body(&[(":method", "POST")]);
        stream.request_body("12345", false);
        stream.request_body("67890", false);
        assert_eq!(stream.reply().map(|reply| reply.status), Some(413));
        assert_eq!(stream.sent_request_body(), b"");
        // The answer is a response as any other.
        assert_eq!(judged(&host), [r#""Payload Too Large", trailers false"#]);
        assert!(!host.log().iter().any(|line| line.level == LogLevel::Error));
    }
}
