//! The cost of a request beside open streams, for each order in which streams end.

use std::collections::VecDeque;

use anyhow::{Context, Result};
use serde::Serialize;
use sluicegate_benches::REQUEST;
use sluicegate_host::wasm::Module;
use sluicegate_host::{HttpStream, RunningHost};

use crate::measure::{COUNTED, Setup, alive, each, start};
use crate::scenario::RESPONSE;

/// The instructions of one request and its response, beside a number of open streams.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    pub(crate) name: String,
    pub(crate) open: usize,
    /// The instructions if, with each request, the oldest stream ends.
    pub(crate) oldest: u64,
    /// The instructions if the newest of the other streams ends.
    pub(crate) newest: u64,
    /// The instructions if any stream ends.
    pub(crate) any: u64,
    /// The instructions if the request itself ends, and the other streams stay.
    pub(crate) short: u64,
    /// The instructions of the end of one stream, when all streams end.
    pub(crate) drained: u64,
}

/// The stream that ends when a request has come.
#[derive(Clone, Copy)]
enum Ends {
    Oldest,
    Newest,
    Any,
    Own,
}

/// Runs a module with this many open streams. Returns `None` if it has no callback for a request's
/// headers.
pub(crate) fn measure(name: &str, module: &Module, setup: &Setup, open: usize) -> Result<Option<Beside>> {
    if !module.exports("proxy_on_request_headers") {
        return Ok(None);
    }
    let beside = || format!("beside {open} streams");
    let host = start(module, setup).with_context(beside)?;
    let mut streams: VecDeque<_> = (0..open).map(|_| request(&host)).collect();
    let [oldest, newest, any, short] =
        [Ends::Oldest, Ends::Newest, Ends::Any, Ends::Own].map(|ends| rounds(&host, &mut streams, ends));
    let before = host.cost().instructions;
    let drained = streams.len().max(1) as u64;
    streams.into_iter().for_each(HttpStream::complete);
    let drained = (host.cost().instructions - before).div_ceil(drained);
    alive(&host).with_context(beside)?;
    Ok(Some(Beside { name: name.to_owned(), open, oldest, newest, any, short, drained }))
}

/// Sends a request and its response, and leaves the stream open.
fn request(host: &RunningHost) -> HttpStream<'_> {
    let stream = host.http_stream();
    stream.request_headers(&REQUEST);
    stream.response_headers_only(&RESPONSE);
    host.clear_log();
    stream
}

/// Returns the instructions of one of the counted rounds.
fn rounds<'host>(host: &'host RunningHost, streams: &mut VecDeque<HttpStream<'host>>, ends: Ends) -> u64 {
    let before = host.cost().instructions;
    let mut random = 1_usize;
    for _ in 0..COUNTED {
        let own = request(host);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let ended = match ends {
            Ends::Oldest => streams.pop_front(),
            Ends::Newest => streams.pop_back(),
            Ends::Any => streams.swap_remove_back((random >> 33) % streams.len().max(1)),
            Ends::Own => None,
        };
        match ended {
            Some(ended) => {
                streams.push_back(own);
                ended.complete();
            }
            None => own.complete(),
        }
    }
    each(host.cost().instructions - before)
}

#[cfg(test)]
mod tests {
    use sluicegate_workspace::{Allocator, guest};

    use super::*;

    /// Beside as many streams as a proxy may hold, a request of a filter that keeps something for
    /// each stream costs the same as alone, to a fifth.
    #[test]
    fn a_request_costs_the_same_beside_up_to_fifty_thousand_streams() {
        let module = Module::load(guest::build("guest-many", Some(Allocator::Freelist)).unwrap()).unwrap();
        let figures = |open| {
            let Beside { oldest, newest, any, short, drained, .. } =
                measure("many", &module, &Setup::default(), open).unwrap().unwrap();
            [oldest, newest, any, short, drained]
        };
        let alone = figures(1);
        for open in [256, 2_048, 10_000, 50_000] {
            let beside = figures(open);
            // The end of the last stream gives memory back. In the run with one stream that is all
            // that is drained.
            for (beside, alone) in beside.into_iter().zip(alone).take(4) {
                assert!(beside * 10 <= alone * 12, "{open} open: {beside}, alone {alone}");
            }
            assert!(beside[4] <= beside[3], "{open} drained: {beside:?}");
        }
    }
}
