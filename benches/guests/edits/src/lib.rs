//! What sixty edits and reads of a request's headers take in a proxy: twenty headers added, read and removed, as one writes it; and, for the path `/apart`, with each host call made at once.
//!
//! Each request logs how many nanoseconds that took by the proxy's clock. `benches/README.md` says how to run it, and what came out.

use sluicegate::prelude::*;
use sluicegate::time;

const NAMES: [&str; 20] = [
    "x-a", "x-b", "x-c", "x-d", "x-e", "x-f", "x-g", "x-h", "x-i", "x-j", "x-k", "x-l", "x-m", "x-n", "x-o", "x-p",
    "x-q", "x-r", "x-s", "x-t",
];

#[derive(Default)]
struct Edits;

#[sluicegate::http_filter(stateless)]
impl HttpFilter for Edits {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let apart = request.fetch(":path")?.is_some_and(|path| path.starts_with(b"/apart"));
        let begin = time::now()?;
        if apart { at_once(request) } else { together(request) }?;
        info!("{} ns", time::now()?.saturating_sub(begin).as_nanos());
        request.reply(&LocalResponse::new(204))
    }
}

fn together(request: &mut RequestHeaders<'_>) -> Result<()> {
    for name in NAMES {
        request.add(name, "value")?;
    }
    for name in NAMES {
        request.get(name)?;
    }
    for name in NAMES {
        request.remove(name)?;
    }
    request.flush()
}

fn at_once(request: &mut RequestHeaders<'_>) -> Result<()> {
    for name in NAMES {
        request.add(name, "value")?;
        request.flush()?;
    }
    for name in NAMES {
        request.fetch(name)?;
    }
    for name in NAMES {
        request.remove(name)?;
        request.flush()?;
    }
    Ok(())
}

sluicegate::plugin!(http: Edits);
