//! Values that VMs share: read, compared, updated against others.
#![allow(unsafe_code, reason = "a host of another kind")]

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use sluicegate::abi::Import;
use sluicegate::abi::native::{self, Arg};
use sluicegate::prelude::*;
use sluicegate::shared_data;
use sluicegate_host::{Host, RunningHost};

#[derive(Default)]
struct Filter;

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        shared_data::update("streams", |value| number(value) + 1)?;
        request.replace("x-streams", number(shared_data::get("streams")?.as_deref()).0)?;
        Ok(Action::Continue)
    }
}

sluicegate::plugin!(http: Filter);

/// A number in a value.
#[derive(Clone, Copy)]
struct Number(u64, [u8; 8]);

fn number(value: Option<&[u8]>) -> Number {
    let bytes = value.map_or([0; 8], |value| value.try_into().unwrap());
    Number(u64::from_le_bytes(bytes), bytes)
}

impl std::ops::Add<u64> for Number {
    type Output = Self;

    fn add(self, more: u64) -> Self {
        Self(self.0 + more, (self.0 + more).to_le_bytes())
    }
}

impl AsRef<[u8]> for Number {
    fn as_ref(&self) -> &[u8] {
        &self.1
    }
}

fn start() -> RunningHost {
    Host::new(&PLUGIN).start()
}

#[test]
fn streams_count_together() {
    let host = start();
    host.set_shared_data("streams", 40_u64.to_le_bytes());
    for expected in ["41", "42"] {
        let stream = host.http_stream();
        assert_eq!(stream.request_headers(&[("a", "b")]), 0, "{:?}", host.log());
        assert_eq!(stream.request_header("x-streams").as_deref(), Some(expected));
        stream.complete();
    }
    assert_eq!(host.shared_data("streams").unwrap(), 42_u64.to_le_bytes());
}

#[test]
fn absent_and_empty_are_two_things() -> Result<()> {
    let host = start();
    assert!(shared_data::get("k")?.is_none());
    shared_data::set("k", "")?;
    let empty = shared_data::get("k")?.unwrap();
    assert!(empty.is_empty() && empty.cas() != 0);
    shared_data::set(b"k\0\xff", b"\0v")?;
    assert_eq!(&*shared_data::get(b"k\0\xff")?.unwrap().into_bytes(), b"\0v");
    assert_eq!(host.shared_data("k"), Some(vec![]));
    Ok(())
}

#[test]
fn the_first_who_compares_wins() -> Result<()> {
    let host = start();
    shared_data::set("k", "a")?;
    let (mine, theirs) = (shared_data::get("k")?.unwrap(), shared_data::get("k")?.unwrap());
    assert_eq!(mine.cas(), theirs.cas());
    assert!(shared_data::compare_and_set("k", "b", mine.cas())?);
    assert!(!shared_data::compare_and_set("k", "c", theirs.cas())?);
    assert_eq!(host.shared_data("k").unwrap(), b"b");
    let error = shared_data::compare_and_set("k", "d", 0).unwrap_err();
    assert_eq!(error.to_string(), "proxy_set_shared_data (key k): the CAS number 0 means no comparison");
    assert_eq!(host.shared_data("k").unwrap(), b"b");
    Ok(())
}

#[test]
fn an_update_sees_what_others_write_meanwhile() -> Result<()> {
    let host = start();
    for before in [None, Some("0")] {
        let key = before.unwrap_or("absent");
        if let Some(value) = before {
            host.set_shared_data(key, value);
        }
        let runs = Cell::new(0);
        shared_data::update(key, |value| {
            runs.set(runs.get() + 1);
            if runs.get() <= 3 {
                host.set_shared_data(key, format!("theirs {}", runs.get()));
            }
            [value.unwrap_or(b"nothing"), b" + mine"].concat()
        })?;
        assert_eq!(runs.get(), 4);
        assert_eq!(host.shared_data(key).unwrap(), b"theirs 3 + mine");
    }
    Ok(())
}

/// A host that compares the number of a key that is absent too.
#[derive(Default)]
struct Strict {
    numbers: RefCell<Vec<u64>>,
}

impl native::Host for Strict {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        match (import, args) {
            (Import::proxy_set_shared_data, [.., Arg::Int(cas)]) => {
                self.numbers.borrow_mut().push(*cas);
                if *cas == 0 { Status::Ok.code() } else { Status::CasMismatch.code() }
            }
            _ => Status::NotFound.code(),
        }
    }
}

#[test]
fn an_update_of_an_absent_key_works_on_a_host_that_compares_nothing_to_it() -> Result<()> {
    let host = Rc::new(Strict::default());
    let _installed = native::install(host.clone());
    shared_data::update("k", |value| {
        assert!(value.is_none());
        "v"
    })?;
    // Neither a number that a value has after a few writes, nor one whose successor compares
    // nothing.
    let numbers = host.numbers.borrow();
    assert!(matches!(**numbers, [1_000_000_000..=4_000_000_000, 0]), "{numbers:?}");
    Ok(())
}

#[test]
fn an_update_that_never_gets_its_turn_gives_up() {
    let host = start();
    let mut runs = 0;
    let error = shared_data::update("k", |_| {
        runs += 1;
        host.set_shared_data("k", "theirs");
        "mine"
    });
    let error = error.unwrap_err();
    assert_eq!((runs, error.status()), (16, Some(Status::CasMismatch)));
    assert_eq!(error.to_string(), "proxy_set_shared_data (key k): error status returned by host: cas mismatch");
    assert_eq!(host.shared_data("k").unwrap(), b"theirs");
}

#[test]
fn refusals_are_errors_and_nothing_is_lost() {
    let host = start();
    host.set_shared_data("k", "v");
    host.fail(Import::proxy_set_shared_data, Status::InternalFailure);
    assert_eq!(shared_data::set("k", "w").unwrap_err().status(), Some(Status::InternalFailure));
    assert_eq!(shared_data::update("k", |_| "w").unwrap_err().status(), Some(Status::InternalFailure));
    assert_eq!(shared_data::compare_and_set("k", "w", 1).unwrap_err().call(), Some("proxy_set_shared_data"));
    host.fail(Import::proxy_set_shared_data, Status::NotFound);
    assert!(!shared_data::compare_and_set("k", "w", 1).unwrap());
    host.fail(Import::proxy_get_shared_data, Status::InvalidMemoryAccess);
    let error = shared_data::get("k").unwrap_err();
    assert!(error.is_out_of_memory() && error.call() == Some("proxy_get_shared_data"));
    let stream = host.http_stream();
    assert_eq!(stream.request_headers(&[("a", "b")]), Action::Pause as u32);
    assert_eq!(stream.reply().unwrap().status, 500);
    assert_eq!(host.shared_data("k").unwrap(), b"v");
}
