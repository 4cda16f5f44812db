use sluicegate::prelude::*;

fn first(map: HeaderMap) -> Option<ByteStr<'static>> {
    map.get("host")
}

fn main() {}
