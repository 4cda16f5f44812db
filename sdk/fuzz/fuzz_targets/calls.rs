#![no_main]
#![allow(dead_code)]

#[path = "../../tests/calls/model.rs"]
mod model;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = model::play(bytes);
});
