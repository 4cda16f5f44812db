//! Hosts worse than any proxy: wrong blocks, wrong maps, wrong numbers, calls within calls. Nothing
//! traps, nothing leaks, and the next good request is served.
#![allow(unsafe_code, reason = "a hostile host writes where it likes")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::prelude::*;

#[derive(Default)]
struct Plugin;

#[sluicegate::plugin_context]
impl PluginContext for Plugin {
    fn on_tick(&mut self, _: &mut PluginHandle<'_>) -> Result<()> {
        info!("tick");
        Ok(())
    }
}

#[derive(Default)]
struct Filter {
    streams: Rc<Cell<i32>>,
}

thread_local! {
    /// The number of filters.
    static FILTERS: Rc<Cell<i32>> = Rc::default();
}

impl Drop for Filter {
    fn drop(&mut self) {
        self.streams.set(self.streams.get() - 1);
    }
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    type Plugin = Plugin;

    fn create(_: &Plugin, _: u32) -> Self {
        let streams = FILTERS.with(Rc::clone);
        streams.set(streams.get() + 1);
        Self { streams }
    }

    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_, Plugin>) -> Result<Action> {
        let headers = request.snapshot()?;
        info!("{} headers", headers.len());
        Ok(Action::Continue)
    }

    fn on_log(&mut self, stream: &mut HttpHandle<'_, Plugin>) -> Result<()> {
        info!("log {}", stream.id());
        Ok(())
    }
}

sluicegate::plugin!(plugin: Plugin, http: Filter);

type Script = dyn Fn(Import, &[Arg]) -> Option<u32>;

/// A host that answers by a script, and well where the script says nothing: an empty map, and a log
/// that keeps everything.
struct Scripted {
    script: RefCell<Rc<Script>>,
    log: RefCell<Vec<String>>,
}

impl Host for Scripted {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        let script = self.script.borrow().clone();
        if let Some(status) = script(import, args) {
            return status;
        }
        match (import, args) {
            (Import::proxy_log, [_, Arg::In(start), Arg::Int(size)]) => {
                let size = usize::try_from(*size).unwrap();
                // SAFETY: the guest passes a slice.
                let line = unsafe { std::slice::from_raw_parts(*start, size) };
                self.log.borrow_mut().push(String::from_utf8_lossy(line).into_owned());
                0
            }
            (Import::proxy_get_log_level, [Arg::OutU32(level)]) => {
                // SAFETY: the guest passes a place.
                unsafe { level.write(0) };
                0
            }
            _ => 0,
        }
    }
}

impl Scripted {
    fn new(script: impl Fn(Import, &[Arg]) -> Option<u32> + 'static) -> Rc<Self> {
        Rc::new(Self { script: RefCell::new(Rc::new(script)), log: RefCell::default() })
    }

    fn behave(&self) {
        *self.script.borrow_mut() = Rc::new(|_, _| None);
    }
}

/// Answers a call for bytes with this block and size.
fn hand_over(args: &[Arg], start: *mut u8, size: usize) {
    let [.., Arg::OutBlock(to_start), Arg::OutSize(to_size)] = args else { panic!("{args:?}") };
    // SAFETY: the guest passes places.
    unsafe { to_start.write(start) };
    // SAFETY: as above.
    unsafe { to_size.write(size) };
}

/// Answers a call for bytes as a good host does.
fn hand_over_bytes(args: &[Arg], bytes: &[u8]) {
    let start = allocate(bytes.len());
    // SAFETY: the guest allocated this many bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
    hand_over(args, start, bytes.len());
}

fn start(host: &Rc<Scripted>) -> native::Installed {
    let installed = native::install(host.clone());
    (PLUGIN.reset)();
    PLUGIN.proxy_on_context_create.unwrap()(1, 0);
    installed
}

fn open(id: u32) {
    PLUGIN.proxy_on_context_create.unwrap()(id, 1);
}

fn request(id: u32) -> u32 {
    PLUGIN.proxy_on_request_headers.unwrap()(id, 0, 1)
}

fn close(id: u32) {
    PLUGIN.proxy_on_log.unwrap()(id);
    PLUGIN.proxy_on_delete.unwrap()(id);
}

fn filters() -> i32 {
    FILTERS.with(|filters| filters.get())
}

/// After the hostile part: the same host behaves, and a stream is served from its first callback to
/// its last.
fn serves_again(host: &Scripted) {
    host.behave();
    host.log.borrow_mut().clear();
    let before = filters();
    open(1000);
    assert_eq!(request(1000), 0);
    close(1000);
    assert_eq!(filters(), before);
    assert_eq!(*host.log.borrow(), ["0 headers", "log 1000"]);
}

#[test]
fn wrong_blocks_are_errors() {
    let elsewhere = [0_u8; 64];
    let start_of_elsewhere = elsewhere.as_ptr().addr();
    type Case = (&'static str, fn(&[Arg], *mut u8));
    let cases: [Case; 6] = [
        ("a block of its own", |args, elsewhere| hand_over(args, elsewhere, 4)),
        ("one past a block", |args, _| hand_over(args, allocate(8).wrapping_add(1), 4)),
        ("too much of a block", |args, _| hand_over(args, allocate(8), 9)),
        ("a size that no memory has", |args, _| hand_over(args, allocate(8), usize::MAX)),
        ("a block that it had before", |args, _| {
            hand_over_bytes(args, b"");
            let [.., Arg::OutBlock(block), _] = args else { panic!() };
            // SAFETY: it was written by `hand_over_bytes`.
            let block = unsafe { block.read() };
            thread_local!(static BEFORE: Cell<*mut u8> = const { Cell::new(std::ptr::null_mut()) });
            hand_over(args, if BEFORE.get().is_null() { block.wrapping_add(3) } else { BEFORE.get() }, 3);
            BEFORE.set(block);
        }),
        ("many blocks", |args, _| {
            for _ in 0..100 {
                let _ = allocate(16);
            }
            hand_over(args, std::ptr::dangling_mut(), 4);
        }),
    ];
    for (name, case) in cases {
        let host = Scripted::new(move |import, args| {
            (import == Import::proxy_get_header_map_pairs).then(|| {
                case(args, std::ptr::without_provenance_mut(start_of_elsewhere));
                0
            })
        });
        let _installed = start(&host);
        open(2);
        assert_eq!(request(2), Action::StopIteration as u32, "{name}");
        let log = host.log.borrow().join("\n");
        assert!(log.contains("the host named a block that it did not ask for"), "{name}: {log}");
        close(2);
        serves_again(&host);
    }
    assert_eq!(elsewhere, [0; 64]);
}

#[test]
fn null_and_nothing_are_the_empty_map() {
    type Case = (&'static str, fn(&[Arg]));
    let cases: [Case; 5] = [
        ("null and a size", |args| hand_over(args, std::ptr::null_mut(), 100)),
        ("a block and no size", |args| hand_over(args, allocate(10), 0)),
        ("nothing written", |_| ()),
        ("a zero byte", |args| hand_over_bytes(args, b"\0")),
        ("a zero count", |args| hand_over_bytes(args, &[0; 4])),
    ];
    for (name, case) in cases {
        let host = Scripted::new(move |import, args| {
            (import == Import::proxy_get_header_map_pairs).then(|| {
                case(args);
                0
            })
        });
        let _installed = start(&host);
        open(2);
        assert_eq!(request(2), 0, "{name}");
        assert!(host.log.borrow().contains(&"0 headers".to_owned()), "{name}");
        serves_again(&host);
    }
}

#[test]
fn a_map_that_is_wrong_in_any_byte_is_an_error_or_another_map() {
    let good = b"\x02\0\0\0\x01\0\0\0\x02\0\0\0\x01\0\0\0\0\0\0\0a\0AA\0b\0\0";
    let host = Scripted::new(|_, _| None);
    let _installed = start(&host);
    open(2);
    let mut errors = 0;
    let mut serve = |bytes: Vec<u8>| {
        *host.script.borrow_mut() = Rc::new(move |import, args| {
            (import == Import::proxy_get_header_map_pairs).then(|| {
                hand_over_bytes(args, &bytes);
                0
            })
        });
        errors += u32::from(request(2) == Action::StopIteration as u32);
    };
    for len in 2..good.len() {
        serve(good[..len].to_vec());
    }
    for at in 0..good.len() {
        for byte in if cfg!(miri) { [0xff].iter() } else { [0, 1, 0x7f, 0x80, 0xff].iter() } {
            let mut wrong = good.to_vec();
            wrong[at] = *byte;
            serve(wrong);
        }
    }
    serve([good, &b"x"[..]].concat());
    assert!(errors > if cfg!(miri) { 20 } else { 80 }, "{errors}");
    serves_again(&host);
}

#[test]
fn every_status_from_every_call_is_survived() {
    let statuses = if cfg!(miri) { vec![6, 99] } else { (0..=13).chain([u32::MAX]).collect() };
    for import in Import::ALL {
        for &status in &statuses {
            let import = *import;
            let host = Scripted::new(move |called, _| (called == import && status != 0).then_some(status));
            let _installed = start(&host);
            open(2);
            let action = request(2);
            assert!(action <= 1, "{import:?} {status}");
            close(2);
            serves_again(&host);
        }
    }
}

#[test]
fn unknown_and_repeated_numbers_are_noted_and_change_nothing() {
    let host = Scripted::new(|_, _| None);
    let _installed = start(&host);
    assert_eq!(request(77), Action::StopIteration as u32);
    close(77);
    open(2);
    open(2);
    PLUGIN.proxy_on_context_create.unwrap()(1, 0);
    PLUGIN.proxy_on_context_create.unwrap()(3, 99);
    PLUGIN.proxy_on_tick.unwrap()(2);
    PLUGIN.proxy_on_log.unwrap()(1);
    assert_eq!(filters(), 1);
    let log = host.log.borrow().clone();
    for line in [
        "sluicegate: no such context: 77",
        "sluicegate: context number is taken: 2",
        "sluicegate: context number is taken: 1",
        "sluicegate: no such parent context: 99",
        "sluicegate: no such context: 2",
    ] {
        assert!(log.contains(&line.to_owned()), "{line}: {log:?}");
    }
    close(2);
    assert_eq!(filters(), 0);
    serves_again(&host);
}

#[test]
fn a_callback_within_a_callback_finds_the_context_busy() {
    let nested = Rc::new(Cell::new(0));
    let counter = nested.clone();
    let host = Scripted::new(move |import, _| {
        if import == Import::proxy_get_header_map_pairs && counter.get() == 0 {
            counter.set(counter.get() + 1);
            assert_eq!(request(2), Action::StopIteration as u32, "the same stream is busy");
            PLUGIN.proxy_on_tick.unwrap()(1);
            open(3);
            assert_eq!(request(3), 0, "another stream is not");
            close(3);
        }
        None
    });
    let _installed = start(&host);
    open(2);
    assert_eq!(request(2), Action::StopIteration as u32, "the policy has answered the stream");
    assert_eq!(nested.get(), 1);
    let log = host.log.borrow().clone();
    assert!(log.contains(&"sluicegate: context is busy: 2".to_owned()), "{log:?}");
    assert!(log.contains(&"sluicegate: context is busy: 1".to_owned()), "{log:?}");
    close(2);
    serves_again(&host);
}

#[test]
fn a_stream_and_its_plugin_may_be_deleted_while_its_callback_runs() {
    let host = Scripted::new(|import, _| {
        if import == Import::proxy_get_header_map_pairs {
            PLUGIN.proxy_on_delete.unwrap()(2);
            PLUGIN.proxy_on_delete.unwrap()(2);
            PLUGIN.proxy_on_delete.unwrap()(1);
        }
        None
    });
    let _installed = start(&host);
    open(2);
    assert_eq!(request(2), 0);
    assert_eq!(filters(), 0);
    host.behave();
    PLUGIN.proxy_on_context_create.unwrap()(1, 0);
    serves_again(&host);
}

#[test]
fn blocks_that_nobody_asked_for_are_freed_with_the_next_callback() {
    let host = Scripted::new(|_, _| None);
    let _installed = start(&host);
    while !allocate(100).is_null() {}
    assert!(allocate(1).is_null());
    serves_again(&host);
    assert!(!allocate(1).is_null());
    (PLUGIN.proxy_on_tick.unwrap())(1);
}
