//! The twin of the imports outside a proxy: the same functions, carried out by a simulated host of
//! the current thread.
//!
//! `sluicegate-host` implements [`Host`]. Filters under `cargo test` then run in the process of the
//! test. Each thread has a host of its own, so tests run side by side.

use alloc::rc::Rc;
use core::cell::RefCell;

pub use super::imports::Import;
use super::types::Status;

/// An argument of a host call. A pointer is kept as a pointer.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A number, or a size.
    Int(u64),
    /// The address of bytes of the guest. The size is the next argument.
    In(*const u8),
    /// The place where the host writes the address of a block.
    OutBlock(*mut *mut u8),
    /// The place where the host writes a size.
    OutSize(*mut usize),
    /// The place where the host writes a 32-bit number.
    OutU32(*mut u32),
    /// The place where the host writes a 64-bit number.
    OutU64(*mut u64),
}

macro_rules! from {
    ($($ty:ty => |$value:ident| $arg:expr;)*) => {
        $(impl From<$ty> for Arg {
            fn from($value: $ty) -> Self {
                $arg
            }
        })*
    };
}

from! {
    u32 => |value| Self::Int(u64::from(value));
    u64 => |value| Self::Int(value);
    usize => |value| Self::Int(value as u64);
    i32 => |value| Self::Int(i64::from(value).cast_unsigned());
    i64 => |value| Self::Int(value.cast_unsigned());
    *const u8 => |value| Self::In(value);
    *mut *mut u8 => |value| Self::OutBlock(value);
    *mut usize => |value| Self::OutSize(value);
    *mut u32 => |value| Self::OutU32(value);
    *mut u64 => |value| Self::OutU64(value);
}

/// A simulated host.
pub trait Host {
    /// Carries out a host call, and returns its status.
    ///
    /// # Safety
    ///
    /// - Each [`Arg::In`] is valid for reads of the size that follows it, for the time of the call.
    /// - Each `Arg::Out…` is valid for a write of its type, for the time of the call.
    unsafe fn call(&self, import: Import, args: &[Arg]) -> u32;
}

crate::__std::thread_local! {
    static CURRENT: RefCell<Option<Rc<dyn Host>>> = const { RefCell::new(None) };
}

/// Installs a host for the current thread until the guard is dropped. Then the host before is
/// installed again.
#[must_use]
pub fn install(host: Rc<dyn Host>) -> Installed {
    Installed { before: CURRENT.with(|current| current.replace(Some(host))) }
}

/// Returns the current thread's host, for another host that wraps it, or `None` if there is none.
#[must_use]
pub fn current() -> Option<Rc<dyn Host>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// A guard that keeps a host installed.
pub struct Installed {
    before: Option<Rc<dyn Host>>,
}

impl Drop for Installed {
    fn drop(&mut self) {
        let before = self.before.take();
        // When the thread ends, its variables may be gone, and with them the host.
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}

/// Calls the current host. Without a host, every function is unimplemented.
pub(super) fn call(import: Import, args: &[Arg]) -> u32 {
    match current() {
        // SAFETY: the contracts of the imports promise what `Host::call` requires, and `args` are
        // their arguments.
        Some(host) => unsafe { host.call(import, args) },
        None => Status::Unimplemented.code(),
    }
}
