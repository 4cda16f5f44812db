//! Every block that the SDK frees, the host's included, was made so: the same size and alignment,
//! and once. And when a stream is gone, so are its blocks.

use std::alloc::System;

use sluicegate::prelude::*;
use sluicegate_alloc_model::ledger::Ledger;
use sluicegate_host::Host;

#[global_allocator]
static GLOBAL: Ledger<System> = Ledger::new(System);

#[derive(Default)]
struct Filter {
    kept: Vec<u8>,
    body: Vec<u8>,
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.kept = request.get("x-kept")?.map_or(Vec::new(), |value| value.to_vec());
        let total: usize = request.snapshot()?.iter().map(|(name, value)| name.len() + value.len()).sum();
        request.add("x-total", total as u64)?;
        request.remove("x-kept")?;
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        self.body.extend_from_slice(&body.read(0, body.size())?);
        body.append("[after]")?;
        Ok(DataAction::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.add("x-kept", &*self.kept)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

/// One request from its headers to its end; in a thread of its own, so that what belongs to a
/// thread goes with it.
fn requests(count: usize) {
    let run = move || {
        let host = Host::new(&PLUGIN).start();
        for _ in 0..count {
            let stream = host.http_stream();
            stream.request_headers_with_body(&[("a", "b"), ("x-kept", "something of this length")]);
            assert_eq!(stream.request_header("x-total").as_deref(), Some("32"));
            stream.request_body(vec![7; 5000], true);
            stream.response_headers(&[(":status", "200")]);
            stream.complete();
            host.clear_log();
        }
        assert!(host.finish());
    };
    std::thread::spawn(run).join().unwrap();
}

#[test]
fn every_free_agrees_and_nothing_stays() {
    requests(3);
    // The harness' own thread allocates too, when it comes to wait for this one: once. What a
    // request leaves is left in each round.
    let grown = || {
        let before = GLOBAL.audit();
        requests(50);
        let after = GLOBAL.audit();
        assert!(after.clean(), "{after:?}");
        (
            after.blocks.cast_signed() - before.blocks.cast_signed(),
            after.bytes.cast_signed() - before.bytes.cast_signed(),
        )
    };
    let rounds = [grown(), grown(), grown()];
    assert!(rounds.contains(&(0, 0)), "{rounds:?}");
}
