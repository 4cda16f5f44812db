//! A stream goes on only when everyone who holds it has let it go: each way to hold, in any order,
//! against a model; and each way to misuse it.

mod limit;
mod metadata;
mod model;
mod refused;
mod replaced;
mod stranded;
mod ways;

use proptest::collection::vec;
use proptest::prelude::*;

#[global_allocator]
static COUNTING: sluicegate_host::Counting = sluicegate_host::Counting;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 8 } else { 1_500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_stream_goes_on_when_the_last_judge_has_let_it(bytes in vec(any::<u8>(), 0..150)) {
        model::play(&bytes, model::CLOSED);
        model::play(&bytes, model::OPEN);
    }

    #[test]
    fn a_connection_goes_on_when_the_last_judge_has_let_it(bytes in vec(any::<u8>(), 0..100)) {
        model::play_tcp(&bytes);
    }
}
