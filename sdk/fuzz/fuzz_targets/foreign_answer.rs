#![no_main]
#![allow(dead_code)]

#[path = "../../tests/targets/mod.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::foreign_answer(bytes));
