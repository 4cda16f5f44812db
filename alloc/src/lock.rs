//! A lock of one byte. It is empty where there is one thread.

use crate::sync::{AtomicBool, Ordering, SINGLE_THREADED, constant, pause};

/// The lock spins, because the guarded work takes tens of nanoseconds, and an allocator cannot park
/// a thread with a lock that allocates.
#[derive(Debug)]
pub(crate) struct Spin(AtomicBool);

/// The lock is held until this value is dropped.
pub(crate) struct Held<'a>(&'a AtomicBool);

impl Spin {
    constant! {
        pub(crate) fn new() -> Self {
            Self(AtomicBool::new(false))
        }
    }

    #[inline]
    pub(crate) fn hold(&self) -> Held<'_> {
        if !SINGLE_THREADED {
            self.wait();
        }
        Held(&self.0)
    }

    fn wait(&self) {
        let mut turns = 0u32;
        while self.0.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            // Reading alone leaves the line shared until the holder writes it.
            while self.0.load(Ordering::Relaxed) {
                turns = turns.wrapping_add(1);
                pause(turns);
            }
        }
    }
}

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        if !SINGLE_THREADED {
            self.0.store(false, Ordering::Release);
        }
    }
}
