//! Bodies in many parts: what is carried over from one to the next, and what the proxy gathers.

use super::*;

const PART: [u8; 100] = [b'v'; 100];

/// The instructions of a body of so many parts.
fn rewritten(module: &Module, does: &str, number: u32, ends_in_trailers: bool) -> u64 {
    let host = start(module);
    let stream = host.http_stream();
    stream.request_headers_with_body(&[(":method", "POST"), (":path", "/"), ("x-do", does)]);
    let spent = cost(&host, || {
        for number_of_part in 1..=number {
            stream.request_body(PART, number_of_part == number && !ends_in_trailers);
        }
        if ends_in_trailers {
            stream.request_trailers(&[("sum", "1")]);
        }
    });
    assert_eq!(stream.sent_request_body().len(), PART.len() * number as usize);
    spent
}

#[test]
fn bytes_that_are_carried_over_are_copied_a_bounded_number_of_times() {
    let module = module();
    for does in ["carry", "carry last"] {
        for ends_in_trailers in [false, true] {
            compare(&format!("parts of a body, {does}, {ends_in_trailers}"), |number| {
                rewritten(&module, does, number, ends_in_trailers)
            });
        }
    }
}

#[test]
fn parts_of_a_complete_body_cost_the_same() {
    let module = module();
    compare("parts of a complete body", |number| {
        let host = start(&module);
        let stream = ask(&host, "", 0);
        stream.response_headers(&[(":status", "200")]);
        let spent = cost(&host, || {
            for number_of_part in 1..=number {
                stream.response_body(PART, number_of_part == number);
            }
        });
        assert_eq!(stream.sent_response_body().len(), PART.len() * number as usize);
        spent
    });
}
