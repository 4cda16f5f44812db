//! Operations, their form as bytes, and sequences of them.

/// The number of regions in sequences.
pub const REGIONS: u8 = 6;

/// The largest size in a sequence, in bytes.
pub const SIZE_MOST: usize = 300_000;

/// The largest exponent of an alignment in a sequence of [`extremes`]. With words of 32 bits it is
/// the last that a layout may have.
pub const ALIGN_MOST: u32 = 30;

/// The kind of an encoded operation with any size and alignment that a layout may have, and of a
/// resize to such a size.
const EXTREME: u8 = 16;
const RESIZE_EXTREME: u8 = EXTREME + 11;

/// The bytes of an encoded operation.
const CODE: usize = 8;

/// One operation. Blocks are named by number, modulo the number of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Asks for a block.
    Allocate {
        /// The size in bytes, not zero.
        size: usize,
        /// The alignment, as the exponent of a power of two.
        align: u32,
    },
    /// Asks for a block of zeros.
    Zeroed {
        /// The size in bytes, not zero.
        size: usize,
        /// The alignment, as the exponent of a power of two.
        align: u32,
    },
    /// Frees a block.
    Free {
        /// The number of the block.
        which: usize,
    },
    /// Changes a block's size.
    Resize {
        /// The number of the block.
        which: usize,
        /// The new size in bytes, not zero.
        size: usize,
    },
    /// Gives back the memory that is cached.
    Trim,
    /// Enters a region.
    Enter {
        /// The number of the region.
        region: u8,
    },
    /// Leaves the region entered last.
    Leave,
    /// Ends a region.
    Close {
        /// The number of the region.
        region: u8,
    },
}

impl Op {
    /// Encodes the operation as eight bytes: kind, alignment or region, block, size.
    #[must_use]
    pub fn encode(&self) -> [u8; CODE] {
        let (kind, small, which, size) = match *self {
            Self::Allocate { size, align } => (0, align as u8, 0, size),
            Self::Zeroed { size, align } => (5, align as u8, 0, size),
            Self::Free { which } => (6, 0, which, 1),
            Self::Resize { which, size } => (11, 0, which, size),
            Self::Enter { region } => (13, region, 0, 1),
            Self::Leave => (14, 0, 0, 1),
            Self::Close { region } => (15, region, 0, 1),
            Self::Trim => (15, REGIONS, 0, 1),
        };
        let extreme = size > SIZE_MOST || matches!(self, Self::Allocate { align, .. } if *align > 13);
        let [low, high] = (which as u16).to_le_bytes();
        let [a, b, c, d] = if extreme { pack(size) } else { size as u32 }.to_le_bytes();
        [if extreme { kind | EXTREME } else { kind }, small, low, high, a, b, c, d]
    }

    /// Decodes an operation from any eight bytes. Encoded operations are decoded to themselves.
    #[must_use]
    pub fn decode([kind, small, low, high, a, b, c, d]: [u8; CODE]) -> Self {
        let which = usize::from(u16::from_le_bytes([low, high]));
        let size = fold(u32::from_le_bytes([a, b, c, d]));
        match kind & 15 {
            0..=4 => Self::Allocate { size, align: u32::from(small % 14) },
            5 => Self::Zeroed { size, align: u32::from(small % 14) },
            6..=10 => Self::Free { which },
            11 | 12 => Self::Resize { which, size },
            13 => Self::Enter { region: small % REGIONS },
            14 => Self::Leave,
            _ if small == REGIONS => Self::Trim,
            _ => Self::Close { region: small % REGIONS },
        }
    }

    /// Decodes an operation whose size and alignment may be anything that a layout may have.
    #[must_use]
    pub fn decode_extreme(code: [u8; CODE]) -> Self {
        let [kind, small, low, high, a, b, c, d] = code;
        let which = usize::from(u16::from_le_bytes([low, high]));
        let size = unpack(u32::from_le_bytes([a, b, c, d]));
        match kind {
            EXTREME => {
                let align = u32::from(small) % (ALIGN_MOST + 1);
                Self::Allocate { size: valid(size, align), align }
            }
            // The alignment of the block is not known here.
            RESIZE_EXTREME => Self::Resize { which, size: valid(size, ALIGN_MOST) },
            _ => Self::decode(code),
        }
    }

    /// Decodes the operations of a run of bytes. Bytes that are left over at the end are ignored.
    pub fn decode_all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.as_chunks().0.iter().map(|&code| Self::decode(code))
    }
}

/// Converts any number to a size. A size that sequences hold stays itself. Every other number is
/// spread evenly over all doublings.
fn fold(raw: u32) -> usize {
    let size = raw as usize;
    if (1..=SIZE_MOST).contains(&size) {
        return size;
    }
    1 + (size & ((1 << (4 + (raw >> 27) % 15)) - 1))
}

/// Returns the nearest size that a layout of this alignment may have.
fn valid(size: usize, align: u32) -> usize {
    size.clamp(1, isize::MAX as usize + 1 - (1 << align))
}

/// Packs a size into 32 bits. If the highest bit is set, the rest is the distance to the largest
/// size of a layout.
fn pack(size: usize) -> u32 {
    match u32::try_from(size) {
        Ok(size) if size < 1 << 31 => size,
        _ => 1 << 31 | (isize::MAX as usize - size) as u32,
    }
}

fn unpack(raw: u32) -> usize {
    let (far, size) = (raw >> 31 == 1, (raw & !(1 << 31)) as usize);
    if far { isize::MAX as usize - size } else { size }
}

#[cfg(feature = "proptest")]
pub use generated::{extremes, sequences};

#[cfg(feature = "proptest")]
mod generated {
    use proptest::prelude::*;

    use super::{ALIGN_MOST, Op, REGIONS, SIZE_MOST, valid};

    /// Generates sizes like those of requests: mostly small, some of 1–64 KiB, few above, and every
    /// border of a class.
    fn sizes() -> impl proptest::strategy::Strategy<Value = usize> {
        prop_oneof![
            12 => 1usize..=160,
            4 => 160usize..=2048,
            3 => 2048usize..=70_000,
            1 => 70_000usize..=SIZE_MOST,
            2 => (4u32..=16, -1isize..=1).prop_map(|(log, by)| (1usize << log).saturating_add_signed(by)),
        ]
    }

    /// Generates sequences of up to `most` operations.
    pub fn sequences(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            10 => (sizes(), 0u32..=4).prop_map(|(size, align)| Op::Allocate { size, align }),
            1 => (sizes(), 5u32..=13).prop_map(|(size, align)| Op::Allocate { size, align }),
            1 => (sizes(), 0u32..=6).prop_map(|(size, align)| Op::Zeroed { size, align }),
            9 => any::<u16>().prop_map(usize::from).prop_map(|which| Op::Free { which }),
            4 => (any::<u16>().prop_map(usize::from), sizes()).prop_map(|(which, size)| Op::Resize { which, size }),
            1 => Just(Op::Trim),
            3 => (0..REGIONS).prop_map(|region| Op::Enter { region }),
            3 => Just(Op::Leave),
            1 => (0..REGIONS).prop_map(|region| Op::Close { region }),
        ];
        prop::collection::vec(op, 1..most)
    }

    /// Generates sizes that fill a memory of 4 GiB, and sizes that no memory has.
    fn large() -> impl proptest::strategy::Strategy<Value = usize> {
        prop_oneof![
            6 => (20u32..28).prop_flat_map(|log| 1usize << log..2 << log),
            1 => (28u32..31).prop_flat_map(|log| 1usize << log..2 << log),
            1 => (0usize..70_000).prop_map(|less| isize::MAX as usize - less),
        ]
    }

    /// Generates sequences of up to `most` operations of any size and alignment, beside ordinary
    /// ones.
    pub fn extremes(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Op>> {
        let allocate = |(size, align)| Op::Allocate { size: valid(size, align), align };
        let which = || any::<u16>().prop_map(usize::from);
        let op = prop_oneof![
            6 => (sizes(), 0u32..=13).prop_map(allocate),
            3 => (large(), 0u32..=4).prop_map(allocate),
            1 => (large(), 0u32..=ALIGN_MOST).prop_map(allocate),
            2 => (sizes(), 14u32..=ALIGN_MOST).prop_map(allocate),
            8 => which().prop_map(|which| Op::Free { which }),
            2 => (which(), sizes()).prop_map(|(which, size)| Op::Resize { which, size }),
            1 => (which(), large()).prop_map(|(which, size)| Op::Resize { which, size: valid(size, ALIGN_MOST) }),
            1 => Just(Op::Trim),
            2 => (0..REGIONS).prop_map(|region| Op::Enter { region }),
            2 => Just(Op::Leave),
            1 => (0..REGIONS).prop_map(|region| Op::Close { region }),
        ];
        prop::collection::vec(op, 1..most)
    }
}
