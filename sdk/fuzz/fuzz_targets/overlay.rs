#![no_main]
#![allow(dead_code)]

#[path = "../../tests/overlay/model.rs"]
mod model;

use std::rc::Rc;

use model::{Model, PLUGIN, Proxy, Step, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (PLUGIN.reset)();
    let (base, steps) = bytes.split_at(bytes.len().min(4));
    let mut map = Model::default();
    base.iter().for_each(|name| map.add(model::NAMES[usize::from(*name) % model::NAMES.len()].as_bytes(), b"base"));
    run(&Rc::new(Proxy::default()), &map, Step::read(steps));
});
