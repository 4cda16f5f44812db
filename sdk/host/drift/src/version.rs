//! The differences between the versions of the ABI, which the crate's features select.
#![allow(unsafe_code, reason = "the filter speaks the raw ABI, so that what it logs is the host's and not an SDK's")]

#[cfg(feature = "abi-0-1-0")]
use crate::raw::handed_over;
#[cfg(not(any(feature = "abi-0-1-0", feature = "abi-0-2-0")))]
use crate::raw::written;
#[cfg(not(feature = "abi-0-1-0"))]
use crate::raw::{buffer, foreign};
use crate::raw::{callback, host};
use crate::trace;

#[cfg(feature = "abi-0-1-0")]
host! {
    fn proxy_continue_request();
    fn proxy_continue_response();
    fn proxy_clear_route_cache();
    fn proxy_get_configuration(at: *mut *mut u8, size: *mut usize);
}

#[cfg(not(feature = "abi-0-1-0"))]
host! {
    fn proxy_continue_stream(stream: u32);
    fn proxy_close_stream(stream: u32);
}

#[cfg(not(any(feature = "abi-0-1-0", feature = "abi-0-2-0")))]
host! {
    fn proxy_get_log_level(level: *mut u32);
}

/// The result in place of a function that this version of the ABI does not have. It is no status of
/// the ABI.
#[cfg(any(feature = "abi-0-1-0", feature = "abi-0-2-0"))]
const NO_SUCH_FUNCTION: u32 = 99;

#[cfg(feature = "abi-0-1-0")]
pub(crate) fn resume(stream: u32) -> u32 {
    match stream {
        // SAFETY: there are no addresses.
        0 => unsafe { proxy_continue_request() },
        // SAFETY: there are no addresses.
        1 => unsafe { proxy_continue_response() },
        _ => NO_SUCH_FUNCTION,
    }
}

#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn resume(stream: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_continue_stream(stream) }
}

#[cfg(feature = "abi-0-1-0")]
pub(crate) fn close(_: u32) -> u32 {
    NO_SUCH_FUNCTION
}

/// Returns the configuration of the plugin or the VM that starts.
#[cfg(feature = "abi-0-1-0")]
pub(crate) fn configuration() -> (u32, Vec<u8>) {
    // SAFETY: the addresses are of variables.
    handed_over(|at, size| unsafe { proxy_get_configuration(at, size) })
}

#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn configuration() -> (u32, Vec<u8>) {
    buffer(7, 0, usize::MAX >> 1)
}

#[cfg(feature = "abi-0-1-0")]
pub(crate) fn clear_route_cache() -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_clear_route_cache() }
}

#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn clear_route_cache() -> u32 {
    foreign(b"clear_route_cache", b"").0
}

#[cfg(not(feature = "abi-0-1-0"))]
pub(crate) fn close(stream: u32) -> u32 {
    // SAFETY: there are no addresses.
    unsafe { proxy_close_stream(stream) }
}

#[cfg(any(feature = "abi-0-1-0", feature = "abi-0-2-0"))]
pub(crate) fn level() -> (u32, u32) {
    (NO_SUCH_FUNCTION, 0)
}

#[cfg(not(any(feature = "abi-0-1-0", feature = "abi-0-2-0")))]
pub(crate) fn level() -> (u32, u32) {
    // SAFETY: the addresses are of live slices and variables, with their sizes.
    written(|number| unsafe { proxy_get_log_level(number) })
}

/// Names the version of the ABI. The host looks for this export and never calls it.
#[cfg(feature = "abi-0-1-0")]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_abi_version_0_1_0() {}

/// Names the version of the ABI. The host looks for this export and never calls it.
#[cfg(all(feature = "abi-0-2-0", not(feature = "abi-0-1-0")))]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_abi_version_0_2_0() {}

/// Names the version of the ABI. The host looks for this export and never calls it.
#[cfg(not(any(feature = "abi-0-1-0", feature = "abi-0-2-0")))]
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_abi_version_0_2_1() {}

#[cfg(feature = "abi-0-1-0")]
callback!(proxy_on_request_headers, "request_headers", (headers), 0);
#[cfg(feature = "abi-0-1-0")]
callback!(proxy_on_response_headers, "response_headers", (headers), 0);
#[cfg(not(feature = "abi-0-1-0"))]
callback!(proxy_on_request_headers, "request_headers", (headers, end), 0);
#[cfg(not(feature = "abi-0-1-0"))]
callback!(proxy_on_response_headers, "response_headers", (headers, end), 0);
