//! Sixty edits and reads of a request, noted and resolved, beside each made at once.

use sluicegate_benches::REQUEST;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Cost, Host};
use sluicegate_loadtest::{Allocator, guest};

/// What a request for this path costs, after others.
fn cost(module: &Module, path: &str) -> Cost {
    let headers: Vec<_> =
        REQUEST.iter().map(|(name, value)| (*name, if *name == ":path" { path } else { *value })).collect();
    let host = Host::wasm(module).start();
    let request = || {
        let stream = host.http_stream();
        stream.request_headers(&headers);
        stream.assert_reply(204);
        stream.complete();
    };
    // More than what the place for edits would hold, if it were not empty again after each.
    (0..50).for_each(|_| request());
    let before = host.cost();
    request();
    host.cost() - before
}

#[test]
fn sixty_edits_and_reads_are_one_host_call() {
    let module = Module::load(guest::build("guest-edits", Some(Allocator::Freelist)).unwrap()).unwrap();
    let (together, apart) = (cost(&module, "/"), cost(&module, "/apart"));
    // The 20 reads are one map, and the 40 edits come to nothing.
    assert_eq!(together.host_calls + 59, apart.host_calls, "{together:?}, {apart:?}");
    // Values are viewed where they were noted: no block but the map's and the path's.
    assert_eq!(together.host_allocations, 2, "{together:?}");
    // A fifth more than what was counted: 20 walks of 25 headers for the adds, and as many for the removals, are most of it.
    assert!(together.instructions < 86_000, "{together:?}");
}
