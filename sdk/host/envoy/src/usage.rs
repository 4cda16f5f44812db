//! The resources of a process: its CPU time, its memory, and the linear memory of its V8 VMs. Linux
//! provides them. Elsewhere each function returns `None`.

use std::fs;

/// The bytes of a page of linear memory.
pub const WASM_PAGE: u64 = 64 * 1024;
/// The address space that V8 reserves for each linear memory. The part behind the memory is
/// inaccessible.
const V8_RESERVES: u64 = 8 << 30;
/// The least inaccessible space behind a linear memory. Nothing else in an Envoy is followed by so
/// much.
const GUARD: u64 = 1 << 30;
/// The length of a tick in `/proc/PID/stat`: `USER_HZ` is 100 on every platform that Envoy is built
/// for.
const NANOS_PER_TICK: u64 = 10_000_000;

/// The linear memories in a process. Envoy has one for itself and one for each worker, and leaves
/// as many behind with each update of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasmMemory {
    /// The number of linear memories.
    pub vms: usize,
    /// The size of the largest one, in bytes.
    pub largest: u64,
}

/// Returns the CPU time of a process in nanoseconds, or `None` if the system does not provide it.
///
/// It is the time of the living threads. If the kernel does not count so finely, it is the time of
/// the process in ticks of 10 ms.
pub fn cpu_nanos(pid: u32) -> Option<u64> {
    cpu_of_threads(pid).or_else(|| cpu_in_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))
}

/// Returns the resident memory of a process in KiB, or `None` if the system does not provide it.
pub fn rss_kib(pid: u32) -> Option<u64> {
    rss_in(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Returns the linear memories in a process, or `None` if it has none or the system does not tell.
pub fn wasm_memory(pid: u32) -> Option<WasmMemory> {
    wasm_memory_in(&fs::read_to_string(format!("/proc/{pid}/maps")).ok()?)
}

fn cpu_of_threads(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
        // A thread that ends between the two calls has no file any more.
        let Ok(text) = fs::read_to_string(thread.ok()?.path().join("schedstat")) else { continue };
        sum += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    (sum > 0).then_some(sum)
}

/// Reads the ticks in `PID (name) state …`: fields 14 and 15. They are counted from the end of the
/// name, because the name may hold anything.
fn cpu_in_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut ticks = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some((ticks.next()?.ok()? + ticks.next()?.ok()?) * NANOS_PER_TICK)
}

fn rss_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Finds each writable anonymous mapping that is followed, without a gap, by an inaccessible
/// mapping of at least 1 GiB.
fn wasm_memory_in(maps: &str) -> Option<WasmMemory> {
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::parse).collect();
    let sizes = mappings.windows(2).filter_map(|pair| {
        let [memory, guard] = pair else { return None };
        let is_memory = memory.access.starts_with("rw") && memory.anonymous;
        let is_guard = guard.access.starts_with("---") && guard.start == memory.end && guard.size() >= GUARD;
        (is_memory && is_guard).then(|| {
            // The kernel may show an unrelated writable neighbour in front of the memory as one
            // mapping with it. The size of the guard then gives the size of the memory.
            V8_RESERVES.checked_sub(guard.size()).map_or(memory.size(), |size| size.min(memory.size()))
        })
    });
    let sizes: Vec<_> = sizes.collect();
    Some(WasmMemory { vms: sizes.len(), largest: sizes.into_iter().max()? })
}

/// A line of `/proc/PID/maps`: `start-end access offset device inode [path]`.
struct Mapping<'a> {
    start: u64,
    end: u64,
    access: &'a str,
    anonymous: bool,
}

impl<'a> Mapping<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let access = fields.next()?;
        Some(Self {
            start: u64::from_str_radix(start, 16).ok()?,
            end: u64::from_str_radix(end, 16).ok()?,
            access,
            anonymous: fields.nth(2)? == "0" && fields.next().is_none(),
        })
    }

    fn size(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mappings of an Envoy 1.40 with a filter of two pages, and with one of three in the
    /// worker's VM.
    const MAPS: &str = "\
55d58b400000-55d58b560000 rw-p 00000000 00:00 0                          [heap]
73e7bf400000-73e7c0000000 rw-p 00000000 00:00 0
7efdd2aa0000-7efdd2ac0000 rw-p 00000000 00:00 0
7efdd2ac0000-7effd2aa0000 ---p 00000000 00:00 0
7effd2aa0000-7effd2ac0000 rw-p 00000000 00:00 0
7effd2ac0000-7f01d2aa0000 ---p 00000000 00:00 0
7f0202a60000-7f0202a80000 ---p 00000000 00:00 0
7f0202a80000-7f0202ab0000 rw-p 00000000 00:00 0
7f0202ab0000-7f0402a80000 ---p 00000000 00:00 0
7f0410000000-7f0410021000 rw-p 00000000 00:00 0
7f0410021000-7f0414000000 ---p 00000000 00:00 0
7f0500000000-7f0500001000 rw-p 00000000 08:01 77                         /usr/lib/x.so
7f0500001000-7f0580001000 ---p 00000000 00:00 0
";

    #[test]
    fn linear_memories_are_found_before_their_guards() {
        assert_eq!(wasm_memory_in(MAPS), Some(WasmMemory { vms: 3, largest: 3 * WASM_PAGE }));
        assert_eq!(wasm_memory_in("55d58b400000-55d58b560000 rw-p 00000000 00:00 0 [heap]\n"), None);
        assert_eq!(wasm_memory_in(""), None);
    }

    #[test]
    fn a_merged_neighbour_does_not_count() {
        let maps = "7efd00000000-7efd00820000 rw-p 00000000 00:00 0\n7efd00820000-7eff00800000 ---p 00000000 00:00 0\n";
        assert_eq!(wasm_memory_in(maps), Some(WasmMemory { vms: 1, largest: 2 * WASM_PAGE }));
    }

    #[test]
    fn status_and_stat_are_read() {
        assert_eq!(rss_in("Name:\tx\nVmRSS:\t   86016 kB\nThreads:\t9\n"), Some(86016));
        assert_eq!(rss_in("Name:\tx\n"), None);
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1 2 3";
        assert_eq!(cpu_in_ticks(stat), Some(2_000_000_000));
        assert_eq!(cpu_in_ticks("12 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_cpu_and_memory() {
        let pid = std::process::id();
        let before = cpu_nanos(pid).unwrap();
        let spun = (0..20_000_000_u64).fold(0_u64, |sum, n| std::hint::black_box(sum.wrapping_mul(31) ^ n));
        assert!(cpu_nanos(pid).unwrap() > before, "{spun}");
        assert!(rss_kib(pid).unwrap() > 100);
    }
}
