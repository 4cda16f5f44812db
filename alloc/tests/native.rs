//! The free lists as the global allocator of a program with threads that come and go.
#![cfg(not(miri))]

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;

use sluicegate_alloc::Native;

#[global_allocator]
static GLOBAL: Native = Native;

thread_local! {
    /// Allocates and frees when its thread ends, and wakes another that does, perhaps after the
    /// magazines were given away.
    static LAST: RefCell<Last> = const { RefCell::new(Last(Vec::new())) };
    static VERY_LAST: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Last(Vec<String>);

impl Drop for Last {
    fn drop(&mut self) {
        let lengths: usize = self.0.drain(..).map(|text| text.repeat(2).len()).sum();
        VERY_LAST.with_borrow_mut(|texts| texts.push(format!("{lengths}")));
    }
}

fn come_and_go(threads: usize) {
    for number in 0..threads {
        let text = thread::spawn(move || {
            LAST.with_borrow_mut(|last| last.0.extend((0..50).map(|n| format!("{number} {n}").repeat(n))));
            // The test frees this one, on its own thread.
            vec![number as u8; 3000]
        });
        assert_eq!(text.join().unwrap(), vec![number as u8; 3000]);
    }
}

#[test]
fn threads_that_end_leave_nothing_behind() {
    come_and_go(50);
    let before = Native.snapshot().pages;
    come_and_go(1_000);
    let after = Native.snapshot().pages;
    // The other tests run beside this one, and a thread of theirs may keep 64 pages; 950 threads
    // that kept 50 kB each would take 700 pages.
    assert!(after <= before + 256, "{before} pages, then {after}");
}

#[test]
fn a_producer_and_a_consumer_stay_flat() {
    let (sender, receiver) = mpsc::sync_channel::<Vec<Vec<u8>>>(2);
    let producer = thread::spawn(move || {
        for round in 0..2_000_usize {
            let batch = (0..40).map(|n| vec![round as u8; [16, 100, 1000, 4000, 40_000][(n + round) % 5]]).collect();
            sender.send(batch).unwrap();
        }
    });
    let mut early = 0;
    for (round, batch) in receiver.iter().enumerate() {
        assert!(batch.iter().all(|block| block.iter().all(|&byte| byte == round as u8)));
        drop(batch);
        if round == 200 {
            early = Native.snapshot().pages;
        }
    }
    producer.join().unwrap();
    let late = Native.snapshot().pages;
    // 700 MB went through, 11,000 pages; a thread may keep 64.
    assert!(late <= early + 256, "{early} pages, then {late}");
}

#[test]
fn a_trim_makes_room_for_what_is_large() {
    drop((0..1_000).map(|n| vec![n as u8; 1_000]).collect::<Vec<_>>());
    Native.trim();
    assert_eq!(vec![9_u8; 1 << 20].len(), 1 << 20);
}

#[cfg(feature = "stats")]
#[test]
fn classes_are_counted() {
    // A size of its own: the other tests run beside this one.
    let class = |size: usize| {
        let classes = Native.snapshot().classes().to_vec();
        classes
            [(0..).position(|class| sluicegate_alloc::Snapshot::most(class).is_none_or(|most| size <= most)).unwrap()]
    };
    let before = class(50_000_000);
    let mut buffer = Vec::<u8>::with_capacity(50_000_000);
    let during = class(50_000_000);
    assert!(during.live >= before.live + 50_000_000 && during.allocations > before.allocations);
    buffer.shrink_to(20_000);
    assert!(class(50_000_000).frees > before.frees);
    assert!(class(20_000).live >= 20_000);
    let all = Native.snapshot();
    assert!(all.classes().iter().map(|class| class.allocations).sum::<u64>() >= all.allocations);
}
