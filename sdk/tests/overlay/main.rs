//! Edits that wait, beside a model that edits at once: whoever reads, at whatever time, sees the same.
#![allow(unsafe_code, reason = "a host reads and writes where the guest says")]

mod model;

use std::rc::Rc;

use model::{Bytes, Model, NAMES, PLUGIN, Proxy, STEPS, Step, run};
use proptest::collection::vec;
use proptest::prelude::*;
use sluicegate::abi::native;

fn a_name() -> impl Strategy<Value = Bytes> {
    proptest::sample::select(NAMES.map(|name| name.as_bytes().to_vec()).to_vec())
}

fn a_value() -> impl Strategy<Value = Bytes> {
    prop_oneof![9 => vec(any::<u8>(), 0..6), 1 => vec(Just(b'v'), 1500..5000)]
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (a_name(), a_value()).prop_map(|(name, value)| Step::Add(name, value)),
        6 => (a_name(), a_value()).prop_map(|(name, value)| Step::Replace(name, value)),
        5 => a_name().prop_map(Step::Remove),
        6 => a_name().prop_map(Step::Get),
        1 => a_name().prop_map(Step::Fetch),
        3 => Just(Step::Snapshot),
        1 => Just(Step::Size),
        1 => Just(Step::Property),
        1 => Just(Step::Flush),
        2 => (a_name(), a_value()).prop_map(|(name, value)| Step::Other(name, value)),
        1 => vec((a_name(), a_value()), 0..4).prop_map(Step::SetAll),
    ]
}

/// Mostly few; sometimes more edits than can wait.
fn steps() -> impl Strategy<Value = Vec<Step>> {
    let many = if cfg!(miri) { 0..24 } else { 200..400 };
    prop_oneof![19 => vec(a_step(), 0..24), 1 => vec(a_step(), many)]
}

fn a_map() -> impl Strategy<Value = Model> {
    vec((a_name(), a_value()), 0..8).prop_map(|pairs| {
        let mut map = Model::default();
        pairs.iter().for_each(|(name, value)| map.add(name, value));
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 12 } else { 1_500 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The fuzz target's way to say steps.
    #[test]
    fn any_bytes_are_steps_that_nobody_can_tell_apart(bytes in vec(any::<u8>(), 0..120)) {
        (PLUGIN.reset)();
        run(&Rc::new(Proxy::default()), &base(), Step::read(&bytes));
    }

    /// Two requests in one VM, of which the first teaches the second.
    #[test]
    fn nobody_can_tell_that_edits_wait(
        requests in vec((a_map(), steps()), 2),
    ) {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        let is_edit = |step: &&Step| matches!(step, Step::Add(..) | Step::Replace(..) | Step::Remove(..) | Step::Other(..));
        let edits: usize = requests.iter().map(|(_, steps)| steps.iter().filter(is_edit).count()).sum();
        for (base, steps) in requests {
            run(&proxy, &base, steps);
        }
        prop_assert!(proxy.edits() <= edits, "{} calls for {edits} edits", proxy.edits());
    }
}

fn names(count: usize) -> Vec<Bytes> {
    (0..count).map(|name| format!("x-name-{name}").into_bytes()).collect()
}

fn base() -> Model {
    Model(vec![(b":path".to_vec(), b"/".to_vec()), (b"from".to_vec(), b"example".to_vec())])
}

#[test]
fn twenty_headers_that_come_are_read_and_go_cost_one_host_call() {
    let names = names(20);
    let adds = names.iter().map(|name| Step::Add(name.clone(), b"a value of 32 bytes, more or less".to_vec()));
    let reads = names.iter().map(|name| Step::Get(name.clone()));
    let removes = names.iter().map(|name| Step::Remove(name.clone()));
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    // More than what the log holds, if the values that were viewed stayed in it.
    for request in 1..=8 {
        run(&proxy, &base(), adds.clone().chain(reads.clone()).chain(removes.clone()).collect());
        assert_eq!((proxy.calls("header_map"), proxy.calls("pairs")), (request, request));
    }
}

#[test]
fn what_later_edits_undo_is_not_written() {
    let [x, y] = [b"x".to_vec(), b"y".to_vec()];
    let replace = |name: &Bytes, value: u8| Step::Replace(name.clone(), vec![value]);
    let counted = |steps: &[Step]| {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        run(&proxy, &base(), steps.to_vec());
        proxy.edits()
    };
    assert_eq!(counted(&(0..50).map(|value| replace(&x, value)).collect::<Vec<_>>()), 1);
    assert_eq!(counted(&[Step::Remove(x.clone()), Step::Add(x.clone(), y.clone())]), 1);
    assert_eq!(counted(&[Step::Add(x.clone(), y.clone()), replace(&y, 1), Step::Remove(x.clone())]), 2);
    assert_eq!(counted(&[Step::Get(x.clone()), Step::Add(x.clone(), y.clone()), replace(&y, 1), Step::Remove(x)]), 1);
}

#[test]
fn the_only_edit_of_a_callback_goes_at_once_when_the_one_before_was_too() {
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    let lone = vec![Step::Snapshot, Step::Add(b"x".to_vec(), b"1".to_vec())];
    for request in 1..=3 {
        run(&proxy, &base(), lone.clone());
        assert_eq!((proxy.edits(), proxy.calls("pairs")), (request, request));
    }
    // For one that reads all headers after it the map is fetched once more; from then on the edit waits, and what is read is put together here.
    let read = vec![Step::Snapshot, Step::Add(b"x".to_vec(), b"1".to_vec()), Step::Snapshot];
    for (request, fetches) in [(4, 5), (5, 6), (6, 7)] {
        run(&proxy, &base(), read.clone());
        assert_eq!((proxy.edits(), proxy.calls("pairs")), (request, fetches));
    }
}

#[test]
fn a_map_that_was_edited_is_read_without_the_host_unless_it_may_join_values() {
    let step = |name: &[u8], make: fn(Bytes, Bytes) -> Step| make(name.to_vec(), b"value".to_vec());
    let edits = [
        step(b"X-New", Step::Add),
        step(b":path", Step::Replace),
        step(b"from", Step::Replace),
        Step::Remove(b"from".to_vec()),
    ];
    for (more, fetches) in [(None, 1), (Some(step(b"x-new", Step::Add)), 2)] {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        let steps =
            [Step::Snapshot].into_iter().chain(edits.clone()).chain(more).chain([Step::Snapshot, Step::Snapshot]);
        run(&proxy, &base(), steps.collect());
        assert_eq!(proxy.calls("pairs"), fetches);
    }
}

#[test]
fn edits_that_a_whole_map_replaces_are_not_written() {
    let [x, y] = [b"x".to_vec(), b"y".to_vec()];
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    let replace_all = Step::SetAll(vec![(y.clone(), x.clone())]);
    run(&proxy, &base(), vec![Step::Add(x.clone(), y.clone()), replace_all.clone(), Step::Get(x.clone())]);
    assert_eq!(proxy.calls("proxy_add_header_map_value"), 0);
    run(&proxy, &base(), vec![Step::Other(x.clone(), y.clone()), Step::Add(x.clone(), y), replace_all, Step::Get(x)]);
    assert!(proxy.calls("proxy_add_header_map_value") > 0, "another map's are written");
}

#[test]
fn a_name_that_was_edited_is_read_without_the_host() {
    let [x, y] = [b"x".to_vec(), b"y".to_vec()];
    let steps =
        [Step::Add(y.clone(), x.clone()), Step::Get(x.clone()), Step::Replace(x.clone(), y.clone()), Step::Get(x)];
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    for request in 1..=3 {
        run(&proxy, &base(), steps.to_vec());
        assert_eq!(proxy.calls("pairs"), request);
    }
}

/// Snapshots are told apart by a number that goes up when edits are written back, also if nothing was left to write: the log's own versions begin
/// again then, and a value that was read would be found under the version of another.
#[test]
fn a_value_read_before_edits_were_written_back_is_not_found_after_it() {
    let x = || b"x".to_vec();
    let first = [Step::Get(x()), Step::Add(x(), b"1".to_vec()), Step::Get(x()), Step::Remove(x()), Step::Flush];
    let second = [Step::Add(x(), b"2".to_vec()), Step::Get(x()), Step::Remove(x()), Step::Get(x())];
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    for _ in 0..2 {
        run(&proxy, &base(), first.iter().chain(&second).cloned().collect());
    }
}

/// A removal that follows an addition of the same name, and no longer fits into the log: the addition is written first, so there is something to remove.
#[test]
fn a_removal_past_a_full_log_is_written() {
    let name = vec![b'n'; 700];
    let add = |value: usize| Step::Add(name.clone(), vec![b'v'; value]);
    for value in [1_200, 1_380, 1_384, 1_388, 1_392, 2_500, 3_380, 3_388] {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        let steps =
            [Step::Get(name.clone()), add(1), add(value), add(4), Step::Remove(name.clone()), Step::Get(name.clone())];
        for _ in 0..2 {
            run(&proxy, &base(), steps.to_vec());
        }
    }
}

/// As many edits wait as have a number; the one after them is written by itself, and then others wait again, also while the values of the first are viewed.
#[test]
fn more_edits_than_can_wait_are_written_between() {
    let count = if cfg!(miri) { 140 } else { 300 };
    let names = names(count);
    for view in [false, true] {
        let edit = |name: &Bytes| {
            let read = view.then(|| Step::Get(name.clone()));
            [Step::Add(name.clone(), b"1".to_vec())].into_iter().chain(read).collect::<Vec<_>>()
        };
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        for request in 1..=3 {
            run(&proxy, &base(), names.iter().flat_map(edit).chain([Step::Snapshot]).collect());
            assert_eq!(proxy.edits(), count * request);
            let fetches = proxy.calls("pairs") / request;
            assert!(fetches <= 8, "{fetches} times the map for {count} edits");
        }
    }
}

#[test]
fn no_edit_brings_a_map_past_what_a_host_decodes() {
    let pairs = |count| Model((0..count).map(|at: usize| (format!("n{at}").into_bytes(), Bytes::new())).collect());
    let refused = |base: &Model, step| {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        proxy.maps.borrow_mut().insert(0, base.clone());
        STEPS.set((vec![Step::Snapshot, step], base.clone()));
        let _installed = native::install(proxy.clone());
        PLUGIN.proxy_on_context_create.unwrap()(1, 0);
        PLUGIN.proxy_on_context_create.unwrap()(2, 1);
        PLUGIN.proxy_on_request_headers.unwrap()(2, 0, 1);
        STEPS.take();
        let refused = proxy.log.borrow().iter().any(|line| line.contains("over the host's limit"));
        assert_eq!(proxy.edits(), usize::from(!refused));
        refused
    };
    let new = || b"new".to_vec();
    assert!(!refused(&pairs(1023), Step::Add(new(), new())));
    assert!(refused(&pairs(1024), Step::Add(new(), new())));
    assert!(refused(&pairs(1024), Step::Replace(new(), new())));
    assert!(!refused(&pairs(1024), Step::Replace(b"N7".to_vec(), new())));
    assert!(!refused(&pairs(1024), Step::Remove(b"n7".to_vec())));
    let long = |size| Model(vec![(b"long".to_vec(), vec![b'v'; size])]);
    assert!(!refused(&long(1_000_000), Step::Add(new(), vec![b'v'; 48_000])));
    assert!(refused(&long(1_000_000), Step::Add(new(), vec![b'v'; 49_000])));
    assert!(!refused(&long(1_000_000), Step::Replace(b"long".to_vec(), vec![b'v'; 49_000])));
    assert!(refused(&long(0), Step::Add(new(), vec![b'v'; 1 << 20])));
    assert!(refused(&long(0), Step::Add(new(), vec![b'v'; 2 << 20])));
}
