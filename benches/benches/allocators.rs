//! The allocators natively, compared with their rivals, in one thread, and in one thread beside
//! another one.
//!
//! Criterion runs one allocator after another, so a machine that is busy for a while favours some
//! of them. `ratios` is for comparisons.
#![allow(unsafe_code, reason = "allocators are compared through their raw interface")]

mod rivals;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rivals::{RIVALS, TRACES, Trace};

fn traces(criterion: &mut Criterion) {
    for &(name, trace, count) in TRACES {
        let count = count / 20;
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(u64::from(count)));
        for rival in RIVALS.iter().filter(|rival| rival.runs(trace)) {
            let mut running = rival.start(trace);
            group.bench_function(rival.name(), |bencher| bencher.iter(|| running.run(count)));
        }
        group.finish();
    }
}

/// Runs the traces beside a second thread that does the same, which shows the cost of a lock or of
/// a shared cache line.
fn contention(criterion: &mut Criterion) {
    for &(name, trace, count) in TRACES {
        if !matches!(trace, Trace::Pair | Trace::Churn(1_000) | Trace::Request(64)) {
            continue;
        }
        let count = count / 20;
        let mut group = criterion.benchmark_group(format!("{name}, beside another thread"));
        group.throughput(Throughput::Elements(u64::from(count)));
        for rival in RIVALS.iter().filter(|rival| rival.runs(trace)) {
            let done = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut running = rival.start(trace);
                    while !done.load(Relaxed) {
                        running.run(count);
                    }
                });
                let mut running = rival.start(trace);
                group.bench_function(rival.name(), |bencher| bencher.iter(|| running.run(count)));
                done.store(true, Relaxed);
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    targets = traces, contention
}
criterion_main!(benches);
