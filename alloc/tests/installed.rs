//! The picked allocator as the global one of this test: ordinary code on several threads, with
//! blocks freed on others than made them.
#![cfg(any(feature = "arena", feature = "freelist", feature = "talc", feature = "system"))]

use std::collections::HashMap;
use std::sync::mpsc;
use std::thread;

#[global_allocator]
static GLOBAL: sluicegate_alloc::Allocator = sluicegate_alloc::ALLOCATOR;

#[test]
fn ordinary_code_runs_on_it() {
    let map: HashMap<String, Vec<u8>> = (0..2000).map(|n| (format!("key {n}"), vec![n as u8; n])).collect();
    for (key, value) in &map {
        let n: usize = key.trim_start_matches("key ").parse().unwrap();
        assert_eq!(value.len(), n);
        assert!(value.iter().all(|&byte| byte == n as u8));
    }
}

#[test]
fn blocks_are_freed_on_other_threads() {
    let (sender, receiver) = mpsc::channel::<Vec<String>>();
    let workers: Vec<_> = (0..3)
        .map(|worker| {
            let sender = sender.clone();
            thread::spawn(move || {
                for round in 0..400 {
                    sender.send((0..20).map(|n| format!("{worker} {round} {n}").repeat(n)).collect()).unwrap();
                }
            })
        })
        .collect();
    drop(sender);
    let lengths: usize = receiver.iter().map(|batch| batch.iter().map(String::len).sum::<usize>()).sum();
    assert!(lengths > 0);
    for worker in workers {
        worker.join().unwrap();
    }
}

#[test]
fn zeroed_memory_is_zero_when_it_was_used_before() {
    for size in [24, 200, 3000, 100_000] {
        drop(vec![0xAA_u8; size]);
        assert!(vec![0_u8; size].iter().all(|&byte| byte == 0));
    }
}

#[cfg(feature = "stats")]
#[test]
fn statistics_follow() {
    let before = sluicegate_alloc::snapshot();
    let kept = vec![1_u8; 1 << 20];
    let during = sluicegate_alloc::snapshot();
    assert!(during.allocations > before.allocations);
    assert!(during.peak >= 1 << 20);
    drop(kept);
    assert!(sluicegate_alloc::snapshot().frees > before.frees);
}
