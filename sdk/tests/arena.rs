//! A stream's arena: one for each stream, the same from callback to callback, back in the pool when
//! the stream is gone.

use sluicegate::arena::{self, RequestArena, allocator_api2::vec::Vec as ArenaVec};
use sluicegate::prelude::*;
use sluicegate_host::Host;

#[derive(Default)]
struct Collect {
    paths: Option<ArenaVec<u8, RequestArena>>,
}

#[sluicegate::http_filter]
impl HttpFilter for Collect {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let arena = request.arena()?;
        assert_eq!(arena.used(), 0, "it begins empty");
        let path = request.get("path")?.map(|path| arena.alloc_slice_copy(&path));
        // A view stays while its handle does, and the request can be edited meanwhile.
        request.replace("x-path", path.as_deref().map_or(&b"none"[..], |path| path))?;
        let mut paths = ArenaVec::new_in(arena.clone());
        paths.extend_from_slice(path.as_deref().unwrap_or_default());
        self.paths = Some(paths);
        if request.get("fail")?.is_some() {
            return Err(Error::new("told to fail"));
        }
        Ok(Action::Continue)
    }

    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let part = body.read(0, body.size())?;
        let paths = self.paths.as_mut().ok_or_else(|| Error::new("no headers"))?;
        paths.extend_from_slice(&part);
        assert!(body.arena()?.used() >= paths.len(), "it is the arena of the headers");
        Ok(DataAction::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_>) -> Result<()> {
        let paths = self.paths.take().unwrap_or_else(|| ArenaVec::new_in(stream.arena().unwrap()));
        info!("{}: {}", stream.id(), ByteStr::new(&paths).display());
        Ok(())
    }
}

sluicegate::plugin!(http: Collect);

#[test]
fn interleaved_streams_have_their_own_and_give_it_back() {
    let host = Host::new(&PLUGIN).start();
    let streams: Vec<_> = (0..30).map(|_| host.http_stream()).collect();
    assert_eq!(arena::usage(), (0, 0), "nobody asked for one yet");
    for stream in &streams {
        stream.request_headers_with_body(&[("path", format!("/{}", stream.id()))]);
    }
    assert_eq!(arena::usage(), (30, 0));
    for part in ["a", "b", "c"] {
        for stream in &streams {
            stream.request_body(part, part == "c");
        }
    }
    for stream in streams {
        let id = stream.id();
        assert_eq!(stream.request_header("x-path"), Some(format!("/{id}")));
        stream.complete();
        assert!(host.logged(sluicegate::LogLevel::Info, &format!("{id}: /{id}abc")), "{:?}", host.log());
    }
    let (open, waiting) = arena::usage();
    assert!(open == 0 && waiting > 0, "{open} open, {waiting} wait");
}

#[test]
fn a_callback_that_fails_leaves_the_arena_with_its_stream() {
    let host = Host::new(&PLUGIN).start();
    let (failing, other) = (host.http_stream(), host.http_stream());
    assert_eq!(failing.request_headers(&[("path", "/"), ("fail", "yes")]), 1);
    other.request_headers(&[("path", "/other")]);
    failing.complete();
    assert_eq!(arena::usage().0, 1);
    other.complete();
    assert_eq!(arena::usage().0, 0);
}
