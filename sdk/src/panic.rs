//! A panic handler for modules without the standard library.

/// Defines the panic handler of a module without the standard library. The handler writes a panic's
/// message and place to the proxy's log, as one critical line, and the module traps.
///
/// The standard library brings 18 kB into a module that can panic: its own panic handler, the
/// environment variables that the handler reads, and wasi-libc's allocator to hold them, whichever
/// allocator the module uses. A filter that needs only `core` and `alloc` leaves these out:
///
/// ```
/// #![cfg_attr(not(feature = "std"), no_std)]
/// extern crate alloc;
///
/// use alloc::string::String;
/// use sluicegate::prelude::*;
///
/// #[derive(Default)]
/// struct Last {
///     path: String,
/// }
///
/// # #[sluicegate::http_filter]
/// # impl HttpFilter for Last {}
/// sluicegate::plugin!(http: Last);
/// #[cfg(not(feature = "std"))]
/// sluicegate::panic_handler!();
/// # fn main() {}
/// ```
///
/// The filter has a feature `std` of its own, on by default, so that tests and other builds have
/// the standard library. Such a module needs an allocator feature other than `alloc-system`. If one
/// of its dependencies uses the standard library, the compiler reports that `panic_impl` is found
/// twice. Then leave this macro out. Outside of wasm the macro does nothing.
#[macro_export]
macro_rules! panic_handler {
    () => {
        #[cfg(target_family = "wasm")]
        #[panic_handler]
        fn panicked(panic: &::core::panic::PanicInfo<'_>) -> ! {
            $crate::__panicked(panic)
        }
    };
}

/// Logs a panic, without asking for the log's level, and traps. The text is that of the standard
/// library, but written in pieces: the standard library's own code for a place pads the file's
/// name, which is 1 kB.
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub fn __panicked(panic: &core::panic::PanicInfo<'_>) -> ! {
    crate::log::panicked(panic);
    core::arch::wasm32::unreachable()
}
