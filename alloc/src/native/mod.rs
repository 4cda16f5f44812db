//! The free lists for many threads.
//!
//! | layer | who has it | how it is reached |
//! |---|---|---|
//! | [`magazines`] | one thread | a push, a pop; nobody is asked |
//! | [`large`] | one thread, of blocks of 1–64 KiB | the same |
//! | [`depot`] | all threads, one for each small class | whole batches, by lock-free exchange |
//! | [`shared`] | all threads: the free lists of one thread, over the heap | a spin lock |
//!
//! A block has no owner. If it is freed on another thread, it joins that thread's magazine. Full
//! magazines go through the depot to a thread that has no blocks left. So a producer and a consumer
//! hold two magazines each, and no more. Large blocks go through the lists behind the lock.
//!
//! **The lock** is held for one operation of the free lists, or for one batch of up to 64 blocks
//! that goes back to the heap, and never for a walk. So a thread waits a few microseconds for each
//! thread before it. The lock is not fair.
//!
//! **Kept blocks go back before memory grows** here too, a batch at a time: some of the thread's
//! own large blocks, and one batch of a depot. If memory is refused, everything goes back, and the
//! lock is released after each batch. The blocks that other threads keep do not go back; their
//! number is bounded. Right after that, memory grows without another give-back, by up to twice the
//! bytes that the thread gave back: see [`large`].

#[cfg(not(any(loom, shuttle)))]
mod counters;
mod depot;
#[cfg(not(any(loom, shuttle)))]
mod installed;
mod large;
mod magazines;
#[cfg(all(test, any(loom, shuttle)))]
mod schedules;
mod shared;
mod worker;

#[cfg(not(any(loom, shuttle)))]
pub use installed::Native;
pub use shared::Shared;
pub use worker::Worker;
