//! Values of the host in the arena of a stream: they stay without a copy, and are given back with
//! the stream.

use sluicegate::HostBytes;
use sluicegate::arena::{self, RequestArena};
use sluicegate::prelude::*;
use sluicegate_host::{Host, HttpStream};

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

/// Values of the host's, and the places of their bytes when they came.
#[derive(Default)]
struct Keep {
    kept: Vec<(HostBytes, usize)>,
}

/// Returns the number of bytes by which the arena grows in `call`, and the result of `call`.
fn grown<R>(arena: &RequestArena, call: impl FnOnce() -> R) -> (usize, R) {
    let before = arena.used();
    let result = arena::with_host_values_in(arena, call);
    (arena.used() - before, result)
}

#[sluicegate::http_filter]
impl HttpFilter for Keep {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let arena = request.arena()?;
        for name in ["x-a", "x-b"] {
            let (grown, value) = grown(&arena, || request.fetch(name));
            let value = value?.ok_or_else(|| Error::new("no such header"))?;
            assert!(grown >= value.len() + size_of::<usize>(), "{grown} bytes more for {}", value.len());
            self.kept.push((value, 0));
        }
        for (value, place) in &mut self.kept {
            *place = value.as_ptr().addr();
        }
        // The last one's bytes are used again.
        let before = arena.used();
        drop(arena::with_host_values_in(&arena, || request.fetch("x-a")));
        assert_eq!(arena.used(), before);
        // A host that refuses leaves nothing.
        let (left, missing) = grown(&arena, || request.fetch("x-none"));
        assert!(missing?.is_none() && left == 0);
        // A snapshot may lie there too; its views are as always.
        let (grown, headers) = grown(&arena, || request.snapshot());
        assert!(grown > 0 && headers?.get("x-a").is_some());
        // And outside of the call nothing does.
        let before = arena.used();
        assert!(request.fetch("x-b")?.is_some());
        assert_eq!(arena.used(), before);
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let (grown, whole) = grown(&body.arena()?, || body.read(0, body.size()));
        assert_eq!(grown == 0, body.size() > 8192, "{grown} bytes for a body of {}", body.size());
        self.kept.push((whole?, 0));
        Ok(DataAction::Continue)
    }

    fn on_log(&mut self, _: &mut HttpHandle<'_>) -> Result<()> {
        for (value, place) in &self.kept {
            assert!(*place == 0 || value.as_ptr().addr() == *place, "it was moved");
            info!("{} {:?}", value.len(), value.first().copied());
        }
        Ok(())
    }
}

sluicegate::plugin!(http: Keep);

/// Its headers and a body of so many bytes.
fn begun<'a>(host: &'a sluicegate_host::RunningHost, number: usize, body: usize) -> HttpStream<'a> {
    let stream = host.http_stream();
    let value = "v".repeat(number);
    stream.request_headers_with_body(&[("x-a", value.as_str()), ("x-b", "b")]);
    stream.request_body(vec![7; body], true);
    stream
}

#[test]
fn values_stay_where_the_host_wrote_them_until_the_stream_is_gone() {
    let host = Host::new(&PLUGIN).start();
    let live = |host: &sluicegate_host::RunningHost| (host.live_bytes(), arena::usage().0);
    // The pool and its arenas come once.
    begun(&host, 1, 1).complete();
    for round in 0..3 {
        let before = live(&host);
        let streams: Vec<_> = (1..=20).map(|number| begun(&host, number, 8000 + number * 20)).collect();
        assert_eq!(arena::usage().0, 20);
        for (stream, number) in streams.into_iter().zip(1..) {
            host.clear_log();
            stream.complete();
            let lines =
                [format!("{number} Some(118)"), "1 Some(98)".to_owned(), format!("{} Some(7)", 8000 + number * 20)];
            for line in lines {
                assert!(host.logged(sluicegate::LogLevel::Info, &line), "{line}: {:?}", host.log());
            }
        }
        host.clear_log();
        assert_eq!(live(&host).1, 0);
        // The number of waiting arenas is bounded by the number of open ones. The second burst
        // finds them.
        if round > 0 {
            assert_eq!(live(&host), before);
        }
    }
}
