//! Edits that wait, beside a model that edits at once: whoever reads, at whatever time, sees the same.
#![allow(unsafe_code, reason = "a host reads and writes where the guest says")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, MapType, allocate};
use sluicegate::prelude::*;
use sluicegate::property;

type Bytes = Vec<u8>;

/// A map as the newest Envoy has it, in its plainest form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
struct Model(Vec<(Bytes, Bytes)>);

/// Whether the proxy joins the values of a name.
fn joins(name: &[u8]) -> bool {
    name.to_ascii_lowercase().starts_with(b"join")
}

impl Model {
    fn get(&self, name: &[u8]) -> Option<&Bytes> {
        self.0.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = name.to_ascii_lowercase();
        if joins(&name)
            && let Some((_, joined)) = self.0.iter_mut().find(|(found, _)| *found == name)
        {
            joined.push(b',');
            joined.extend(value);
            return;
        }
        let pseudo = name.starts_with(b":");
        let regular = self.0.iter().position(|(name, _)| !name.starts_with(b":"));
        let at = regular.filter(|_| pseudo).unwrap_or(self.0.len());
        self.0.insert(at, (name, value.to_vec()));
    }

    fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(found, _)| !found.eq_ignore_ascii_case(name));
    }

    fn replace(&mut self, name: &[u8], value: &[u8]) {
        self.remove(name);
        self.add(name, value);
    }

    fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let (mut map, mut at) = (Self::default(), 4 + 8 * number(0));
        for pair in 0..number(0) {
            let value = at + number(4 + 8 * pair) + 1;
            let end = value + number(8 + 8 * pair) + 1;
            map.add(&bytes[at..value - 1], &bytes[value..end - 1]);
            at = end;
        }
        map
    }

    fn encode(&self) -> Bytes {
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let mut bytes = number(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(number(name.len()).into_iter().chain(number(value.len())));
        }
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }
}

/// A host with maps, which counts.
#[derive(Default)]
struct Proxy {
    maps: RefCell<BTreeMap<u64, Model>>,
    calls: RefCell<BTreeMap<&'static str, usize>>,
    log: RefCell<Vec<String>>,
}

impl Proxy {
    fn calls(&self, what: &str) -> usize {
        self.calls.borrow().iter().filter(|(name, _)| name.contains(what)).map(|(_, count)| count).sum()
    }

    /// How often an edit reached it.
    fn edits(&self) -> usize {
        self.calls("_map_value") - self.calls("proxy_get_header_map_value")
    }
}

fn bytes<'a>(start: *const u8, size: u64) -> &'a [u8] {
    // SAFETY: the guest passes slices, and the tests do not keep them.
    unsafe { std::slice::from_raw_parts(start, usize::try_from(size).unwrap()) }
}

fn hand_over(value: *mut *mut u8, size: *mut usize, bytes: &[u8]) -> u32 {
    let block = allocate(bytes.len());
    // SAFETY: the guest allocated this many bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len()) };
    // SAFETY: the guest passes places.
    unsafe { value.write(block) };
    // SAFETY: likewise.
    unsafe { size.write(bytes.len()) };
    0
}

impl Host for Proxy {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        *self.calls.borrow_mut().entry(import.name()).or_default() += 1;
        let mut maps = self.maps.borrow_mut();
        match *args {
            [Arg::Int(_), Arg::In(text), Arg::Int(size)] if import == Import::proxy_log => {
                self.log.borrow_mut().push(String::from_utf8_lossy(bytes(text, size)).into_owned());
            }
            [Arg::Int(map), Arg::OutBlock(value), Arg::OutSize(size)] => {
                return hand_over(value, size, &maps.entry(map).or_default().encode());
            }
            [Arg::Int(map), Arg::OutSize(size)] => {
                // SAFETY: the guest passes a place.
                unsafe { size.write(maps.entry(map).or_default().size()) };
            }
            [Arg::Int(map), Arg::In(name), Arg::Int(name_size), Arg::OutBlock(value), Arg::OutSize(size)] => {
                let Some(found) = maps.entry(map).or_default().get(bytes(name, name_size)).cloned() else { return 1 };
                return hand_over(value, size, &found);
            }
            [Arg::Int(map), Arg::In(name), Arg::Int(name_size), Arg::In(value), Arg::Int(size)] => {
                let (map, name, value) = (maps.entry(map).or_default(), bytes(name, name_size), bytes(value, size));
                match import {
                    Import::proxy_add_header_map_value => map.add(name, value),
                    _ => map.replace(name, value),
                }
            }
            [Arg::Int(map), Arg::In(pairs), Arg::Int(size)] if import == Import::proxy_set_header_map_pairs => {
                maps.insert(map, Model::decode(bytes(pairs, size)));
            }
            [Arg::Int(map), Arg::In(name), Arg::Int(size)] => {
                maps.entry(map).or_default().remove(bytes(name, size));
            }
            // The property that is asked for tells how many request headers there are: it observes the map.
            [Arg::In(_), Arg::Int(_), Arg::OutBlock(value), Arg::OutSize(size)] => {
                return hand_over(value, size, &(maps.entry(0).or_default().0.len() as u64).to_le_bytes());
            }
            _ => {}
        }
        0
    }
}

/// What a filter does.
#[derive(Clone, Debug)]
enum Step {
    Add(Bytes, Bytes),
    Replace(Bytes, Bytes),
    Remove(Bytes),
    Get(Bytes),
    Fetch(Bytes),
    Snapshot,
    Size,
    Property,
    Flush,
    /// An edit of the response's headers meanwhile.
    Other(Bytes, Bytes),
    SetAll(Vec<(Bytes, Bytes)>),
}

thread_local! {
    static STEPS: RefCell<(Vec<Step>, Model)> = RefCell::default();
}

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        let (steps, mut model) = STEPS.take();
        // Views that were handed out, with what they showed.
        let mut views: Vec<(ByteStr<'_>, Bytes)> = Vec::new();
        let mut maps: Vec<(&HeaderMap, Model)> = Vec::new();
        for step in &steps {
            match step {
                Step::Add(name, value) => {
                    request.add(name, value)?;
                    model.add(name, value);
                }
                Step::Replace(name, value) => {
                    request.replace(name, value)?;
                    model.replace(name, value);
                }
                Step::Remove(name) => {
                    request.remove(name)?;
                    model.remove(name);
                }
                Step::Get(name) => {
                    let found = request.get(name)?;
                    assert_eq!(found.as_deref(), model.get(name).map(Vec::as_slice), "{steps:?}");
                    views.extend(found.map(|found| (found, found.to_vec())));
                }
                Step::Fetch(name) => assert_eq!(request.fetch(name)?.as_deref(), model.get(name).map(Vec::as_slice)),
                Step::Snapshot => maps.push((request.snapshot()?, model.clone())),
                Step::Size => assert_eq!(request.byte_size()?, model.size(), "{steps:?}"),
                Step::Property => {
                    let headers = property::get(&["request", "headers"])?.unwrap().to_u64()?;
                    assert_eq!(headers, model.0.len() as u64, "{steps:?}");
                }
                Step::Flush => request.flush()?,
                Step::Other(name, value) => request.stream().edit_response_headers().add(name, value)?,
                Step::SetAll(pairs) => {
                    request.set_all(pairs)?;
                    model.0.clear();
                    pairs.iter().for_each(|(name, value)| model.add(name, value));
                }
            }
        }
        for (view, shown) in views {
            assert_eq!(*view, *shown);
        }
        for (map, shown) in maps {
            let pairs: Vec<_> = map.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            assert_eq!(pairs, shown.0, "{steps:?}");
        }
        STEPS.set((steps, model));
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

/// Runs the steps on a map and gives the proxy after them.
fn run(proxy: &Rc<Proxy>, base: &Model, steps: Vec<Step>) {
    proxy.maps.borrow_mut().insert(MapType::HttpRequestHeaders as u64, base.clone());
    proxy.maps.borrow_mut().insert(MapType::HttpResponseHeaders as u64, Model::default());
    let mut other = Model::default();
    for step in &steps {
        if let Step::Other(name, value) = step {
            other.add(name, value);
        }
    }
    STEPS.set((steps, base.clone()));
    let _installed = native::install(proxy.clone());
    let create = PLUGIN.proxy_on_context_create.unwrap();
    create(1, 0);
    create(2, 1);
    let action = PLUGIN.proxy_on_request_headers.unwrap()(2, u32::try_from(base.0.len()).unwrap(), 1);
    PLUGIN.proxy_on_delete.unwrap()(2);
    assert_eq!(action, 0, "{:?}", proxy.log.borrow());
    let (_, model) = STEPS.take();
    assert_eq!(proxy.maps.borrow()[&0], model);
    assert_eq!(proxy.maps.borrow()[&2], other);
}

fn a_name() -> impl Strategy<Value = Bytes> {
    let names = [":path", ":authority", "a", "B", "ab", "Join-x", "join-y", "x-longer", "X-LONGER", "x-other"];
    proptest::sample::select(names.map(|name| name.as_bytes().to_vec()).to_vec())
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

    /// Two requests in one VM, of which the first teaches the second.
    #[test]
    fn nobody_can_tell_that_edits_wait(
        requests in vec((a_map(), vec(a_step(), 0..24)), 2),
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
    Model(vec![(b":path".to_vec(), b"/".to_vec()), (b"host".to_vec(), b"example".to_vec())])
}

#[test]
fn twenty_headers_that_come_are_read_and_go_cost_one_host_call() {
    let names = names(20);
    let adds = names.iter().map(|name| Step::Add(name.clone(), b"a value of 32 bytes, more or less".to_vec()));
    let reads = names.iter().map(|name| Step::Get(name.clone()));
    let removes = names.iter().map(|name| Step::Remove(name.clone()));
    let proxy = Rc::new(Proxy::default());
    (PLUGIN.reset)();
    for request in 1..=2 {
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
    // A callback that reads after it makes those to come wait: one fetch each again.
    let read = vec![Step::Snapshot, Step::Add(b"x".to_vec(), b"1".to_vec()), Step::Snapshot];
    for (request, fetches) in [(4, 5), (5, 6), (6, 7)] {
        run(&proxy, &base(), read.clone());
        assert_eq!((proxy.edits(), proxy.calls("pairs")), (request, fetches));
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
