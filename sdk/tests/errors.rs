//! The whole texts of what is refused: the callback, the host call, the name that it is about, and
//! what is wrong or missing.

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::metric::{Counter, Gauge, Histogram};
use sluicegate::prelude::*;
use sluicegate::{LogLevel, Status, property, shared_data};
use sluicegate_host::{Host, RunningHost};

type Run = dyn Fn(&mut RequestHeaders<'_>) -> Result<()>;

thread_local! {
    /// The filter's action for the next request.
    static NEXT: RefCell<Option<Rc<Run>>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter(calls)]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let run = NEXT.take().expect("something to do");
        run(request)?;
        Ok(Action::Continue)
    }

    fn on_http_call_response(&mut self, _: &mut HttpHandle<'_>, _: &CallResponse) -> Result<()> {
        Ok(())
    }

    fn on_grpc_event(&mut self, _: &mut HttpHandle<'_>, _: &GrpcEvent) -> Result<()> {
        Ok(())
    }
}

sluicegate::plugin!(http: Filter);

const TARGET: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

/// An action of a filter, and the line that it leads to.
type Row = (fn(&mut RequestHeaders<'_>) -> Result<()>, &'static str);

/// The line of the log that a row comes to, after the callback and the context that it begins with.
fn line(host: &RunningHost, run: fn(&mut RequestHeaders<'_>) -> Result<()>) -> String {
    host.clear_log();
    NEXT.set(Some(Rc::new(run)));
    let stream = host.http_stream();
    stream.request_headers(&TARGET);
    let place = format!("on_request_headers (context {}): ", stream.id());
    stream.complete();
    let errors = host.log().into_iter().filter(|line| line.level == LogLevel::Error);
    let told =
        |text: String| text.strip_prefix(&place).map_or_else(|| format!("of another place: {text}"), str::to_owned);
    errors.map(|line| told(line.text)).collect::<Vec<_>>().join(" | ")
}

fn compare(host: &RunningHost, rows: &[Row]) {
    for (run, text) in rows {
        assert_eq!(line(host, *run), *text);
    }
}

#[test]
fn a_byte_that_must_not_leave_is_named_with_its_header_and_call() {
    const BAD: [(&str, &str); 4] = [TARGET[0], TARGET[1], TARGET[2], ("x-user", "a\nb")];
    let rows: &[Row] = &[
        (
            |request| request.add("x-user", "a\nb"),
            "proxy_add_header_map_value: header value (x-user): byte 0x0a at position 1 is not allowed",
        ),
        (
            |request| request.replace("x user", "a"),
            "proxy_replace_header_map_value: header name (x user): byte 0x20 at position 1 is not allowed",
        ),
        (
            |request| request.remove("x:user"),
            "proxy_remove_header_map_value: header name (x:user): byte 0x3a at position 1 is not allowed",
        ),
        (
            |request| request.stream().edit_request_headers().add("x-user", "\0"),
            "proxy_add_header_map_value: header value (x-user): byte 0x00 at position 0 is not allowed",
        ),
        (|request| request.add("", "a"), "proxy_add_header_map_value: a header without a name"),
        (
            |request| request.replace_all(&BAD),
            "proxy_set_header_map_pairs: header value (x-user): byte 0x0a at position 1 is not allowed",
        ),
        (
            |request| request.reply(&LocalResponse::new(403).headers(&BAD[3..])).map(drop),
            "proxy_send_local_response: header value (x-user): byte 0x0a at position 1 is not allowed",
        ),
        (
            |request| request.reply(&LocalResponse::new(403).headers(&[("", "")])).map(drop),
            "proxy_send_local_response: a header without a name",
        ),
        (
            |request| request.reply(&LocalResponse::new(403).details("denied\r")).map(drop),
            "proxy_send_local_response: details: byte 0x0d at position 6 is not allowed",
        ),
        (
            |request| request.call(&HttpCall::new("auth").headers(&BAD)).map(drop),
            "proxy_http_call: header value (x-user): byte 0x0a at position 1 is not allowed",
        ),
        (
            |request| request.call(&HttpCall::new("auth").headers(&TARGET).trailers(&BAD[3..])).map(drop),
            "proxy_http_call: header value (x-user): byte 0x0a at position 1 is not allowed",
        ),
        (
            |request| {
                request.stream().grpc_call(&GrpcCall::new("auth", "S", "M").metadata(&[("x-user", "\x1b")])).map(drop)
            },
            "proxy_grpc_call: header value (x-user): byte 0x1b at position 0 is not allowed",
        ),
        (
            |request| request.stream().grpc_stream("auth", "S", "M", &[("X User", "")]).map(drop),
            "proxy_grpc_stream: header name (X User): byte 0x20 at position 1 is not allowed",
        ),
        (
            |request| request.stream().grpc_stream("auth", "S", "M\n", &[]).map(drop),
            "proxy_grpc_stream: gRPC method (M\\n): byte 0x0a at position 1 is not allowed",
        ),
        (
            |_| Counter::define("a\nb").map(drop),
            "proxy_define_metric: metric name (a\\nb): byte 0x0a at position 1 is not allowed",
        ),
        (
            |_| Gauge::with_tags("open", &[("user", "a\nb")]).map(drop),
            "proxy_define_metric: metric name (open_user=a\\nb): byte 0x0a at position 11 is not allowed",
        ),
    ];
    compare(&Host::new(&PLUGIN).start(), rows);
}

#[test]
fn a_local_reply_says_its_status_or_its_header() {
    let rows: &[Row] = &[
        (
            |request| request.reply(&LocalResponse::new(204).body("x")).map(drop),
            "status 204: a local reply with this status has no body",
        ),
        (
            |request| request.reply(&LocalResponse::new(99)).map(drop),
            "status 99: a local reply has a status of 200 to 599",
        ),
        (
            |request| request.reply(&LocalResponse::new(200).headers(&[(":status", "403")])).map(drop),
            "proxy_send_local_response (header :status): a local reply has no pseudo-headers",
        ),
        (
            |request| request.reply(&LocalResponse::new(200).headers(&[("Content-Length", "9")])).map(drop),
            "proxy_send_local_response (header Content-Length): the length is not that of the body",
        ),
        (
            |request| request.reply(&LocalResponse::new(200).headers(&[("transfer-encoding", "chunked")])).map(drop),
            "proxy_send_local_response (header transfer-encoding): only the proxy sets this header",
        ),
    ];
    compare(&Host::new(&PLUGIN).start(), rows);
}

#[test]
fn a_call_says_its_cluster_and_what_is_missing() {
    let rows: &[Row] = &[
        (
            |request| request.call::<_, _, &str>(&HttpCall::new("auth").headers(&TARGET[1..])).map(drop),
            "proxy_http_call (cluster auth): the header :method is missing",
        ),
        (
            |request| request.call::<_, _, &str>(&HttpCall::new("auth").headers(&[TARGET[0], TARGET[2]])).map(drop),
            "proxy_http_call (cluster auth): the header :path is missing",
        ),
        (
            |request| request.call_and_forget::<_, _, &str>(&HttpCall::new("auth").headers(&TARGET[..2])),
            "proxy_http_call (cluster auth): the header :authority is missing",
        ),
        (
            |request| request.call::<_, _, &str>(&HttpCall::new("users").headers(&TARGET)).map(drop),
            "proxy_http_call (cluster users): error status returned by host: bad argument: the proxy has no such cluster",
        ),
        (
            |request| request.call::<_, _, &str>(&HttpCall::new("idle").headers(&TARGET)).map(drop),
            "proxy_http_call (cluster idle): error status returned by host: internal failure: \
             the cluster has no healthy host, or there is none of this name",
        ),
        (
            |request| request.stream().grpc_call(&GrpcCall::new("users", "S", "M")).map(drop),
            "proxy_grpc_call (cluster users): error status returned by host: internal failure: \
             the cluster has no healthy host, or there is none of this name",
        ),
        (
            |request| request.stream().grpc_stream("users", "S", "M", &[]).map(drop),
            "proxy_grpc_stream (cluster users): error status returned by host: internal failure: \
             the cluster has no healthy host, or there is none of this name",
        ),
        // Envoy would serve nothing any more.
        (
            |request| {
                let _refused = request.call::<_, _, &str>(&HttpCall::new("idle").headers(&TARGET));
                request.stream().grpc_stream("auth", "S", "M", &[]).map(drop)
            },
            "proxy_grpc_stream (cluster auth): another call of this callback has failed: open it later",
        ),
        (
            |request| {
                let _refused = request.stream().grpc_call(&GrpcCall::new("idle", "S", "M"));
                request.stream().grpc_stream("auth", "S", "M", &[]).map(drop)
            },
            "proxy_grpc_stream (cluster auth): another call of this callback has failed: open it later",
        ),
        (
            |request| request.stream().grpc_call(&GrpcCall::new("", "S", "M")).map(drop),
            "proxy_grpc_call (cluster): the name is missing",
        ),
        (
            |request| request.stream().grpc_stream("", "S", "M", &[]).map(drop),
            "proxy_grpc_stream (cluster): the name is missing",
        ),
    ];
    compare(&Host::new(&PLUGIN).clusters(["auth", "idle"]).cluster_without_hosts("idle").start(), rows);
}

#[test]
fn a_map_over_the_hosts_limit_says_which_call_would_have_lost_it() {
    fn many() -> Vec<(&'static str, &'static str)> {
        TARGET.into_iter().chain([("a", "b"); 1022]).collect()
    }
    let rows: &[Row] = &[
        (
            |request| request.replace_all(&many()),
            "proxy_set_header_map_pairs: pairs in a header map: 1025 is over the host's limit of 1024",
        ),
        (
            |request| request.call::<_, _, &str>(&HttpCall::new("auth").headers(&many())).map(drop),
            "proxy_http_call: pairs in a header map: 1025 is over the host's limit of 1024",
        ),
        (
            |request| request.reply(&LocalResponse::new(403).headers(&[("a", "b"); 1025])).map(drop),
            "proxy_send_local_response: pairs in a header map: 1025 is over the host's limit of 1024",
        ),
    ];
    compare(&Host::new(&PLUGIN).start(), rows);
}

#[test]
fn an_edit_of_what_is_not_there_says_that() {
    let rows: &[Row] = &[(
        |request| request.stream().edit_response_headers().add("x-late", "1"),
        "proxy_add_header_map_value (response headers, x-late): error status returned by host: bad argument: \
         the stream has no response headers yet, or any more",
    )];
    compare(&Host::new(&PLUGIN).start(), rows);
}

#[test]
fn what_the_proxy_keeps_is_named_by_its_name() {
    let rows: &[Row] = &[
        (
            |_| property::set(&["a", "b"], ""),
            "proxy_set_property (property a\\x00b): a value at a path of several segments could not be read back",
        ),
        (
            |_| property::set(&["request"], ""),
            "proxy_set_property (property request): an attribute of the proxy cannot be set",
        ),
        (
            |_| shared_data::compare_and_set("count", "", 0).map(drop),
            "proxy_set_shared_data (key count): the CAS number 0 means no comparison",
        ),
        (|_| Histogram::define("").map(drop), "proxy_define_metric (metric): the name is missing"),
    ];
    compare(&Host::new(&PLUGIN).start(), rows);
}

#[test]
fn what_a_host_refuses_is_named_by_its_name() {
    let rows: &[(Import, Row)] = &[
        (
            Import::proxy_get_property,
            (
                |_| property::get(&["request", "x"]).map(drop),
                "proxy_get_property (property request\\x00x): error status returned by host: internal failure",
            ),
        ),
        (
            Import::proxy_set_property,
            (
                |_| property::set(&["mine"], ""),
                "proxy_set_property (property mine): error status returned by host: internal failure",
            ),
        ),
        (
            Import::proxy_get_shared_data,
            (
                |_| shared_data::update("count", |_| "1"),
                "proxy_get_shared_data (key count): error status returned by host: internal failure",
            ),
        ),
        (
            Import::proxy_set_shared_data,
            (
                |_| shared_data::update("count", |_| "1"),
                "proxy_set_shared_data (key count): error status returned by host: internal failure",
            ),
        ),
        (
            Import::proxy_define_metric,
            (
                |_| Counter::with_tags("requests", &[("kind", "all")]).map(drop),
                "proxy_define_metric (metric requests_kind=all): error status returned by host: internal failure",
            ),
        ),
        (
            Import::proxy_send_local_response,
            (
                |request| request.reply(&LocalResponse::new(403)).map(drop),
                "proxy_send_local_response (status 403): error status returned by host: internal failure",
            ),
        ),
    ];
    for (import, (run, text)) in rows {
        let host = Host::new(&PLUGIN).start();
        host.fail(*import, Status::InternalFailure);
        assert!(line(&host, *run).starts_with(text), "{}", line(&host, *run));
    }
}

/// An error keeps so much of a name, and shows it on one line.
#[test]
fn a_long_name_is_cut_and_escaped() {
    let host = Host::new(&PLUGIN).start();
    let text = line(&host, |_| property::set(&["a\n".repeat(50).as_str(), "b"], ""));
    let name = "a\\n".repeat(32);
    assert!(text.starts_with(&format!("proxy_set_property (property {name}): a value at a path")), "{text}");
}
