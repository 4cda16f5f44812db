//! A host with maps, a filter that does what it is told, and the model that both are compared with.
//! The fuzz target `overlay` shares it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, MapType, allocate};
use sluicegate::prelude::*;
use sluicegate::property;

pub(crate) type Bytes = Vec<u8>;

/// A map as the newest Envoy has it, in its plainest form.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Model(pub(crate) Vec<(Bytes, Bytes)>);

/// Returns whether the proxy joins the values of a name.
fn joins(name: &[u8]) -> bool {
    name.to_ascii_lowercase().starts_with(b"join")
}

/// A name as the proxy has it: in lower case, and `host` as `:authority`.
fn canonical(name: &[u8]) -> Bytes {
    let name = name.to_ascii_lowercase();
    if name == b"host" { b":authority".to_vec() } else { name }
}

impl Model {
    fn get(&self, name: &[u8]) -> Option<&Bytes> {
        let name = canonical(name);
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        let name = canonical(name);
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
        let name = canonical(name);
        self.0.retain(|(found, _)| *found != name);
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
pub(crate) struct Proxy {
    pub(crate) maps: RefCell<BTreeMap<u64, Model>>,
    calls: RefCell<BTreeMap<&'static str, usize>>,
    pub(crate) log: RefCell<Vec<String>>,
}

impl Proxy {
    pub(crate) fn calls(&self, what: &str) -> usize {
        self.calls.borrow().iter().filter(|(name, _)| name.contains(what)).map(|(_, count)| count).sum()
    }

    /// The number of edits that reached it.
    pub(crate) fn edits(&self) -> usize {
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
    // SAFETY: as above.
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
            // The property that is asked for tells how many request headers there are: it observes
            // the map.
            [Arg::In(_), Arg::Int(_), Arg::OutBlock(value), Arg::OutSize(size)] => {
                return hand_over(value, size, &(maps.entry(0).or_default().0.len() as u64).to_le_bytes());
            }
            _ => {}
        }
        0
    }
}

/// The actions of a filter.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Add(Bytes, Bytes),
    Replace(Bytes, Bytes),
    Remove(Bytes),
    Get(Bytes),
    Fetch(Bytes),
    Snapshot,
    Size,
    Property,
    /// An edit of the same map by an editor, which the handle hears nothing of.
    Aside(Bytes, Bytes),
    /// An edit of the response's headers meanwhile.
    Other(Bytes, Bytes),
    SetAll(Vec<(Bytes, Bytes)>),
}

impl Step {
    /// The steps that any bytes say.
    pub(crate) fn read(bytes: &[u8]) -> Vec<Self> {
        let mut left = bytes.iter().copied();
        let mut next = || left.next();
        let mut steps = Vec::new();
        while let Some(kind) = next() {
            let name = NAMES[usize::from(next().unwrap_or_default()) % NAMES.len()].as_bytes().to_vec();
            let size = match kind {
                0..128 => 2,
                _ => usize::from(kind) * 20,
            };
            let value = vec![next().unwrap_or_default(); size];
            steps.push(match kind % 12 {
                0 | 1 => Self::Add(name, value),
                2 | 3 => Self::Replace(name, value),
                4 => Self::Remove(name),
                5 => Self::Get(name),
                6 => Self::Fetch(name),
                7 => Self::Snapshot,
                8 => Self::Property,
                9 => Self::Aside(name, value),
                10 => Self::Other(name, value),
                _ => Self::SetAll(vec![(name, value)]),
            });
        }
        steps
    }
}

thread_local! {
    pub(crate) static STEPS: RefCell<(Vec<Step>, Model)> = RefCell::default();
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
                    // Bytes that the check refuses are written all the same.
                    request.add(name, value).or_else(|_| request.add_unchecked(name, value))?;
                    model.add(name, value);
                }
                Step::Replace(name, value) => {
                    request.replace(name, value).or_else(|_| request.replace_unchecked(name, value))?;
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
                Step::Snapshot => {
                    let map = request.snapshot()?;
                    for name in NAMES {
                        assert_eq!(
                            map.get(name).as_deref(),
                            model.get(name.as_bytes()).map(Vec::as_slice),
                            "{steps:?}"
                        );
                    }
                    maps.push((map, model.clone()));
                }
                Step::Size => assert_eq!(request.byte_size()?, model.size(), "{steps:?}"),
                Step::Property => {
                    let headers = property::get(&["request", "headers"])?.unwrap().to_u64()?;
                    assert_eq!(headers, model.0.len() as u64, "{steps:?}");
                }
                Step::Aside(name, value) => {
                    request.stream().edit_request_headers().replace_unchecked(name, value)?;
                    model.replace(name, value);
                }
                Step::Other(name, value) => request.stream().edit_response_headers().add_unchecked(name, value)?,
                Step::SetAll(pairs) => {
                    request.replace_all_unchecked(pairs)?;
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

/// Names that are the same but for their case, that the proxy joins, that stand in front.
pub(crate) const NAMES: [&str; 11] =
    [":path", ":authority", "Host", "a", "B", "ab", "Join-x", "join-y", "x-longer", "X-LONGER", "x-other"];

/// Runs the steps on a map and gives the proxy after them.
pub(crate) fn run(proxy: &Rc<Proxy>, base: &Model, steps: Vec<Step>) {
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
