//! Memory under a counting and failing allocator: what a stream takes comes back to the byte, what
//! a request allocates is known, and no refused allocation is a trap.
#![allow(unsafe_code, reason = "a global allocator, and a host that writes where the guest asks for it")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::rc::Rc;

use sluicegate::abi::native::{self, Arg, Host};
use sluicegate::abi::{Import, allocate};
use sluicegate::prelude::*;

/// Counts for each thread, and refuses when told to.
struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    /// The number of allocations that succeed before one is refused. `None` refuses none.
    static REFUSE_AFTER: Cell<Option<usize>> = const { Cell::new(None) };
}

// SAFETY: everything is the system allocator's, or null, which is always allowed.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match REFUSE_AFTER.get() {
            Some(0) => return std::ptr::null_mut(),
            Some(left) => REFUSE_AFTER.set(Some(left - 1)),
            None => {}
        }
        LIVE.set(LIVE.get() + layout.size().cast_signed());
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.set(LIVE.get() - layout.size().cast_signed());
        // SAFETY: the caller's promise; every block is the system allocator's.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

#[derive(Default)]
struct Filter {
    _state: [u64; 4],
}

#[sluicegate::http_filter]
impl HttpFilter for Filter {
    fn on_request_headers(&mut self, request: &mut RequestHeaders<'_>) -> Result<Action> {
        for _ in 0..20 {
            let total: usize = request.snapshot()?.iter().map(|(name, value)| name.len() + value.len()).sum();
            if total == 0 || request.get("k")?.is_none() {
                return Err(Error::new("no headers"));
            }
        }
        Ok(Action::Continue)
    }

    fn on_response_headers(&mut self, response: &mut ResponseHeaders<'_>) -> Result<Action> {
        response.snapshot()?;
        response.add("x", 1)?;
        response.snapshot()?;
        response.replace_all(&[("a", "b")])?;
        response.reply(&LocalResponse::new(200).headers(&[("c", "d")]))
    }
}

sluicegate::plugin!(http: Filter);

/// A host that never allocates: one header map, and Ok to everything else.
struct Frugal;

const MAP: &[u8] = b"\x02\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\0\0k\0v\0l\0w\0";

impl Host for Frugal {
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32 {
        if let (Import::proxy_get_header_map_pairs, [_, Arg::OutBlock(start), Arg::OutSize(size)]) = (import, args) {
            let block = allocate(MAP.len());
            if block.is_null() {
                return Status::InvalidMemoryAccess.code();
            }
            // SAFETY: the guest allocated this many bytes.
            unsafe { std::ptr::copy_nonoverlapping(MAP.as_ptr(), block, MAP.len()) };
            // SAFETY: the guest passes a place.
            unsafe { start.write(block) };
            // SAFETY: as above.
            unsafe { size.write(MAP.len()) };
        }
        0
    }
}

struct Guest {
    create: fn(u32, u32),
    delete: fn(u32),
    request: fn(u32, u32, u32) -> u32,
    response: fn(u32, u32, u32) -> u32,
    _installed: native::Installed,
}

fn guest() -> Guest {
    let installed = native::install(Rc::new(Frugal));
    (PLUGIN.reset)();
    let guest = Guest {
        create: PLUGIN.proxy_on_context_create.unwrap(),
        delete: PLUGIN.proxy_on_delete.unwrap(),
        request: PLUGIN.proxy_on_request_headers.unwrap(),
        response: PLUGIN.proxy_on_response_headers.unwrap(),
        _installed: installed,
    };
    (guest.create)(1, 0);
    guest
}

#[test]
fn streams_give_back_every_byte() {
    let guest = guest();
    // The first stream makes the table.
    (guest.create)(2, 1);
    (guest.delete)(2);
    let before = LIVE.get();
    let last = if cfg!(miri) { 200 } else { 4_000 };
    for id in 3..last {
        (guest.create)(id, 1);
        assert_eq!((guest.request)(id, 2, 1), 0);
    }
    assert!(LIVE.get() > before);
    for id in (3..last).rev() {
        assert_eq!((guest.response)(id, 2, 1), 1);
        (guest.delete)(id);
    }
    assert_eq!(LIVE.get(), before);
}

#[test]
fn a_request_that_reads_forty_times_allocates_its_context_and_one_block() {
    let guest = guest();
    (guest.create)(2, 1);
    let before = ALLOCATIONS.get();
    (guest.create)(3, 1);
    let opened = 1 + usize::from(cfg!(feature = "budget"));
    assert_eq!(ALLOCATIONS.get() - before, opened, "the stream's context, and with budgets its account");
    (guest.request)(3, 2, 1);
    assert_eq!(ALLOCATIONS.get() - before, opened + 1, "and the host's block");
    (guest.delete)(3);
}

#[test]
fn a_refused_allocation_is_an_answer() {
    let guest = guest();
    let mut refused = 0;
    for allowed in 0..12 {
        let live = LIVE.get();
        REFUSE_AFTER.set(Some(allowed));
        (guest.create)(2, 1);
        let request = (guest.request)(2, 2, 1);
        let response = (guest.response)(2, 2, 1);
        (guest.delete)(2);
        let all_went_well = REFUSE_AFTER.get() != Some(0) && request == 0;
        REFUSE_AFTER.set(None);
        assert!(request <= 1 && response <= 1);
        refused += u32::from(!all_went_well);
        // The table may have been made meanwhile; nothing else stays.
        assert!(LIVE.get() - live < 1024, "{allowed}");
    }
    assert!((3..12).contains(&refused), "{refused}");

    // After all that a stream is served as ever.
    let live = LIVE.get();
    (guest.create)(3, 1);
    assert_eq!((guest.request)(3, 2, 1), 0);
    assert_eq!((guest.response)(3, 2, 1), 1);
    (guest.delete)(3);
    assert_eq!(LIVE.get(), live);
}
