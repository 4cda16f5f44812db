//! The hostile traces find out who walks, and hold std's figures as what ours are compared with.

use sluicegate_alloc_host::hostile::{Guest, engine, run};

/// Instructions of any single operation beyond the bytes that it copies or clears.
const OPERATION: u64 = 5_000;

#[test]
fn an_allocator_that_walks_is_found_out() {
    let engine = engine().unwrap();
    let guests = ["std", "lol_alloc"].map(|name| Guest::build(&engine, name).unwrap());
    let found = run(&guests, "burst of 256 streams, then requests").unwrap();
    let (std, lol) = (&found[0][0], &found[1][0]);
    assert!(std.ended.is_none() && std.costs.dearest().cost < OPERATION, "{std:?}");
    assert!(std.costs.mean > 50.0 && std.pages > 10 && std.live > 10, "{std:?}");
    assert!(lol.costs.dearest().cost > OPERATION, "{lol:?}");
}
