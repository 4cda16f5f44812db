//! The allocators natively, beside their rivals, in one thread.
//!
//! Criterion runs one after another, so a machine that is busy for a while favours some; `ratios` is for comparing.
#![allow(unsafe_code, reason = "allocators are compared through their raw interface")]

mod rivals;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rivals::{RIVALS, TRACES, Trace};

fn traces(criterion: &mut Criterion) {
    for &(name, trace, count) in TRACES {
        let count = count / 20;
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(u64::from(count)));
        for rival in RIVALS.iter().filter(|rival| !rival.floor() || !matches!(trace, Trace::Rust(_))) {
            let mut running = rival.start(trace);
            group.bench_function(rival.name(), |bencher| bencher.iter(|| running.run(count)));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = traces
}
criterion_main!(benches);
