//! Open streams.

use super::*;

/// The number of requests that are counted beside the open streams.
const ROUNDS: u32 = 500;

/// The instructions of a request and of the end of a stream, beside so many open ones.
fn beside(module: &Module, number: u32, mut ends: impl FnMut(usize) -> Option<usize>) -> u64 {
    let host = start(module);
    let mut open: Vec<_> = (0..number).map(|_| ask(&host, "", 0)).collect();
    let spent = cost(&host, || {
        for _ in 0..ROUNDS {
            open.push(ask(&host, "", 0));
            let ended = ends(open.len()).unwrap_or(open.len() - 1);
            open.remove(ended).complete();
        }
    });
    spent / u64::from(ROUNDS)
}

#[test]
fn open_streams_cost_the_others_nothing() {
    let module = module();
    let of_each = |what: &str, ends: fn(&mut Random, usize) -> Option<usize>| {
        compare(&format!("open streams, {what}"), |number| {
            let mut random = Random(1);
            beside(&module, number, |open| ends(&mut random, open)) * u64::from(number)
        });
    };
    of_each("the oldest ends", |_, _| Some(0));
    // Of those that were open before: the request itself has just begun.
    of_each("the newest ends", |_, open| Some(open - 2));
    of_each("any ends", |random, open| Some(random.below(open)));
    of_each("which stay", |_, _| None);
}

/// As WebSockets do: they were there first, and stay.
#[test]
fn short_requests_that_come_together_cost_the_same_beside_long_streams() {
    let module = module();
    for order in Order::ALL {
        compare(&format!("long streams beside requests that end {order:?}"), |number| {
            let host = start(&module);
            let _long: Vec<_> = (0..number).map(|_| ask(&host, "", 0)).collect();
            let spent = cost(&host, || {
                for _ in 0..20 {
                    let mut short: Vec<_> = (0..50).map(|_| ask(&host, "", 0)).collect();
                    order.arrange(&mut short);
                    short.into_iter().for_each(HttpStream::complete);
                }
            });
            spent / 1000 * u64::from(number)
        });
    }
}

#[test]
fn streams_that_are_drained_cost_the_same_in_each_order() {
    let module = module();
    for order in Order::ALL {
        compare(&format!("streams that are drained {order:?}"), |number| {
            let host = start(&module);
            let mut open: Vec<_> = (0..number).map(|_| ask(&host, "", 0)).collect();
            order.arrange(&mut open);
            cost(&host, || open.into_iter().for_each(HttpStream::complete))
        });
    }
}
