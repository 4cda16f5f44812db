//! Tasks that sleep or wait, and timers.

use super::*;

/// Many streams go on at one tick after the other.
fn tick_until_all_is_done(host: &RunningHost) {
    while host.tick_period().is_some() {
        host.tick();
    }
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
        let spent = cost(&host, || tick_until_all_is_done(&host));
        assert!(streams.iter().all(HttpStream::request_resumed));
        spent
    });
    compare("waiting requests that are told", |number| {
        let host = start(&module);
        let streams: Vec<_> = (0..number).map(|_| ask(&host, "wait", 0)).collect();
        let spent = cost(&host, || {
            host.call_function(NOTIFY, "");
            tick_until_all_is_done(&host);
        });
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
