use sluicegate::prelude::*;

#[derive(Default)]
struct Keep {
    path: Option<&'static [u8]>,
}

#[sluicegate::http_filter]
impl HttpFilter for Keep {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let arena = request.arena()?;
        self.path = Some(arena.alloc_slice_copy(b"/"));
        Ok(Action::Continue)
    }
}

fn main() {}
