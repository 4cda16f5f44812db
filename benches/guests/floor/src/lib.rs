//! The benchmark job without an SDK, which is what every SDK is measured against.
//!
//! The job: on request headers, read all of them, sum the lengths of names and values, set
//! `x-total-bytes` to the sum in decimal; on response headers, add `x-filter: 1`. This crate does
//! it with the five imports and exports which that takes and std's allocator: one host-driven
//! allocation a request, freed exactly, and nothing else.
//!
//! Natively it is empty.
#![cfg(target_family = "wasm")]
#![allow(unsafe_code, reason = "the point of this crate is to speak the raw ABI (0.2.1) with nothing in between")]

use std::alloc::{Layout, alloc, dealloc};

/// `proxy_header_map_type_t`: HTTP request headers.
const REQUEST_HEADERS: u32 = 0;
/// `proxy_header_map_type_t`: HTTP response headers.
const RESPONSE_HEADERS: u32 = 2;
/// `proxy_action_t`: let the headers pass.
const CONTINUE: u32 = 0;
/// `proxy_status_t`: success.
const OK: u32 = 0;
/// The digits of the largest `u32`.
const MAX_DIGITS: usize = 10;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_header_map_pairs(map: u32, block: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_add_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, len: usize) -> u32;
}

unsafe extern "C" {
    /// wasi-libc's constructors. A reactor that does not call them itself gets each of its exports
    /// wrapped in them.
    fn __wasm_call_ctors();
}

/// Names the ABI; the host looks for it and never calls it.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

/// The reactor's start.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    // SAFETY: the host calls `_initialize` once, before any other export.
    unsafe { __wasm_call_ctors() }
}

/// Gives the host a block of exactly `size` bytes, or null.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not zero.
        Ok(layout) if size != 0 => unsafe { alloc(layout) },
        _ => std::ptr::null_mut(),
    }
}

/// Reads all request headers and sets one.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    let (mut block, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: both addresses are of this frame's variables, and writable.
    let status = unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, &raw mut block, &raw mut size) };
    if status != OK || block.is_null() {
        return CONTINUE;
    }
    // SAFETY: the host answered OK, so the block is one of `proxy_on_memory_allocate`, `size` bytes
    // that it filled.
    let pairs = unsafe { std::slice::from_raw_parts(block, size) };
    let total = total_length(pairs);
    if let Ok(layout) = Layout::array::<u8>(size) {
        // SAFETY: the block came from `alloc` with this layout, the host does not keep it, and
        // `pairs` is not used again.
        unsafe { dealloc(block, layout) }
    }
    let mut digits = [0; MAX_DIGITS];
    let (name, value) = (b"x-total-bytes", decimal(total, &mut digits));
    // SAFETY: both ranges are of live slices, and the host only reads them.
    unsafe {
        proxy_replace_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
    CONTINUE
}

/// Adds one response header.
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_response_headers(_context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    let (name, value) = (b"x-filter", b"1");
    // SAFETY: both ranges are of static arrays, and the host only reads them.
    unsafe {
        proxy_add_header_map_value(RESPONSE_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len());
    }
    CONTINUE
}

/// The sum of all lengths in a serialised map: a count, then a name's and a value's length for each
/// pair, all `u32` in little endian. Lengths that a truncated block does not hold count as nothing.
fn total_length(block: &[u8]) -> u32 {
    let Some((count, rest)) = block.split_first_chunk() else { return 0 };
    let lengths = (u32::from_le_bytes(*count) as usize).saturating_mul(2);
    let (words, _) = rest.as_chunks();
    words.iter().take(lengths).fold(0, |sum, word| sum.wrapping_add(u32::from_le_bytes(*word)))
}

/// Writes `number` to the end of `digits` and gives the part that it takes.
fn decimal(mut number: u32, digits: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut start = MAX_DIGITS;
    for (at, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        start = at;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}
