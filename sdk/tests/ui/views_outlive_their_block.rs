use sluicegate::prelude::*;
use sluicegate::{json, property, shared_data};

fn of_a_body(body: &RequestBody<'_>) -> Result<ByteStr<'static>> {
    Ok(ByteStr::new(&body.read(0, 10)?))
}

fn of_an_answer(response: &CallResponse) -> Result<Option<ByteStr<'static>>> {
    Ok(response.headers()?.get(":status"))
}

fn of_a_message(event: &GrpcEvent) -> Result<&'static [u8]> {
    Ok(&event.message()?)
}

fn of_a_property() -> Result<Option<ByteStr<'static>>> {
    Ok(property::get(&["node", "id"])?.map(|id| id.text()))
}

fn of_a_map() -> Result<Option<property::Value<'static>>> {
    let labels = property::get(&["node", "metadata", "LABELS"])?;
    Ok(match labels {
        Some(labels) => labels.into_map()?.get("app"),
        None => None,
    })
}

fn of_a_configuration(plugin: &PluginHandle<'_>) -> Result<Option<json::Value<'static>>> {
    let configuration = plugin.configuration()?;
    Ok(json::parse(&configuration).ok().and_then(|json| json.get("name")))
}

fn of_shared_data() -> Result<&'static [u8]> {
    let Some(shared) = shared_data::get("key")? else { return Ok(b"") };
    Ok(&shared)
}

fn main() {}
