//! Reading the headers of a request, natively. It measures the guest's part, with a host that only
//! copies.
//!
//! `by hand` is a hand-written decoder that owns the block and walks over it once. `proxy-wasm` is
//! the code of that crate, linked to the same host.
#![allow(unsafe_code, reason = "a host writes where the guest asks for it")]

use std::hint::black_box;
use std::rc::Rc;

use criterion::{Criterion, criterion_group, criterion_main};
use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::prelude::*;
use sluicegate_benches::{REQUEST, encoded};

/// A host that knows one header map.
struct OneMap(Vec<u8>);

thread_local! {
    static MAP: Vec<u8> = encoded();
}

impl Host for OneMap {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        if let (Import::proxy_get_header_map_pairs, [_, Arg::OutBlock(start), Arg::OutSize(size)]) = (import, args) {
            let block = allocate(self.0.len());
            // SAFETY: the guest allocated this many bytes.
            unsafe { std::ptr::copy_nonoverlapping(self.0.as_ptr(), block, self.0.len()) };
            // SAFETY: the guest passes a place.
            unsafe { start.write(block) };
            // SAFETY: the guest passes a valid place.
            unsafe { size.write(self.0.len()) };
        }
        0
    }
}

/// The host for `proxy-wasm`, whose imports are symbols.
// SAFETY: no other crate of this binary defines the name.
#[unsafe(no_mangle)]
extern "C" fn proxy_get_header_map_pairs(_map: u32, start: *mut *mut u8, size: *mut usize) -> u32 {
    MAP.with(|map| {
        // This does the work of the guest's allocation function.
        let block = Box::leak(vec![0_u8; map.len()].into_boxed_slice()).as_mut_ptr();
        // SAFETY: the block has this many bytes.
        unsafe { std::ptr::copy_nonoverlapping(map.as_ptr(), block, map.len()) };
        // SAFETY: the guest passes a place.
        unsafe { start.write(block) };
        // SAFETY: the guest passes a valid place.
        unsafe { size.write(map.len()) };
    });
    0
}

#[derive(Default)]
struct Sum;

#[sluicegate::http_filter]
impl HttpFilter for Sum {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let total: usize = request.snapshot()?.iter().map(|(name, value)| name.len() + value.len()).sum();
        black_box(total);
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Sum);

/// Decodes a map as a careful author would by hand: owns the block, checks the lengths, and walks
/// over them.
fn floor(map: &[u8]) -> usize {
    let block = black_box(map.to_vec());
    let number = |at: usize| {
        let number = block.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        number.map_or(0, |bytes| u32::from_le_bytes(bytes) as usize)
    };
    (0..number(0)).map(|pair| number(4 + 8 * pair) + number(8 + 8 * pair)).sum()
}

fn read_all(criterion: &mut Criterion) {
    let _installed = native::install(Rc::new(OneMap(encoded())));
    (PLUGIN.reset)();
    let create = PLUGIN.proxy_on_context_create.expect("always exported");
    let headers = PLUGIN.proxy_on_request_headers.expect("implemented above");
    create(1, 0);
    create(2, 1);
    let expected: usize = REQUEST.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert_eq!(MAP.with(|map| floor(map)), expected);

    let mut group = criterion.benchmark_group("read 25 headers");
    group.bench_function("by hand", |bencher| MAP.with(|map| bencher.iter(|| floor(black_box(map)))));
    group.bench_function("sluicegate, a whole callback", |bencher| bencher.iter(|| headers(black_box(2), 25, 1)));
    group.bench_function("proxy-wasm, the map alone", |bencher| {
        bencher.iter(|| {
            let map = proxy_wasm::hostcalls::get_map_bytes(proxy_wasm::types::MapType::HttpRequestHeaders);
            map.expect("the host answers").iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, read_all);
criterion_main!(benches);
