//! No cost grows with what there is: of everything that can be many, one costs the same among few and among eight times as many, but for a logarithm.
//!
//! Counted in wasm instructions, which repeat to the digit.

use sluicegate_host::wasm::Module;
use sluicegate_host::{Host, HttpStream, Running};
use sluicegate_loadtest::{Allocator, guest};

/// The fewer.
const FEW: u32 = 250;
/// The more: eight times as many.
const MANY: u32 = 8 * FEW;
/// How much one may cost among many, where 1 is what it costs among few: log(2,000) / log(250) is 1.38. What is linear comes to 8.
const MOST: f64 = 1.4;

fn module() -> Module {
    Module::load(guest::build("guest-many", Some(Allocator::Freelist)).unwrap()).unwrap()
}

fn start(module: &Module) -> Running {
    Host::wasm(module).start()
}

/// The instructions of what `does` does.
fn cost(host: &Running, does: impl FnOnce()) -> u64 {
    let before = host.cost();
    does();
    assert_eq!(host.trapped(), None);
    host.clear_log();
    (host.cost() - before).instructions
}

/// A request that wants something of the filter so many times.
fn ask<'host>(host: &'host Running, does: &str, number: u32) -> HttpStream<'host> {
    let stream = host.http_stream();
    stream.request_headers(&[(":path", "/"), ("x-do", does), ("x-n", &number.to_string())]);
    stream
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
    for does in ["edits", "bytes", "tasks", "calls"] {
        compare(does, |number| {
            let host = start(&module);
            cost(&host, || drop(ask(&host, does, number)))
        });
    }
    let names = ["timers", "metrics", "shared data", "queues", "properties", "tasks of a plugin"];
    for (what, function) in names.into_iter().zip([START_TIMERS, METRICS, SHARED, QUEUES, PROPERTIES, SPAWN]) {
        compare(what, |number| {
            let host = start(&module);
            cost(&host, || host.call_function(function | number, ""))
        });
    }
}

/// Of so many open streams the one that ends; `None` is the newest, which has just begun.
type Ends = fn(usize) -> Option<usize>;

#[test]
fn open_streams_cost_the_others_nothing() {
    let module = module();
    // Which stream ends: the oldest, the newest, one in the middle; and none of those that were open.
    let orders: [(&str, Ends); 4] = [
        ("oldest", |_| Some(0)),
        ("newest", |open| Some(open - 1)),
        ("any", |open| Some(open / 3)),
        ("short", |_| None),
    ];
    for (what, ends) in orders {
        compare(&format!("open streams, the {what} ends first"), |number| {
            let host = start(&module);
            let mut open: Vec<_> = (0..number).map(|_| ask(&host, "", 0)).collect();
            let rounds = 500;
            let spent = cost(&host, || {
                for _ in 0..rounds {
                    open.push(ask(&host, "", 0));
                    let ended = ends(open.len()).unwrap_or(open.len() - 1);
                    open.remove(ended).complete();
                }
            });
            // Of one request, whatever is open.
            spent / rounds * u64::from(number)
        });
    }
    compare("streams that are drained", |number| {
        let host = start(&module);
        let open: Vec<_> = (0..number).map(|_| ask(&host, "", 0)).collect();
        cost(&host, || open.into_iter().for_each(HttpStream::complete))
    });
}

#[test]
fn sleeping_and_waiting_tasks_cost_nothing_but_their_own() {
    let module = module();
    compare("requests that begin to sleep", |number| {
        let host = start(&module);
        cost(&host, || (0..number).for_each(|_| drop(ask(&host, "sleep", 0))))
    });
    compare("sleeping requests that one tick wakes", |number| {
        let host = start(&module);
        let streams: Vec<_> = (0..number).map(|_| ask(&host, "sleep", 0)).collect();
        let spent = cost(&host, || host.tick());
        assert!(streams.iter().all(HttpStream::request_resumed));
        spent
    });
    compare("waiting requests that are told", |number| {
        let host = start(&module);
        let streams: Vec<_> = (0..number).map(|_| ask(&host, "wait", 0)).collect();
        let spent = cost(&host, || host.call_function(NOTIFY, ""));
        assert!(streams.iter().all(HttpStream::request_resumed));
        spent
    });
    compare("waiting requests that go away, oldest first", |number| {
        let host = start(&module);
        let streams: Vec<_> = (0..number).map(|_| ask(&host, "wait", 0)).collect();
        cost(&host, || streams.into_iter().for_each(HttpStream::complete))
    });
    compare("tasks of one stream that are woken by timers and told", |number| {
        let host = start(&module);
        let stream = ask(&host, "tasks", number);
        let spent = cost(&host, || {
            (0..12).for_each(|_| host.tick());
            host.call_function(NOTIFY, "");
        });
        stream.complete();
        spent
    });
}

#[test]
fn timers_run_and_stop_without_a_look_at_the_others() {
    let module = module();
    compare("timers that run", |number| {
        let host = start(&module);
        host.call_function(START_TIMERS | number, "");
        let (mut ticks, mut spent) = (0, 0);
        while host.tick_period().is_some() {
            spent += cost(&host, || host.tick());
            ticks += 1;
        }
        assert!(ticks > 1 && ticks <= 1000, "{ticks}");
        spent
    });
    compare("timers that are started again", |number| {
        let host = start(&module);
        host.call_function(START_TIMERS | number, "");
        cost(&host, || host.call_function(START_TIMERS | number, ""))
    });
    compare("timers that are stopped", |number| {
        let host = start(&module);
        host.call_function(START_TIMERS | number, "");
        cost(&host, || host.call_function(STOP_TIMERS, ""))
    });
}

#[test]
fn open_calls_cost_each_others_answers_nothing() {
    let module = module();
    for (what, backwards) in [("first first", false), ("last first", true)] {
        compare(&format!("calls of as many streams, answered {what}"), |number| {
            let host = start(&module);
            let streams: Vec<_> = (0..number).map(|_| ask(&host, "calls", 1)).collect();
            let mut tokens: Vec<_> = host.pending_calls().iter().map(|call| call.token).collect();
            if backwards {
                tokens.reverse();
            }
            let spent = cost(&host, || {
                tokens.iter().for_each(|token| host.answer_call(*token, &[(":status", "200")], "", &[]));
            });
            drop(streams);
            spent
        });
        compare(&format!("calls of one stream, answered {what}"), |number| {
            let host = start(&module);
            let stream = ask(&host, "calls", number);
            let mut tokens: Vec<_> = host.pending_calls().iter().map(|call| call.token).collect();
            if backwards {
                tokens.reverse();
            }
            let spent = cost(&host, || {
                tokens.iter().for_each(|token| host.answer_call(*token, &[(":status", "200")], "", &[]));
            });
            stream.complete();
            spent
        });
    }
}
