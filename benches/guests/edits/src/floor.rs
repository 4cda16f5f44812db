//! The jobs by hand, each read and each edit a host call of its own, without an SDK.
#![allow(unsafe_code, reason = "the point of this file is to speak the raw ABI (0.2.1) with nothing in between")]

use core::cell::UnsafeCell;
use std::alloc::{Layout, alloc, dealloc};

use crate::jobs::{Job, Kind, LONG};

/// `proxy_header_map_type_t`: HTTP request headers.
const REQUEST_HEADERS: u32 = 0;
/// `proxy_buffer_type_t`: the plugin's configuration.
const CONFIGURATION: u32 = 7;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, most: usize, block: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, block: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_header_map_value(map: u32, name: *const u8, len: usize, block: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_add_header_map_value(map: u32, name: *const u8, name_len: usize, value: *const u8, len: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_len: usize) -> u32;
}

unsafe extern "C" {
    /// wasi-libc's constructors.
    fn __wasm_call_ctors();
}

/// The number of contexts that may have a job. Numbers go up with each request, and the plugins
/// come first.
const PLUGINS: usize = 64;

/// The jobs of the plugins, by the numbers of their contexts, and the job of the stream that was
/// created last, which is the one whose headers come next.
struct Jobs(UnsafeCell<([Job; PLUGINS], Job)>);

// SAFETY: a wasm module without atomics has one thread.
unsafe impl Sync for Jobs {}

static JOBS: Jobs =
    Jobs(UnsafeCell::new(([Job { kind: Kind::Nothing, count: 0 }; PLUGINS], Job { kind: Kind::Nothing, count: 0 })));

/// Names the ABI; the host looks for it and never calls it.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_abi_version_0_2_1() {}

/// The reactor's start.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn _initialize() {
    // SAFETY: the host calls `_initialize` once, before any other export.
    unsafe { __wasm_call_ctors() }
}

/// Gives the host a block of exactly `size` bytes, or null.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    match Layout::array::<u8>(size) {
        // SAFETY: the size is not zero.
        Ok(layout) if size != 0 => unsafe { alloc(layout) },
        _ => std::ptr::null_mut(),
    }
}

/// Reads the configuration of a plugin.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_configure(plugin: u32, _: usize) -> u32 {
    let job = bytes(
        // SAFETY: both addresses are of the caller's variables, and writable.
        |block, size| unsafe { proxy_get_buffer_bytes(CONFIGURATION, 0, usize::MAX >> 1, block, size) },
        Job::parse,
    );
    // SAFETY: nobody else has a reference: the module has one thread, and no reference outlives its
    // callback.
    let (jobs, _) = unsafe { &mut *JOBS.0.get() };
    if let Some((place, job)) = jobs.get_mut(plugin as usize).zip(job) {
        *place = job;
    }
    1
}

/// Notes the job of a stream.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_context_create(_: u32, parent: u32) {
    // SAFETY: as in `proxy_on_configure`.
    let (jobs, next) = unsafe { &mut *JOBS.0.get() };
    *next = jobs.get(parent as usize).copied().unwrap_or_default();
}

/// Does the job.
#[unsafe(no_mangle)]
pub(crate) extern "C" fn proxy_on_request_headers(_context: u32, _headers: u32, _end_of_stream: u32) -> u32 {
    // SAFETY: as in `proxy_on_configure`.
    let (_, job) = unsafe { &*JOBS.0.get() };
    core::hint::black_box(run(*job));
    0
}

/// Gives the bytes of a host call to a function, and frees them; `None` if there are none.
fn bytes<R>(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32, with: impl FnOnce(&[u8]) -> R) -> Option<R> {
    let (mut block, mut size) = (std::ptr::null_mut(), 0);
    if call(&raw mut block, &raw mut size) != 0 || block.is_null() {
        return None;
    }
    // SAFETY: the host answered OK, so the block is one of `proxy_on_memory_allocate`, `size` bytes
    // that it filled.
    let result = with(unsafe { std::slice::from_raw_parts(block, size) });
    if let Ok(layout) = Layout::array::<u8>(size) {
        // SAFETY: the block came from `alloc` with this layout, the host does not keep it, and it
        // is not used again.
        unsafe { dealloc(block, layout) }
    }
    Some(result)
}

fn get(name: &str) -> usize {
    // SAFETY: the range is of a live slice, and both addresses are of the caller's variables.
    let call =
        |block, size| unsafe { proxy_get_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), block, size) };
    usize::from(bytes(call, |_| ()).is_some())
}

/// Counts the names that the map has.
fn map(names: impl Iterator<Item = &'static str>) -> usize {
    // SAFETY: both addresses are of the caller's variables.
    let call = |block, size| unsafe { proxy_get_header_map_pairs(REQUEST_HEADERS, block, size) };
    bytes(call, |block| names.filter(|name| contains(block, name.as_bytes())).count()).unwrap_or_default()
}

/// Returns whether a name is in a serialised map.
fn contains(block: &[u8], name: &[u8]) -> bool {
    let Some((count, rest)) = block.split_first_chunk() else { return false };
    let count = u32::from_le_bytes(*count) as usize;
    let (lengths, _) = rest.as_chunks::<4>();
    let mut at = 4 + 8 * count;
    for pair in lengths.as_chunks::<2>().0.iter().take(count) {
        let [name_len, value_len] = pair.map(|length| u32::from_le_bytes(length) as usize);
        if block.get(at..at + name_len) == Some(name) {
            return true;
        }
        at += name_len + value_len + 2;
    }
    false
}

fn add(name: &str, value: &str) {
    // SAFETY: both ranges are of live slices, and the host only reads them.
    unsafe { proxy_add_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn replace(name: &str, value: &str) {
    // SAFETY: both ranges are of live slices, and the host only reads them.
    unsafe { proxy_replace_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len(), value.as_ptr(), value.len()) };
}

fn remove(name: &str) {
    // SAFETY: the range is of a live slice, and the host only reads it.
    unsafe { proxy_remove_header_map_value(REQUEST_HEADERS, name.as_ptr(), name.len()) };
}

fn run(job: Job) -> usize {
    match job.kind {
        Kind::Nothing => 0,
        Kind::Add => job.added().map(|name| add(name, "value")).count(),
        Kind::AddLong => job.added().map(|name| add(name, LONG)).count(),
        Kind::Replace => job.added().map(|name| replace(name, "value")).count(),
        Kind::GetPresent => job.present().map(get).sum(),
        Kind::GetAbsent => job.absent().map(get).sum(),
        Kind::SnapshotPresent => map(job.present()),
        Kind::SnapshotAbsent => map(job.absent()),
        Kind::EditThenGet => {
            let before = map(job.added());
            job.added().for_each(|name| replace(name, "value"));
            before + job.added().map(get).sum::<usize>()
        }
        Kind::EditThenSnapshot => {
            let before = map(job.added());
            job.added().for_each(|name| replace(name, "value"));
            before + map(job.added())
        }
        Kind::Cycle => job
            .added()
            .map(|name| {
                add(name, "value");
                let found = get(name);
                remove(name);
                found
            })
            .sum(),
        Kind::Batch => {
            job.added().for_each(|name| add(name, "value"));
            let found = job.added().map(get).sum();
            job.added().for_each(remove);
            found
        }
    }
}
