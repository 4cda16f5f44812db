//! Answers to calls from a host that nothing can be expected of.
#![allow(unsafe_code, reason = "a host writes where the guest says")]

mod model;

use model::STEP;
use proptest::collection::vec;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 12 } else { 2_000 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn answers_come_to_who_asked_and_nothing_is_kept(bytes in vec(any::<u8>(), 0..40 * STEP)) {
        model::play(&bytes);
    }
}

/// Each kind of call, answered by each kind of event, under one number: what random bytes meet
/// seldom.
#[test]
fn every_call_meets_every_event() {
    let mut all = model::Counts::default();
    for call in (0..5_u8).chain([9]) {
        for events in (0..3_u8.pow(4)).map(|events| [events % 3, events / 3 % 3, events / 9 % 3, events / 27]) {
            let step = |bytes: &[u8]| [bytes, &[0; STEP][bytes.len()..]].concat();
            // A stream that asks; every host call succeeds, with the number 0.
            let mut bytes = [step(&[0, 0, 0]), step(&[0, 0, 9, 0, call])].concat();
            for (event, how) in (3_u8..).zip(events) {
                bytes.extend(step(&[0, how, event, 0, 4, 0, 0, 0, 0, 9]));
            }
            let model::Counts { runs, answers } = model::play(&bytes);
            all = model::Counts { runs: all.runs + runs, answers: all.answers + answers };
        }
    }
    assert!(all.runs > 50 && all.answers > 100, "{all:?}");
}
