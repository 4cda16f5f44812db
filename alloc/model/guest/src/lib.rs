//! The interpreter as a module: the host hands it operations, and hears before and after each
//! growth of the allocator under test, so that it can refuse it.
//!
//! The model keeps its own books in the module's usual allocator, which grows the same memory in
//! between: someone else's growth, as in any module.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "exports and imports of a module")]

use core::cell::RefCell;
use core::ptr::NonNull;

use sluicegate_alloc::source::{Linear, PAGE, Source};
use sluicegate_alloc::{Freelist, Heap, System, Talc};
use sluicegate_alloc_model::broken::{Broken, Fault};
use sluicegate_alloc_model::{Bound, Op, Plain, Regions, Report, run, traces, usual};

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Tells the host that the allocator under test begins to grow memory (1), or is done (0).
    safe fn growth(begins: u32);
}

/// Linear memory, with the host told; it counts only what it handed out itself.
struct Watched {
    inner: Linear,
    own: usize,
}

// SAFETY: all pieces are `Linear`'s.
unsafe impl Source for Watched {
    fn next(&self) -> Option<usize> {
        self.inner.next()
    }

    fn acquire(&mut self, least: usize, wish: usize) -> Option<NonNull<[u8]>> {
        growth(1);
        let piece = self.inner.acquire(least, wish);
        growth(0);
        self.own += piece.map_or(0, NonNull::len);
        piece
    }

    fn held(&self) -> usize {
        self.own
    }

    fn limit(&mut self, pages: usize) {
        self.inner.limit(pages);
    }
}

struct State {
    ops: Vec<u8>,
    message: String,
    report: Report,
}

struct Kept(RefCell<State>);

// SAFETY: the module has one thread.
unsafe impl Sync for Kept {}

static STATE: Kept = Kept(RefCell::new(State {
    ops: Vec::new(),
    message: String::new(),
    report: Report { peak: 0, live: 0, refused: 0, pages: 0, grows: 0 },
}));

/// Room for so many bytes of encoded operations.
#[unsafe(no_mangle)]
extern "C" fn ops(length: usize) -> *mut u8 {
    let mut state = STATE.0.borrow_mut();
    state.ops = vec![0; length];
    state.ops.as_mut_ptr()
}

/// The number of strategies before those with a fault.
const SOUND: usize = 5;

/// Runs the operations: 0 talc, 1 the heap, 2 free lists, 3 arena, 4 the standard library's, 5 and
/// on the free lists with a fault each. False if a promise was broken.
#[unsafe(no_mangle)]
extern "C" fn interpret(strategy: usize) -> bool {
    interpreted(strategy, Op::decode, |peak| usual(peak) * 2)
}

/// Plays a sequence whose sizes and alignments may be anything, and no bound on memory: an
/// alignment may take all of it.
#[unsafe(no_mangle)]
extern "C" fn interpret_unbounded(strategy: usize) -> bool {
    interpreted(strategy, Op::decode_extreme, |_| usize::MAX / PAGE)
}

fn interpreted(strategy: usize, decode: fn([u8; 8]) -> Op, bound: Bound) -> bool {
    let mut state = STATE.0.borrow_mut();
    let ops: Vec<Op> = state.ops.as_chunks().0.iter().map(|&code| decode(code)).collect();
    let source = Watched { inner: Linear::new(), own: 0 };
    let result = match strategy {
        0 => run(&mut Plain(Talc::new(source)), &ops, bound),
        1 => run(&mut Heap::new(source), &ops, bound),
        2 => run(&mut Freelist::new(source), &ops, bound),
        3 => run(&mut Regions::new(source), &ops, bound),
        // Its pages are those of all memory.
        4 => run(&mut System::new(), &ops, |_| usize::MAX / PAGE),
        _ => run(&mut Broken::new(Freelist::new(source), Fault::ALL[strategy - SOUND]), &ops, usual),
    };
    match result {
        Ok(report) => {
            state.report = report;
            true
        }
        Err(message) => {
            state.message = message;
            false
        }
    }
}

/// Plays a trace of the benches on a strategy, numbered as above. False if a promise was broken.
#[unsafe(no_mangle)]
extern "C" fn play(strategy: usize, trace: usize, scale: u32) -> bool {
    let mut state = STATE.0.borrow_mut();
    let source = Watched { inner: Linear::new(), own: 0 };
    let result = match strategy {
        0 => traces::play(&mut Plain(Talc::new(source)), trace, scale, usual),
        1 => traces::play(&mut Heap::new(source), trace, scale, usual),
        2 => traces::play(&mut Freelist::new(source), trace, scale, usual),
        3 => traces::play(&mut Regions::new(source), trace, scale, usual),
        4 => traces::play(&mut System::new(), trace, scale, |_| usize::MAX / PAGE),
        _ => traces::play(&mut Broken::new(Freelist::new(source), Fault::ALL[strategy - SOUND]), trace, scale, usual),
    };
    let kept = result.is_ok();
    state.message = result.err().unwrap_or_default();
    kept
}

/// Requests that were answered with null.
#[unsafe(no_mangle)]
extern "C" fn refused() -> usize {
    STATE.0.borrow().report.refused
}

/// The fault that was found.
#[unsafe(no_mangle)]
extern "C" fn message() -> *const u8 {
    STATE.0.borrow().message.as_ptr()
}

#[unsafe(no_mangle)]
extern "C" fn message_length() -> usize {
    STATE.0.borrow().message.len()
}
