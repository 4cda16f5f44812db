//! No cost grows with what there is: of everything that can be many, one costs the same among few
//! and among eight times as many, but for a logarithm.
//!
//! Counted in wasm instructions, which repeat to the digit.

mod bodies;
mod calls;
mod plugins;
mod streams;
mod tasks;

use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, HttpStream, RunningHost};
use sluicegate_workspace::{Allocator, guest};

/// The smaller number.
const FEW: u32 = 250;
/// The larger number: eight times as many.
const MANY: u32 = 8 * FEW;
/// The bound of the cost of one among many, relative to its cost among few. log(2,000) / log(250)
/// is 1.38. A linear cost is 8.
const MOST: f64 = 1.4;

fn module() -> Module {
    Module::load(guest::build("guest-many", Some(Allocator::Freelist)).unwrap()).unwrap()
}

fn start(module: &Module) -> RunningHost {
    Host::wasm(module).start()
}

/// The instructions of what `does` does.
fn cost(host: &RunningHost, does: impl FnOnce()) -> u64 {
    let before = host.cost();
    does();
    assert_eq!(host.trapped(), None);
    host.clear_log();
    (host.cost() - before).instructions
}

/// A request that wants something of the filter so many times.
fn ask<'host>(host: &'host RunningHost, does: &str, number: u32) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-do", does), ("x-n", &number.to_string())]);
    stream
}

/// Numbers that look random and repeat.
struct Random(u64);

impl Random {
    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// The orders in which what is many is answered or ends.
#[derive(Clone, Copy, Debug)]
enum Order {
    OldestFirst,
    NewestFirst,
    Random,
}

impl Order {
    const ALL: [Self; 3] = [Self::OldestFirst, Self::NewestFirst, Self::Random];

    /// Puts what is in the order of its age into this order.
    fn arrange<T>(self, items: &mut [T]) {
        match self {
            Self::OldestFirst => {}
            Self::NewestFirst => items.reverse(),
            Self::Random => Random(1).shuffle(items),
        }
    }
}

/// Fails if one costs more among many; `spend` gives the instructions of all of them.
fn compare(what: &str, spend: impl Fn(u32) -> u64) {
    let each = |number: u32| spend(number) as f64 / f64::from(number);
    let (few, many) = (each(FEW), each(MANY));
    println!("{what}: one of {FEW} costs {few:.0} instructions, one of {MANY} {many:.0} ({:.2})", many / few);
    assert!(many <= few * MOST, "{what}: one of {FEW} costs {few:.0} instructions, one of {MANY} {many:.0}");
}

/// Calls the plugin.
const START_TIMERS: u32 = 1 << 24;
const STOP_TIMERS: u32 = 2 << 24;
const NOTIFY: u32 = 3 << 24;
const METRICS: u32 = 4 << 24;
const SHARED: u32 = 5 << 24;
const QUEUES: u32 = 6 << 24;
const PROPERTIES: u32 = 7 << 24;
const SPAWN: u32 = 8 << 24;

#[test]
fn of_what_one_callback_does_many_times_each_costs_the_same() {
    let module = module();
    for does in ["edits", "edits and reads", "bytes", "tasks", "calls", "grpc"] {
        compare(does, |number| {
            let host = start(&module);
            cost(&host, || drop(ask(&host, does, number)))
        });
    }
    // Half as many, as a map has at most 1,024 headers.
    compare("headers of a reply", |number| {
        let host = start(&module);
        let mut stream = None;
        let spent = cost(&host, || stream = Some(ask(&host, "reply", number / 2)));
        let reply = stream.and_then(|stream| stream.reply());
        assert_eq!(reply.map(|reply| reply.headers.len()), Some(number as usize / 2));
        spent
    });
    let names = ["timers", "metrics", "shared data", "queues", "properties", "tasks of a plugin"];
    for (what, function) in names.into_iter().zip([START_TIMERS, METRICS, SHARED, QUEUES, PROPERTIES, SPAWN]) {
        compare(what, |number| {
            let host = start(&module);
            cost(&host, || host.call_function(function | number, ""))
        });
    }
}
