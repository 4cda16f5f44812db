//! The process that plays: it does what comes through its input, and times each call.

use std::alloc::{GlobalAlloc, Layout};
use std::io::{Read, Result, Write, stdin, stdout};
use std::ptr::null_mut;

use allocator_api2::alloc::Allocator;
use bumpalo::Bump;
use sluicegate_benches::clock::time;
use sluicegate_traces::hostile::Op;

use crate::rivals::{BUMPALO, global};

/// Names the allocator of a process that is a child.
pub(crate) const CHILD: &str = "SLUICEGATE_BENCH_HOSTILE_CHILD";

/// Blocks and operations of a trace at most.
const MOST: usize = 1 << 22;

/// Bytes of an order.
const CODE: usize = 32;

/// An operation for the child.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// As [`Op::Allocate`].
    Allocate { block: usize, size: usize, align: usize, zeroed: bool },
    /// As [`Op::Free`].
    Free { block: usize },
    /// As [`Op::Resize`].
    Resize { block: usize, size: usize },
    /// The next blocks are of this region.
    Enter { region: usize },
    /// They are of none again.
    Leave,
}

impl Order {
    /// None for what an allocator has no part in.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        match *op {
            Op::Allocate { block, size, align, zeroed } => Some(Self::Allocate { block, size, align, zeroed }),
            Op::Free { block } => Some(Self::Free { block }),
            Op::Resize { block, size } => Some(Self::Resize { block, size }),
            Op::Enter { region } => Some(Self::Enter { region }),
            Op::Leave => Some(Self::Leave),
            Op::Close { .. } | Op::Request | Op::Measure | Op::Cap(_) => None,
        }
    }

    pub(crate) fn encode(self) -> [u8; CODE] {
        let words = match self {
            Self::Allocate { block, size, align, zeroed } => {
                [u64::from(zeroed), block as u64, size as u64, align as u64]
            }
            Self::Free { block } => [2, block as u64, 0, 0],
            Self::Resize { block, size } => [3, block as u64, size as u64, 0],
            Self::Enter { region } => [4, region as u64, 0, 0],
            Self::Leave => [5, 0, 0, 0],
        };
        let mut code = [0; CODE];
        code.chunks_exact_mut(8).zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
        code
    }

    fn decode(code: [u8; CODE]) -> Self {
        let word = |at: usize| {
            let mut bytes = [0; 8];
            bytes.copy_from_slice(&code[at * 8..][..8]);
            u64::from_le_bytes(bytes) as usize
        };
        match word(0) {
            kind @ 0..=1 => Self::Allocate { block: word(1), size: word(2), align: word(3), zeroed: kind == 1 },
            2 => Self::Free { block: word(1) },
            3 => Self::Resize { block: word(1), size: word(2) },
            4 => Self::Enter { region: word(1) },
            _ => Self::Leave,
        }
    }
}

#[derive(Clone, Copy)]
struct Held {
    at: *mut u8,
    layout: Layout,
}

/// An allocator, or the arenas of regions.
enum Heap {
    Global(&'static (dyn GlobalAlloc + Sync)),
    Bumps { of: Vec<Option<Bump>>, entered: Option<usize> },
}

/// Does what the parent says, and answers with the figures in the end.
pub(crate) fn serve(rival: &str) -> Result<()> {
    let mut heap = match global(rival) {
        Some(heap) => Heap::Global(heap),
        None => {
            assert_eq!(rival, BUMPALO);
            Heap::Bumps { of: Vec::new(), entered: None }
        }
    };
    let none = Held { at: null_mut(), layout: Layout::new::<u64>() };
    // Written, so that they are resident before the first block.
    let mut blocks = vec![none; MOST];
    let mut times = vec![1_u64; MOST];
    times.clear();
    let (mut input, mut output) = (stdin().lock(), stdout().lock());
    let (mut codes, mut granted) = (vec![1_u8; CODE * 8192], vec![1_u8; 8192]);
    let before = resident("VmRSS:");
    loop {
        let mut length = [0; 8];
        input.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length == u64::MAX {
            break;
        }
        let length = length as usize;
        codes.resize(CODE * length, 0);
        granted.resize(length, 0);
        input.read_exact(&mut codes)?;
        for (code, granted) in codes.as_chunks().0.iter().zip(&mut granted) {
            *granted = heap.play(Order::decode(*code), &mut blocks, &mut times);
        }
        output.write_all(&granted)?;
        output.flush()?;
    }
    let figures = [resident("VmHWM:"), resident("VmRSS:")].map(|now| now.saturating_sub(before) / 64);
    for word in figures.iter().chain(&times) {
        output.write_all(&word.to_le_bytes())?;
    }
    Ok(())
}

impl Heap {
    /// One if there is a block, as asked for.
    fn play(&mut self, order: Order, blocks: &mut [Held], times: &mut Vec<u64>) -> u8 {
        match order {
            Order::Enter { region } => {
                self.enter(Some(region));
                return 0;
            }
            Order::Leave => {
                self.enter(None);
                return 0;
            }
            _ => {}
        }
        let (held, took) = time(|| self.held(order, blocks));
        times.push(took.as_nanos() as u64);
        let Some(held) = held else { return 0 };
        let (Order::Allocate { block, .. } | Order::Resize { block, .. }) = order else { return 0 };
        if held.at.is_null() {
            return 0;
        }
        blocks[block] = held;
        // Used, so that it is resident.
        for offset in (0..held.layout.size()).step_by(4096) {
            // SAFETY: the block is live and has this size.
            unsafe { held.at.wrapping_add(offset).write_volatile(1) };
        }
        1
    }

    /// Returns the block that an operation leaves, or `None` if it leaves none, or if it was
    /// refused.
    fn held(&mut self, order: Order, blocks: &mut [Held]) -> Option<Held> {
        match order {
            Order::Allocate { size, align, zeroed, .. } => {
                let layout = Layout::from_size_align(size, align).ok()?;
                Some(Held { at: self.allocate(layout, zeroed), layout })
            }
            Order::Resize { block, size } => {
                let Held { at, layout } = blocks[block];
                let new = Layout::from_size_align(size, layout.align()).ok()?;
                let Self::Global(heap) = self else { return None };
                if at.is_null() {
                    return None;
                }
                // SAFETY: the block is live and of this layout, and the size is not zero.
                Some(Held { at: unsafe { heap.realloc(at, layout, size) }, layout: new })
            }
            Order::Free { block } => {
                let Held { at, layout } = blocks[block];
                blocks[block].at = null_mut();
                if let (Self::Global(heap), false) = (&*self, at.is_null()) {
                    // SAFETY: the block is live and of this layout.
                    unsafe { heap.dealloc(at, layout) };
                }
                None
            }
            Order::Enter { .. } | Order::Leave => None,
        }
    }

    fn allocate(&mut self, layout: Layout, zeroed: bool) -> *mut u8 {
        match self {
            // SAFETY: no trace asks for an empty block.
            Self::Global(heap) if zeroed => unsafe { heap.alloc_zeroed(layout) },
            // SAFETY: as above.
            Self::Global(heap) => unsafe { heap.alloc(layout) },
            Self::Bumps { of, entered } => {
                let bump = entered.and_then(|region| of[region].as_ref());
                bump.and_then(|bump| bump.allocate(layout).ok()).map_or(null_mut(), |block| block.cast().as_ptr())
            }
        }
    }

    fn enter(&mut self, region: Option<usize>) {
        if let Self::Bumps { of, entered } = self {
            *entered = region;
            if let Some(region) = region {
                if of.len() <= region {
                    of.resize_with(region + 1, || None);
                }
                of[region].get_or_insert_with(Bump::new);
            }
        }
    }
}

/// KiB of this process, by the system's count; zero if it does not tell.
fn resident(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
