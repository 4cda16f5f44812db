//! Our allocators in modules of the incumbent SDK and of ours.

use sluicegate_loadtest::{Allocator, guest as build};
use wasmtime::{Engine, Module};

use super::*;

const REQUESTS: u64 = 300;

/// The figure before a word of the statistics: `12 B live` has 12 before `B live`.
fn figure(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().and_then(|before| before.split_whitespace().next_back());
    before.and_then(|figure| figure.parse().ok()).unwrap_or_else(|| panic!("no `{word}` in {line:?}"))
}

#[test]
fn the_incumbent_runs_on_each_of_ours() {
    for &allocator in Allocator::ALL {
        let path = build::build("guest-incumbent", Some(allocator)).unwrap();
        let engine = Engine::new(Config::new().consume_fuel(true)).unwrap();
        let module = Module::from_file(&engine, path).unwrap();
        // Its SDK's own entry, and no `malloc`, which hosts prefer.
        let entries: Vec<_> =
            module.exports().map(|export| export.name().to_owned()).filter(|name| name.contains("alloc")).collect();
        assert_eq!(entries, ["proxy_on_memory_allocate"], "{allocator}");

        let mut guest = Guest::start(&engine, &module).unwrap();
        let lines: Vec<_> = (0..REQUESTS)
            .map(|number| {
                guest.request(number).unwrap();
                String::from_utf8(guest.store.data().line.clone()).unwrap()
            })
            .collect();
        let (first, last) = (&lines[REQUESTS as usize / 2], &lines[REQUESTS as usize - 1]);
        assert!(last.starts_with(&format!("sluicegate: allocator {allocator}: ")), "{last}");
        // The host's blocks and the SDK's own come from ours, and all of them come back.
        assert!(figure(last, " allocations") > figure(first, " allocations") + 50 * REQUESTS / 2, "{last}");
        assert_eq!(figure(last, " B live"), figure(first, " B live"), "{last}");
        assert_eq!(figure(last, " pages"), guest.pages(), "{last}");
        assert_eq!(figure(last, " pages"), figure(first, " pages"), "{last}");
    }
}
