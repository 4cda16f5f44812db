use sluicegate::arena::{Bump, allocator_api2::vec::Vec};
use sluicegate::prelude::*;

#[derive(Default)]
struct Keep {
    parts: Option<Vec<u8, &'static Bump>>,
}

#[sluicegate::http_filter]
impl HttpFilter for Keep {
    fn on_request_body(&mut self, body: &mut RequestBody<'_>) -> Result<DataAction> {
        let arena = body.arena()?;
        self.parts = Some(Vec::new_in(&*arena));
        Ok(DataAction::Continue)
    }
}

fn main() {}
