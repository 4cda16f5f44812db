//! Edits and reads of a request's headers, counted in a module: the host calls are exact, and the
//! instructions grow with the edits.

use sluicegate_benches::REQUEST;
use sluicegate_host::wasm::Module;
use sluicegate_host::{Cost, Host};
use sluicegate_workspace::{Allocator, guest};

/// Returns the cost of a request with this job, after other requests.
fn cost(module: &Module, job: &str) -> Cost {
    let host = Host::wasm(module).plugin_configuration(job).start();
    let request = || {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&REQUEST), 0);
        stream.complete();
    };
    (0..50).for_each(|_| request());
    let before = host.cost();
    request();
    host.cost() - before
}

fn module() -> Module {
    Module::load(guest::build("guest-edits", Some(Allocator::Freelist)).unwrap()).unwrap()
}

#[test]
fn an_edit_is_one_host_call_and_the_map_is_read_once() {
    let module = module();
    let nothing = cost(&module, "nothing");
    let calls = |job| {
        let cost = cost(&module, job);
        (cost.host_calls - nothing.host_calls, cost.host_allocations - nothing.host_allocations)
    };
    assert_eq!(calls("add 20"), (20, 0));
    // The map, twenty edits, and reads that are answered here.
    assert_eq!(calls("edit-then-get 20"), (21, 1));
    assert_eq!(calls("edit-then-snapshot 20"), (22, 2));
    assert_eq!(calls("cycle 20"), (41, 1));
    assert_eq!(calls("batch 20"), (41, 1));
    assert_eq!(calls("add-long 400"), (400, 0));
}

#[test]
fn the_instructions_of_edits_are_linear() {
    let module = module();
    let nothing = cost(&module, "nothing").instructions;
    for job in ["add", "add-long", "replace", "edit-then-get", "cycle", "batch"] {
        let of = |count: usize| cost(&module, &format!("{job} {count}")).instructions - nothing;
        // Not fewer: there are twenty names, and the first edits of each cost less than the later
        // ones.
        let (few, many) = (of(100), of(800));
        assert!(10 * many < 88 * few, "{job}: {few} for 100, {many} for 800");
    }
}
