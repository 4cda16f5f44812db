use sluicegate::abi::Import;
use sluicegate::{LogLevel, Status};
use sluicegate_host::{Host, RunningHost, sweep, traffic};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

fn log(host: &RunningHost, path: &str, status: &str) {
    host.access_log()
        .request_headers(&[(":method", "GET"), (":path", path)])
        .response_headers(&[(":status", status)])
        .log();
}

fn count(host: &RunningHost, class: &str) -> u64 {
    host.counter(&format!("access_log_requests_class={class}")).expect("a counter of each class")
}

#[sluicegate_host::test]
fn writes_a_line_for_each_request_and_counts_it(host: Host) {
    let host = host.start();
    for (path, status) in [("/", "200"), ("/nowhere", "404"), ("/", "204"), ("/strange", "999")] {
        log(&host, path, status);
        assert!(host.logged(LogLevel::Info, &format!("GET {path} {status}")), "{:?}", host.log());
    }
    let counts = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| count(&host, class));
    assert_eq!(counts, [1, 0, 2, 0, 1, 0]);
    assert_eq!(host.calls(Import::proxy_define_metric), 6, "all at the start");
}

#[sluicegate_host::test]
fn the_status_of_grpc_is_in_the_trailers_or_in_headers_alone(host: Host) {
    let host = host.start();
    let request = [(":method", "POST"), (":path", "/a.Service/Method")];
    let entry = || host.access_log().request_headers(&request);
    entry().response_headers(&[(":status", "200")]).response_trailers(&[("grpc-status", "5")]).log();
    assert!(host.logged(LogLevel::Info, "POST /a.Service/Method 200 grpc-status 5"), "{:?}", host.log());
    entry().response_headers(&[(":status", "200"), ("grpc-status", "14")]).log();
    assert!(host.logged(LogLevel::Info, "POST /a.Service/Method 200 grpc-status 14"), "{:?}", host.log());
}

#[sluicegate_host::test]
fn a_request_without_an_answer_is_logged_too(host: Host) {
    let host = host.start();
    host.access_log().property(&["response", "code"], 0).log();
    assert!(host.logged(LogLevel::Info, "- - 0"), "{:?}", host.log());
    assert_eq!(count(&host, "none"), 1);
}

#[sluicegate_host::test]
fn an_error_costs_the_line(host: Host) {
    let host = host.start();
    host.fail(Import::proxy_get_header_map_pairs, Status::InternalFailure);
    log(&host, "/", "200");
    assert_eq!(host.log().iter().filter(|line| line.level == LogLevel::Error).count(), 1, "{:?}", host.log());
    host.fail(Import::proxy_get_header_map_pairs, Status::Ok);
    log(&host, "/", "200");
    assert_eq!(count(&host, "2xx"), 1);
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    sweep(&host, |host| {
        let grpc = host.access_log().request_headers(&[(":path", "/a.Service/Method")]);
        grpc.response_headers(&[(":status", "200")]).response_trailers(&[("grpc-status", "0")]).log();
        log(host, "/", "404");
        traffic(host)
    })
    .assert_reaches_all();
}
