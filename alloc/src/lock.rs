//! A lock of one byte.

use crate::sync::{AtomicBool, Ordering, constant, pause};

/// It spins: what it guards takes tens of nanoseconds, and an allocator cannot park through a lock that allocates.
#[derive(Debug)]
pub(crate) struct Spin(AtomicBool);

/// The lock is held until this is dropped.
pub(crate) struct Held<'a>(&'a AtomicBool);

impl Spin {
    constant! {
        pub(crate) fn new() -> Self {
            Self(AtomicBool::new(false))
        }
    }

    pub(crate) fn hold(&self) -> Held<'_> {
        let mut turns = 0u32;
        while self.0.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Reading alone leaves the line shared until the holder writes it.
            while self.0.load(Ordering::Relaxed) {
                turns = turns.wrapping_add(1);
                pause(turns);
            }
        }
        Held(&self.0)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
