//! When memory grows and by how much, and what is kept in the free lists: all figures of that kind,
//! in one place.
//!
//! Every operation has a bound. So nothing here says "all": before memory grows, and before a
//! request is refused, a few kept blocks go back to the heap, and the next operation gives back the
//! next few. What is kept meanwhile is a small share of the heap, so it hardly shows in its pages.

use crate::source::PAGE;

/// The number of gaps of about the wanted size that are looked at before one that is surely large
/// enough is taken.
pub(crate) const TRIES: usize = 8;

/// Blocks are cut from the open gap unless what is left is so many times as large: a large gap is
/// kept whole for what is large.
pub(crate) const SPARE: usize = 2;

/// A small block is cut from the open gap if that is at most so many times as large, or no other
/// gap fits better.
pub(crate) const NEAR: usize = 8;

/// A large block is kept only if there is room for so many.
pub(crate) const ROOMY: usize = 16;

/// The number of kept blocks that go back to the heap for a request that nothing fits: while memory
/// grows, once memory has grown, and while memory does not grow. The first is small so that a
/// request that is then refused costs little. Six at once, before memory grows, made the worst
/// refusal dearer by half, and 16 growing buffers took as many pages.
pub(crate) const WANTED: usize = 2;
pub(crate) const GROWN: usize = 4;
pub(crate) const REFUSED: usize = 1;

/// The number of lists that are searched for these blocks, and for one block that is large enough.
pub(crate) const WANTED_LISTS: usize = 40;
pub(crate) const GROWN_LISTS: usize = 24;
pub(crate) const REFUSED_LISTS: usize = 8;
pub(crate) const LARGER: usize = 32;

/// The number of kept blocks that make room for others, each time that full lists did not have what
/// was wanted so often; and how many lists are looked at for them. Half as many while memory does
/// not grow.
pub(crate) const EVICTED: usize = 4;
pub(crate) const EVERY: usize = 8;
pub(crate) const LOOKED_AT: usize = 12;

/// The number of batches of a class that threads leave for each other; what is more goes to the
/// heap.
#[cfg(not(target_family = "wasm"))]
pub(crate) const DEPOT: usize = 16;

/// The number of kept blocks that go back to the heap with each block for which the lists have no
/// room, while they keep more than their share of a heap that has [`drained`].
pub(crate) const DRAINED: usize = 6;
pub(crate) const DRAINED_LISTS: usize = 64;

/// Returns whether a burst is over: most of a large heap of so many bytes is free, as so few are in
/// blocks.
pub(crate) const fn drained(heap: usize, used: usize) -> bool {
    heap >= 32 * PAGE && used < heap / 4
}

/// The bytes that the free lists keep at least, unless the heap has drained.
pub(crate) const KEPT_LEAST: usize = 8 * 1024;

/// Returns what the free lists keep in a heap of so many bytes, of which so many are in blocks: at
/// most, in bytes.
///
/// In a heap that has [`drained`] that is a share of what is in blocks, and nothing where less than
/// a sixteenth of the heap is. Each kept block parts a gap, and what a burst left is to serve a
/// large buffer. Until more is in blocks again, a pair of blocks takes what it takes the heap.
///
/// A kept block is a hole that others are placed around. With an eighth, and with large blocks kept
/// only while most of it is free ([`ROOMY`]), the trace of 64, 256 and 1,024 requests takes 25, 68
/// and 202 pages (std 22, 63 and 203). With a sixteenth and no regard for large blocks it took 28,
/// 72 and 214, and more instructions.
pub(crate) const fn kept(heap: usize, used: usize) -> usize {
    const MOST: usize = 512 * 1024;
    let share = if drained(heap, used) {
        (used / 8).saturating_sub(heap / 128)
    } else if heap < 32 * PAGE {
        heap / 16
    } else {
        heap / 8 - 2 * PAGE
    };
    if share < KEPT_LEAST && !drained(heap, used) {
        KEPT_LEAST
    } else if share > MOST {
        MOST
    } else {
        share
    }
}

/// By how many bytes a heap of so many grows at least: a thirty-second, in whole pages, so growth
/// after a burst is geometric and a small heap grows by what it needs.
///
/// Larger steps make fewer grows, and dearer ones: V8 takes 2–20 µs for one page and 130–160 µs for
/// 16–256.
pub(crate) const fn step(heap: usize) -> usize {
    heap / 32 / PAGE * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_share_within_bounds() {
        for (pages, expected) in
            [(0, 8 << 10), (1, 8 << 10), (4, 16 << 10), (32, 128 << 10), (64, 384 << 10), (128, 512 << 10)]
        {
            assert_eq!(kept(pages * PAGE, pages * PAGE), expected, "{pages} pages");
        }
        assert_eq!(kept(usize::MAX, usize::MAX), 512 << 10);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_used() {
        assert_eq!(kept(31 * PAGE, 0), kept(31 * PAGE, 31 * PAGE));
        for (used, expected) in [(0, 0), (2 * PAGE, 0), (4 * PAGE, PAGE / 4), (8 * PAGE - 8, 3 * PAGE / 4 - 1)] {
            assert_eq!(kept(32 * PAGE, used), expected, "{used} bytes");
        }
        assert_eq!(kept(32 * PAGE, 8 * PAGE), 128 << 10);
    }

    #[test]
    fn a_small_heap_grows_by_what_it_needs_and_a_large_one_by_a_share() {
        for (pages, expected) in [(0, 0), (31, 0), (32, 1), (64, 2), (1_000, 31), (16_384, 512)] {
            assert_eq!(step(pages * PAGE), expected * PAGE, "{pages} pages");
        }
    }

    /// From one page to 1 GiB page by page: few grows of memory.
    #[test]
    fn growth_is_geometric() {
        let (mut heap, mut grows) = (0, 0);
        while heap < 16_384 * PAGE {
            heap += step(heap).max(PAGE);
            grows += 1;
        }
        assert!(grows < 300, "{grows} grows");
    }
}
