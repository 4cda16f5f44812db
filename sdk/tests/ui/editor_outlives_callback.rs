use sluicegate::MapEditor;
use sluicegate::prelude::*;

#[derive(Default)]
struct Keep {
    editor: Option<MapEditor<'static>>,
}

#[sluicegate::http_filter]
impl HttpFilter for Keep {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        self.editor = Some(request.stream().edit_request_headers());
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Keep);

fn main() {}
