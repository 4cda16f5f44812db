//! The layout of a strategy's memory, which a report walks over.

use crate::freelist::stack::Stack;
use crate::heap::shape::Gaps;

/// The layout of a strategy's memory: see [`Strategy::shape`](crate::Strategy::shape).
///
/// A strategy that is built on [`Heap`](crate::Heap), [`Freelist`](crate::Freelist) or
/// [`Arena`](crate::Arena) returns the shape of that one.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    pub(crate) gaps: Gaps<'a>,
    /// The lists of kept blocks, by slot.
    pub(crate) kept: &'a [Stack],
    /// The records of regions.
    pub(crate) records: &'a [u32],
}

impl<'a> Shape<'a> {
    pub(crate) const fn of(gaps: Gaps<'a>) -> Self {
        Self { gaps, kept: &[], records: &[] }
    }
}
