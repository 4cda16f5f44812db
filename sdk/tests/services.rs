//! The services under hosts worse than any proxy: every status from every call, blocks that are not
//! the host's, bytes that are no encoding. Each is an error or an answer, and nothing leaks.
#![allow(unsafe_code, reason = "a hostile host writes where it likes, and a global allocator counts")]

mod counting;

use std::cell::RefCell;
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::foreign::{self, Declaration, Key, LifeSpan};
use sluicegate::metric::{Counter, Gauge, Histogram};
use sluicegate::prelude::*;
use sluicegate::property::{self, connection, istio, node, request, response, xds};
use sluicegate::queue::Queue;
use sluicegate::shared_data;

use crate::counting::LIVE;

type Script = Box<dyn Fn(&[Arg]) -> u32>;

/// A host that answers every call alike.
struct Alike(RefCell<Script>);

impl Host for Alike {
    unsafe fn call(&self, _: Import, args: &[Arg]) -> u32 {
        (self.0.borrow())(args)
    }
}

/// Where the host writes a block, if the call gives one.
fn places(args: &[Arg]) -> Option<(*mut *mut u8, *mut usize)> {
    args.windows(2).find_map(|pair| match pair {
        [Arg::OutBlock(start), Arg::OutSize(size)] => Some((*start, *size)),
        _ => None,
    })
}

fn hand_over(args: &[Arg], start: *mut u8, len: usize) {
    if let Some((to_start, to_size)) = places(args) {
        // SAFETY: the guest passes places.
        unsafe { to_start.write(start) };
        // SAFETY: as above.
        unsafe { to_size.write(len) };
    }
}

fn hand_over_bytes(args: &[Arg], bytes: &[u8]) {
    if places(args).is_some() {
        let start = allocate(bytes.len());
        // SAFETY: the guest allocated this many bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        hand_over(args, start, bytes.len());
    }
}

/// Answers a call for a number: a token, or a CAS number.
fn write_numbers(args: &[Arg]) {
    for arg in args {
        if let Arg::OutU32(place) = arg {
            // SAFETY: the guest passes a place.
            unsafe { place.write(1) };
        }
    }
}

/// Uses every service once. How many answered, how many failed, and how many of those failed
/// because of malformed bytes.
fn use_all() -> [usize; 3] {
    let results: [Result<()>; 34] = [
        Counter::define("c").and_then(|counter| counter.increment(1)),
        Counter::with_tags("c", &[("t", "v")]).and_then(|counter| counter.value().map(drop)),
        Gauge::define("g").and_then(|gauge| gauge.add(-1)),
        Gauge::define("g").and_then(|gauge| gauge.set(1)),
        Gauge::define("g").and_then(|gauge| gauge.value().map(drop)),
        Histogram::define("h").and_then(|histogram| histogram.record(1)),
        shared_data::get("k").map(drop),
        shared_data::set("k", "v"),
        shared_data::compare_and_set("k", "v", 1).map(drop),
        shared_data::update("k", |_| "v"),
        Queue::register("q").and_then(|queue| queue.enqueue("i")),
        Queue::register("q").and_then(|queue| queue.dequeue().map(drop)),
        Queue::resolve("v", "q").map(drop),
        property::get(&["a", "b"]).map(drop),
        property::set(&["a"], "b"),
        property::filter_state("a").map(drop),
        property::metadata(&["a"]).map(drop),
        request::path().map(drop),
        request::headers().map(drop),
        request::duration().map(drop),
        response::code().map(drop),
        response::backend_latency().map(drop),
        connection::mtls().map(drop),
        xds::listener_direction().map(drop),
        xds::cluster_name().map(drop),
        node::client_features().map(|list| {
            assert!(list.is_none_or(|list| list.iter().all(|element| element.as_bytes().len() <= 64)));
        }),
        istio::labels().map(drop),
        istio::concurrency().map(drop),
        foreign::call("f", "a", 64).map(drop),
        foreign::compress("a").map(drop),
        foreign::set_envoy_filter_state("a", "b", LifeSpan::Request),
        foreign::declare_property(&Declaration::new("a")),
        foreign::verify_signature("sha256", Key::Der(b"k"), b"s", b"t").map(|verified| {
            assert!(verified.reason().len() <= 64);
        }),
        foreign::sign("sha256", Key::Pem("k"), b"t").map(|signed| {
            assert!(signed.bytes().is_none_or(|bytes| bytes.len() <= 64));
        }),
    ];
    let failed: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    let malformed = failed.iter().filter(|error| error.is_malformed()).count();
    assert!(failed.iter().all(|error| !error.to_string().is_empty()));
    [results.len() - failed.len(), failed.len(), malformed]
}

/// The results of all services with a host that returns these statuses. None of them leaves
/// anything.
fn under(script: impl Fn(&[Arg]) -> u32 + 'static) -> [usize; 3] {
    let host = Rc::new(Alike(RefCell::new(Box::new(script))));
    let _installed = native::install(host);
    let before = LIVE.get();
    let counts = use_all();
    assert_eq!(LIVE.get(), before);
    counts
}

#[test]
fn every_status_is_survived() {
    let statuses = if cfg!(miri) { vec![1, 6, 8] } else { (1..=13).chain([99, u32::MAX]).collect() };
    for status in statuses {
        // A host that fails may have asked for a block before it does.
        let [answered, failed, malformed] = under(move |args| {
            hand_over_bytes(args, b"a block that nobody gets");
            status
        });
        let is_answer = [Status::NotFound.code(), Status::CasMismatch.code()].contains(&status);
        assert!(failed > 10 && malformed == 0, "{status}");
        assert_eq!(answered > 0, is_answer, "{status}");
    }
}

#[test]
fn blocks_that_are_not_the_hosts_are_refused() {
    let giving_bytes = 23;
    let foreign = under(|args| {
        hand_over(args, std::ptr::without_provenance_mut(64), 8);
        0
    });
    assert_eq!(foreign[2], foreign[1]);
    assert_eq!(foreign[1], giving_bytes);
    let too_much = under(|args| {
        if places(args).is_some() {
            hand_over(args, allocate(8), 9);
        }
        0
    });
    assert_eq!(too_much, foreign);
}

#[test]
fn bytes_of_any_length_and_content_are_an_error_or_a_value() {
    let (bytes, most): (&[u8], _) = if cfg!(miri) { (&[0, 1, 0xff], 10) } else { (&[0, 1, 2, 0x7f, 0x80, 0xff], 64) };
    for &byte in bytes {
        for len in 0..most {
            let [answered, failed, malformed] = under(move |args| {
                hand_over_bytes(args, &vec![byte; len]);
                write_numbers(args);
                0
            });
            assert_eq!(failed, malformed, "{byte} {len}");
            assert!(answered >= 16, "{byte} {len}");
            assert!(failed >= if len == 8 { 0 } else { 5 }, "numbers have 8 bytes: {byte} {len}");
        }
    }
}
