//! The shared traces as exports.

use sluicegate_alloc::region::Region;
use sluicegate_traces::bare::{self, Churn};
use sluicegate_traces::block::Block;
use sluicegate_traces::{request, rust};

use crate::{Kept, Tested};

static REQUESTS: Kept<request::Trace> = Kept::new(request::Trace::new());
static RUST: Kept<rust::Trace> = Kept::new(rust::Trace::new());
static CHURN: Kept<Churn> = Kept::new(Churn::new());
/// The region of the bare traces. It outlives a call, as a stream outlives its callbacks. In the
/// other traces the arena works like its free lists.
static REGION: Kept<Option<Region>> = Kept::new(None);

/// Plays the request trace until this number of further requests has ended, with `open` requests at
/// once.
#[unsafe(no_mangle)]
extern "C" fn requests(open: u32, count: u32) {
    REQUESTS.with(|trace| trace.run(Tested, open as usize, count));
}

/// Begins the same sequence of requests again. Open requests stay open.
#[unsafe(no_mangle)]
extern "C" fn requests_rewind() {
    REQUESTS.with(request::Trace::rewind);
}

#[unsafe(no_mangle)]
extern "C" fn requests_drain() {
    REQUESTS.with(|trace| trace.drain(Tested));
}

/// Plays ordinary Rust code until this number of further streams has ended, with `open` streams at
/// once.
#[unsafe(no_mangle)]
extern "C" fn rust(open: u32, count: u32) -> u32 {
    RUST.with(|trace| trace.run(open as usize, count)) as u32
}

#[unsafe(no_mangle)]
extern "C" fn rust_drain() {
    RUST.with(rust::Trace::drain);
}

/// Allocates and frees one block at a time.
#[unsafe(no_mangle)]
extern "C" fn pair(count: u32) {
    bare::pair(Tested, count);
}

/// Allocates and frees batches of blocks, in reverse order (0) or in their own (1).
#[unsafe(no_mangle)]
extern "C" fn batch(count: u32, fifo: u32) {
    bare::batch(Tested, count, fifo == 1);
}

/// Replaces one of `live` blocks at random.
#[unsafe(no_mangle)]
extern "C" fn churn(live: u32, count: u32) {
    CHURN.with(|churn| churn.run(Tested, live as usize, count));
}

#[unsafe(no_mangle)]
extern "C" fn churn_drain() {
    CHURN.with(|churn| churn.drain(Tested));
}

/// Does the same as `churn`, with blocks of 8 bytes to 64 KiB.
#[unsafe(no_mangle)]
extern "C" fn mixed(live: u32, count: u32) {
    CHURN.with(|churn| churn.mixed(Tested, live as usize, count));
}

/// Grows one of `live` buffers at random, to 256 bytes to 256 KiB.
#[unsafe(no_mangle)]
extern "C" fn growing_buffers(live: u32, count: u32) {
    CHURN.with(|churn| churn.growing(Tested, live as usize, count));
}

/// The bare traces in a region.
fn within(f: impl FnOnce()) {
    REGION.with(|region| region.get_or_insert_default().within(f));
}

#[unsafe(no_mangle)]
extern "C" fn pair_within(count: u32) {
    within(|| bare::pair(Tested, count));
}

#[unsafe(no_mangle)]
extern "C" fn batch_within(count: u32, fifo: u32) {
    within(|| bare::batch(Tested, count, fifo == 1));
}

#[unsafe(no_mangle)]
extern "C" fn churn_within(live: u32, count: u32) {
    within(|| CHURN.with(|churn| churn.run(Tested, live as usize, count)));
}

/// Allocates and frees one buffer.
#[unsafe(no_mangle)]
extern "C" fn big(bytes: u32) {
    Block::new(Tested, bytes as usize).free(Tested);
}
