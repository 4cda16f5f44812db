//! Our allocators in modules of this SDK and of `proxy-wasm`.

use sluicegate_benches::REQUEST;
use sluicegate_host::Host;
use sluicegate_host::wasm::Module;
use sluicegate_workspace::{Allocator, guest};

const REQUESTS: usize = 300;

/// The figure before a word of the statistics: `12 B live` has 12 before `B live`.
fn figure(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().and_then(|before| before.split_whitespace().next_back());
    before.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no `{word}` in {line:?}"))
}

#[test]
fn proxy_wasm_runs_on_each_of_ours() {
    for &allocator in Allocator::ALL {
        let module = Module::load(guest::build("guest-incumbent", Some(allocator)).unwrap()).unwrap();
        // Its SDK's own entry, and no `malloc`, which hosts prefer, nor what would come with one.
        assert!(module.exports("proxy_on_memory_allocate"), "{allocator}");
        for other in ["malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign"] {
            assert!(!module.exports(other), "{allocator} exports {other}");
        }

        let host = Host::wasm(&module).start();
        let lines: Vec<_> = (0..REQUESTS)
            .map(|_| {
                host.clear_log();
                let stream = host.http_stream();
                stream.request_headers(&REQUEST);
                stream.response_headers(&[(":status", "200")]);
                stream.complete();
                host.log().pop().unwrap().text
            })
            .collect();
        let (first, last) = (&lines[REQUESTS / 2], &lines[REQUESTS - 1]);
        assert!(last.starts_with(&format!("sluicegate: allocator {allocator}: ")), "{last}");
        // The host's blocks and the SDK's own come from ours, and all of them come back.
        assert!(figure(last, " allocations") > figure(first, " allocations") + 50 * (REQUESTS as u64) / 2, "{last}");
        assert_eq!(figure(last, " B live"), figure(first, " B live"), "{last}");
        assert_eq!(figure(last, " pages"), host.pages(), "{last}");
        assert_eq!(figure(last, " pages"), figure(first, " pages"), "{last}");
    }
}

/// The line about the allocator waits for the start of the VM: some hosts have no functions for a
/// module before.
#[test]
fn the_first_context_asks_the_host_for_nothing() {
    let module = Module::load(guest::build("guest-edits", Some(Allocator::Freelist)).unwrap()).unwrap();
    let host = Host::wasm(&module).start();
    let calls = |callback: &str| host.costs()[callback].host_calls;
    assert_eq!(calls("proxy_on_context_create"), 0);
    assert_ne!(calls("proxy_on_vm_start"), 0);
}
