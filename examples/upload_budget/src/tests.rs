use sluicegate::{Action, DataAction};
use sluicegate_host::{Host, HttpStream, RunningHost, sweep, traffic};

use crate::Checksum;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

const HOLD: u32 = DataAction::StopIterationAndBuffer as u32;
const STOP: u32 = DataAction::StopIterationAndBuffer as u32;
const GO: u32 = DataAction::Continue as u32;
const MIB: usize = 1 << 20;

fn upload<'host>(host: &'host RunningHost, length: usize) -> (HttpStream<'host>, Option<u32>) {
    let stream = host.http_stream();
    let action = stream.request_headers_with_body(&[("content-length", &*length.to_string())]);
    let status = stream.reply().map(|reply| reply.status);
    assert_eq!(action, if status.is_none() { Action::Continue } else { Action::StopIteration } as u32);
    (stream, status)
}

#[sluicegate_host::test]
fn an_upload_goes_on_with_its_checksum(host: Host) {
    let host = host.start();
    let mut checksum = Checksum::default();
    checksum.update(&vec![7; MIB]);
    for seen in ["no", "yes"] {
        let (stream, status) = upload(&host, MIB);
        assert_eq!(status, None);
        assert_eq!(stream.request_body(vec![7; MIB / 2], false), HOLD);
        assert_eq!(stream.request_body(vec![7; MIB / 2], true), GO);
        assert_eq!(stream.sent_request_body().len(), MIB);
        stream.response_headers(&[(":status", "200")]);
        assert_eq!(stream.response_header("x-checksum"), Some(checksum.0.to_string()));
        assert_eq!(stream.response_header("x-seen").as_deref(), Some(seen));
        stream.complete();
    }
}

#[sluicegate_host::test]
fn an_upload_that_trailers_end_is_remembered_too(host: Host) {
    let host = host.start();
    for seen in ["no", "yes"] {
        let stream = host.http_stream();
        stream.request_headers_with_body(&[("transfer-encoding", "chunked")]);
        assert_eq!(stream.request_body("upload", false), HOLD);
        assert_eq!(stream.request_trailers(&[("a", "b")]), GO);
        stream.response_headers(&[(":status", "200")]);
        assert_eq!(stream.response_header("x-seen").as_deref(), Some(seen));
        stream.complete();
    }
}

#[sluicegate_host::test]
fn what_announces_too_much_is_answered_at_once(host: Host) {
    let host = host.start();
    assert_eq!(upload(&host, 64 * MIB).1, Some(413));
    let open: Vec<_> = std::iter::from_fn(|| {
        let (stream, status) = upload(&host, MIB);
        status.is_none().then_some(stream)
    })
    .take(100)
    .collect();
    assert_eq!(open.len(), 3, "4 MiB hold three uploads and what the filter needs");
    let (shed, status) = upload(&host, MIB);
    assert_eq!(status, Some(503));
    shed.request_body(vec![7; 100], true);
    assert!(shed.sent_request_body().is_empty());
    for stream in open {
        stream.complete();
    }
    assert_eq!(upload(&host, MIB).1, None);
}

#[sluicegate_host::test]
fn what_announces_nothing_is_stopped_on_its_way(host: Host) {
    let host = host.start();
    let stream = host.http_stream();
    stream.request_headers_with_body(&[("transfer-encoding", "chunked")]);
    assert_eq!(stream.request_body(vec![7; MIB], false), HOLD);
    assert_eq!(stream.request_body(vec![7; MIB], false), STOP);
    assert_eq!(stream.reply().map(|reply| reply.status), Some(413));
}

#[sluicegate_host::test]
fn the_operator_has_the_last_word(host: Host) {
    let host = host.plugin_configuration(r#"{"memory": {"stream": "2MiB"}}"#).start();
    assert!(host.started());
    assert_eq!(upload(&host, 2 * MIB + 1).1, Some(413));
    assert_eq!(upload(&host, 3 * MIB / 2).1, None);
}

#[sluicegate_host::test]
fn survives_whatever_a_host_does(host: Host) {
    let host = host.plugin_configuration(r#"{"memory": {"metrics": true}}"#);
    // The result does not include `x-seen`, which differs each time.
    let uploads = sweep(&host, |host| {
        let seen = traffic(host);
        let checksums = seen.responses.map(|(headers, ..)| headers.get(b"x-checksum").map(<[u8]>::to_vec));
        (seen.actions, seen.requests, seen.replies, checksums)
    });
    let too_large = sweep(&host, |host| {
        let stream = host.http_stream();
        let action = stream.request_headers_with_body(&[("content-length", &*(64 * MIB).to_string())]);
        let seen = (action, stream.reply().map(|reply| reply.status));
        stream.complete();
        seen
    });
    // The failure policy is closed, so nothing is resumed after an error. No size is asked for, and
    // no header is replaced or removed. Nothing reaches another stream.
    let others = [
        "proxy_continue_stream",
        "proxy_get_buffer_status",
        "proxy_remove_header_map_value",
        "proxy_replace_header_map_value",
        "proxy_set_buffer_bytes",
        "proxy_set_effective_context",
    ];
    uploads.and(too_large).assert_reaches_all_but(&others);
}
