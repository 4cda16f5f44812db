//! Calls that wait for their answers.

use super::*;

/// The numbers of calls: one apart, and four apart as Envoy's.
const STEPS: [u32; 2] = [1, 4];

/// Answers all calls in this order.
fn answer_all(host: &RunningHost, order: Order) {
    let mut tokens: Vec<_> = host.pending_calls().iter().map(|call| call.token).collect();
    order.arrange(&mut tokens);
    for token in tokens {
        host.answer_call(token, &[(":status", "200")], "", &[]);
    }
    assert!(host.pending_calls().is_empty());
}

#[test]
fn open_calls_cost_each_others_answers_nothing() {
    let module = module();
    for (step, order) in STEPS.into_iter().flat_map(|step| Order::ALL.map(|order| (step, order))) {
        let start = || Host::wasm(&module).call_step(step).start();
        compare(&format!("calls by {step} of as many streams, answered {order:?}"), |number| {
            let host = start();
            let _streams: Vec<_> = (0..number).map(|_| ask(&host, "calls", 1)).collect();
            cost(&host, || answer_all(&host, order))
        });
        compare(&format!("calls by {step} of one stream, answered {order:?}"), |number| {
            let host = start();
            let _stream = ask(&host, "calls", number);
            cost(&host, || answer_all(&host, order))
        });
    }
}

#[test]
fn calls_that_are_given_up_cost_the_same() {
    let module = module();
    compare("calls of as many streams that go away", |number| {
        let host = start(&module);
        let streams: Vec<_> = (0..number).map(|_| ask(&host, "calls", 1)).collect();
        cost(&host, || streams.into_iter().for_each(HttpStream::complete))
    });
    compare("calls of one stream that goes away", |number| {
        let host = start(&module);
        let stream = ask(&host, "calls", number);
        cost(&host, || stream.complete())
    });
    compare("gRPC calls of one stream that goes away", |number| {
        let host = start(&module);
        let stream = ask(&host, "grpc", number);
        cost(&host, || stream.complete())
    });
}

#[test]
fn open_grpc_calls_cost_each_others_answers_nothing() {
    let module = module();
    for order in Order::ALL {
        for (what, calls) in [("as many streams", false), ("one stream", true)] {
            compare(&format!("gRPC calls of {what}, answered {order:?}"), |number| {
                let host = start(&module);
                let (streams, calls) = if calls { (1, number) } else { (number, 1) };
                let _streams: Vec<_> = (0..streams).map(|_| ask(&host, "grpc", calls)).collect();
                let mut tokens: Vec<_> = host.open_grpc().iter().map(|call| call.token).collect();
                order.arrange(&mut tokens);
                cost(&host, || tokens.into_iter().for_each(|token| host.grpc_message(token, "")))
            });
        }
    }
}
