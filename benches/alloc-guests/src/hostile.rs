//! Operations that the host sends one by one. The host counts the instructions between two of them.
//!
//! The module has no state of its own, so its memory is the heap, and a page of stack and data. The
//! host keeps the addresses of the blocks, and the regions as bytes.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use std::alloc::{alloc, alloc_zeroed, dealloc, realloc};

use sluicegate_alloc::region::Region;

use crate::Kept;

/// The order of the host, and the bytes of a region that go back to the host.
#[repr(C)]
struct Order {
    block: usize,
    size: usize,
    align: usize,
    longer: usize,
    region: MaybeUninit<Region>,
    /// The largest number of bytes of a region, for the host.
    _room: [usize; 16],
}

static ORDER: Kept<Order> =
    Kept::new(Order { block: 0, size: 0, align: 0, longer: 0, region: MaybeUninit::uninit(), _room: [0; 16] });

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    /// Passes the result of the last operation to the host, and returns the next operation. Its
    /// parameters are in the order.
    safe fn next(result: usize) -> u32;
}

const END: u32 = 0;
const ALLOCATE: u32 = 1;
const ZEROED: u32 = 2;
const FREE: u32 = 3;
const RESIZE: u32 = 4;
const OPEN: u32 = 5;
const ENTER: u32 = 6;
const LEAVE: u32 = 7;
const CLOSE: u32 = 8;

/// Returns the address at which the host writes the parameters.
#[unsafe(no_mangle)]
extern "C" fn order() -> *mut u8 {
    ORDER.0.as_ptr().cast()
}

/// Returns the address of a region's bytes in the order.
#[unsafe(no_mangle)]
extern "C" fn region_at() -> *mut u8 {
    ORDER.with(|order| order.region.as_mut_ptr().cast())
}

/// Returns the number of these bytes.
#[unsafe(no_mangle)]
extern "C" fn region_size() -> usize {
    size_of::<Region>()
}

/// Does the operations of the host until there are no more, or until the host leaves the region
/// that it entered.
#[unsafe(no_mangle)]
extern "C" fn play() {
    let mut result = 0;
    loop {
        let kind = next(result);
        let (block, size, align, longer) = ORDER.with(|order| (order.block, order.size, order.align, order.longer));
        let block = core::ptr::with_exposed_provenance_mut::<u8>(block);
        // SAFETY: the host hands over layouts that are valid.
        let layout = unsafe { Layout::from_size_align_unchecked(size, align) };
        result = match kind {
            // SAFETY: no trace asks for an empty block.
            ALLOCATE => unsafe { alloc(layout) }.expose_provenance(),
            // SAFETY: as above.
            ZEROED => unsafe { alloc_zeroed(layout) }.expose_provenance(),
            FREE => {
                // SAFETY: the host says where a live block lies, and how it was asked for.
                unsafe { dealloc(block, layout) };
                0
            }
            // SAFETY: as above, and the new size is not zero.
            RESIZE => unsafe { realloc(block, layout, longer) }.expose_provenance(),
            OPEN => {
                put(Region::new());
                0
            }
            ENTER => {
                // SAFETY: the host wrote the bytes of a region that is open and not entered: until
                // they are written back it is nowhere else.
                let region = unsafe { taken() };
                region.within(|| play());
                put(region);
                0
            }
            CLOSE => {
                // SAFETY: as for `ENTER`; the host forgets it.
                let _closed = unsafe { taken() };
                0
            }
            LEAVE | END => return,
            _ => 0,
        };
    }
}

/// Passes a region to the host, as bytes.
fn put(region: Region) {
    ORDER.with(|order| order.region = MaybeUninit::new(region));
}

/// Returns the region whose bytes the host wrote.
///
/// # Safety
///
/// The bytes are those of a region from `put`, and the region is not in use here.
unsafe fn taken() -> Region {
    // SAFETY: as the caller promises.
    ORDER.with(|order| unsafe { order.region.assume_init_read() })
}
