//! The operations, and sequences of them.

use proptest::prelude::*;

/// Regions that sequences speak of.
pub const REGIONS: u8 = 6;

/// One step. Blocks are named by number, modulo how many there are.
#[derive(Debug, Clone)]
pub enum Op {
    Allocate { size: usize, align: u32 },
    Free { which: usize },
    Resize { which: usize, size: usize },
    Trim,
    Enter { region: u8 },
    Leave,
    Close { region: u8 },
}

/// Sizes as requests have them: mostly small, some of 1–64 KiB, few above; and every border of a class.
fn sizes() -> impl proptest::strategy::Strategy<Value = usize> {
    prop_oneof![
        12 => 1usize..=160,
        4 => 160usize..=2048,
        3 => 2048usize..=70_000,
        1 => 70_000usize..=300_000,
        2 => (4u32..=16, -1isize..=1).prop_map(|(log, by)| (1usize << log).saturating_add_signed(by)),
    ]
}

/// Sequences of up to `most` operations.
pub fn sequences(most: usize) -> impl proptest::strategy::Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        10 => (sizes(), 0u32..=4).prop_map(|(size, align)| Op::Allocate { size, align }),
        1 => (sizes(), 5u32..=13).prop_map(|(size, align)| Op::Allocate { size, align }),
        9 => any::<usize>().prop_map(|which| Op::Free { which }),
        4 => (any::<usize>(), sizes()).prop_map(|(which, size)| Op::Resize { which, size }),
        1 => Just(Op::Trim),
        3 => (0..REGIONS).prop_map(|region| Op::Enter { region }),
        3 => Just(Op::Leave),
        1 => (0..REGIONS).prop_map(|region| Op::Close { region }),
    ];
    prop::collection::vec(op, 1..most)
}
