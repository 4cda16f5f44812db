//! Reads that are answered from a snapshot and a record of edits, beside a model of the proxy's
//! map: whoever reads, at whatever time, sees the same.
#![allow(unsafe_code, reason = "a host reads and writes where the guest says")]

mod model;

use std::rc::Rc;

use model::{Bytes, Model, NAMES, PLUGIN, Proxy, Step, run};
use proptest::collection::vec;
use proptest::prelude::*;

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
        1 => (a_name(), a_value()).prop_map(|(name, value)| Step::Aside(name, value)),
        2 => (a_name(), a_value()).prop_map(|(name, value)| Step::Other(name, value)),
        1 => vec((a_name(), a_value()), 0..4).prop_map(Step::SetAll),
    ]
}

/// Mostly few; sometimes more than the first index has places for.
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

    /// Two requests in one VM, of which the second knows nothing of the first.
    #[test]
    fn nobody_can_tell_who_answers_a_read(
        requests in vec((a_map(), steps()), 2),
    ) {
        let proxy = Rc::new(Proxy::default());
        (PLUGIN.reset)();
        let is_edit = |step: &&Step| matches!(step, Step::Add(..) | Step::Replace(..) | Step::Remove(..) | Step::Other(..) | Step::Aside(..));
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

/// The proxy after requests of these steps, each in the same VM.
fn after(requests: usize, steps: &[Step]) -> Rc<Proxy> {
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    for _ in 0..requests {
        run(&proxy, &base(), steps.to_vec());
    }
    proxy
}

/// The number of times that the proxy returned bytes: of one name, and of the whole map.
fn reads(proxy: &Proxy) -> (usize, usize) {
    (proxy.calls("proxy_get_header_map_value"), proxy.calls("get_header_map_pairs"))
}

fn add(name: &[u8], value: &[u8]) -> Step {
    Step::Add(name.to_vec(), value.to_vec())
}

fn replace(name: &[u8], value: &[u8]) -> Step {
    Step::Replace(name.to_vec(), value.to_vec())
}

fn remove(name: &[u8]) -> Step {
    Step::Remove(name.to_vec())
}

fn get(name: &[u8]) -> Step {
    Step::Get(name.to_vec())
}

#[test]
fn each_edit_is_one_host_call_made_at_once() {
    let names = names(20);
    let edits: Vec<_> = names.iter().flat_map(|name| [add(name, b"1"), replace(name, b"2"), remove(name)]).collect();
    let proxy = after(3, &edits);
    assert_eq!((proxy.edits(), reads(&proxy)), (3 * 60, (0, 0)));
    // Of a property that tells of the map the edit before it is seen.
    after(1, &[add(b"x", b"1"), Step::Property, remove(b"x"), Step::Property]);
}

#[test]
fn the_first_read_fetches_the_map_and_no_other_asks_the_host() {
    let absent: Vec<_> = names(20).iter().map(|name| get(name)).collect();
    for first in [get(b"x"), get(b"from"), get(b":path"), get(b"host"), Step::Snapshot] {
        let steps: Vec<_> = [first].into_iter().chain(absent.clone()).chain([get(b"from"), Step::Snapshot]).collect();
        assert_eq!(reads(&after(2, &steps)), (0, 2));
    }
}

#[test]
fn a_name_that_was_edited_is_read_without_the_host() {
    let steps = [
        Step::Snapshot,
        replace(b"from", b"a"),
        get(b"From"),
        add(b"x", b"b"),
        get(b"X"),
        remove(b"from"),
        get(b"from"),
        add(b"from", b"c"),
        get(b"from"),
        get(b"y"),
        replace(b":path", b"/x"),
        get(b":path"),
    ];
    let proxy = after(3, &steps);
    assert_eq!((reads(&proxy), proxy.edits()), ((0, 3), 3 * 5));
}

#[test]
fn a_name_that_the_proxy_may_have_joined_is_asked_for_once() {
    let added = |more: &[Step]| {
        let steps: Vec<_> = [Step::Snapshot, add(b"from", b"a")].iter().chain(more).cloned().collect();
        reads(&after(1, &steps))
    };
    assert_eq!(added(&[get(b"from"), get(b"FROM"), get(b"from")]), (1, 1));
    assert_eq!(added(&[get(b"from"), add(b"from", b"b"), get(b"from")]), (2, 1));
    assert_eq!(added(&[get(b"from"), Step::Snapshot, get(b"from")]), (1, 2));
    assert_eq!(added(&[get(b"from"), remove(b"from"), get(b"from")]), (1, 1));
}

#[test]
fn a_map_that_was_edited_is_fetched_again_once() {
    let edits = [add(b"X-New", b"value"), replace(b":path", b"value"), remove(b"from")];
    for edit in edits {
        let steps = [Step::Snapshot, edit, get(b"x-new"), Step::Snapshot, get(b"x-new"), Step::Snapshot];
        assert_eq!(reads(&after(1, &steps)), (0, 2));
    }
}

#[test]
fn a_name_that_is_known_to_be_absent_is_not_removed() {
    assert_eq!(after(1, &[remove(b"x")]).edits(), 1);
    assert_eq!(after(1, &[Step::Snapshot, remove(b"x"), remove(b"X")]).edits(), 0);
    assert_eq!(after(1, &[Step::Snapshot, remove(b"from"), remove(b"from")]).edits(), 1);
    assert_eq!(after(1, &[Step::Snapshot, add(b"x", b"1"), remove(b"x"), remove(b"x")]).edits(), 2);
    assert_eq!(after(1, &[Step::Snapshot, remove(b"host")]).edits(), 1, "the proxy may have it by another name");
    let aside = Step::Aside(b"x".to_vec(), b"1".to_vec());
    assert_eq!(after(1, &[Step::Snapshot, aside, remove(b"x")]).edits(), 2);
}

#[test]
fn what_others_change_is_fetched_again() {
    let aside = |name: &[u8]| Step::Aside(name.to_vec(), b"1".to_vec());
    assert_eq!(reads(&after(1, &[Step::Snapshot, aside(b"x"), Step::Snapshot, get(b"x")])), (0, 2));
    assert_eq!(reads(&after(1, &[Step::Snapshot, replace(b"x", b"0"), aside(b"x"), get(b"x")])), (0, 2));
    let all = Step::SetAll(vec![(b"y".to_vec(), b"1".to_vec())]);
    assert_eq!(reads(&after(1, &[Step::Snapshot, add(b"x", b"0"), all, Step::Snapshot, get(b"x")])), (0, 2));
}

/// The steps of a filter for n names; each of them makes reads that could need the host.
type Steps = fn(usize) -> Vec<Step>;

/// The cost of a callback grows with the edits that it makes, and not with the number or the bytes
/// of the edits before.
#[test]
fn the_host_calls_of_edits_and_reads_are_linear() {
    let cases: [(&str, Steps); 6] = [
        ("adds", |n| names(n).iter().map(|name| add(name, &[b'v'; 100])).collect()),
        ("adds beside a snapshot", |n| {
            [Step::Snapshot].into_iter().chain(names(n).iter().map(|name| add(name, &[b'v'; 100]))).collect()
        }),
        ("adds, each read", |n| {
            let each = names(n).into_iter().flat_map(|name| [add(&name, &[b'v'; 100]), get(&name)]);
            [Step::Snapshot].into_iter().chain(each).collect()
        }),
        ("adds, reads and removals", |n| {
            names(n).iter().flat_map(|name| [add(name, b"v"), get(name), remove(name)]).collect()
        }),
        ("replacements of one name, each read", |n| {
            let each = (0..n).flat_map(|at| [replace(b"x", at.to_string().as_bytes()), get(b"x")]);
            [Step::Snapshot].into_iter().chain(each).collect()
        }),
        ("three values of many bytes, each read", |n| {
            let large = vec![b'v'; n * 20];
            [Step::Snapshot, add(b"x", &large), get(b"x"), add(b"y", &large), get(b"y"), add(b"z", &large), get(b"z")]
                .to_vec()
        }),
    ];
    let n = if cfg!(miri) { 8 } else { 64 };
    for (case, steps) in cases {
        let calls = [n, 8 * n].map(|n| {
            let (proxy, steps) = (after(1, &steps(n)), steps(n));
            let edits = steps.iter().filter(|step| matches!(step, Step::Add(..) | Step::Replace(..) | Step::Remove(_)));
            let (values, maps) = reads(&proxy);
            assert_eq!(proxy.edits(), edits.count(), "{case}");
            values + maps
        });
        // For any number of edits as many reads of the host's.
        assert!(calls[1] <= calls[0] && calls[1] <= 2, "{case}: {calls:?} reads");
    }
}

#[test]
fn a_single_edit_has_no_limit_of_pairs_or_bytes() {
    for pairs in [0, 1_023, 1_024, 3_000] {
        let base = Model((0..pairs).map(|at: usize| (format!("n{at}").into_bytes(), Bytes::new())).collect());
        let steps = [Step::Snapshot, add(b"new", b"new"), replace(b"N7", b"new"), remove(b"n8"), Step::Snapshot];
        (PLUGIN.reset)();
        run(&Rc::new(Proxy::default()), &base, steps.to_vec());
    }
    let steps = [Step::Snapshot, add(b"new", &vec![b'v'; 2 << 20]), get(b"new"), Step::Snapshot];
    after(1, &steps);
}
