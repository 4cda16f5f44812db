//! The allocators with which a guest can be built. This is the one list: the command line, the
//! guests' features and the compared variants all come from it.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, anyhow};
use clap::ValueEnum;
use clap::builder::PossibleValue;

/// The variable that limits the end-to-end tests to one allocator. Without it they run with each.
pub const ONLY_ALLOCATOR: &str = "SLUICEGATE_E2E_ALLOCATOR";

/// An allocator of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Allocator {
    /// std's own, which is dlmalloc.
    System,
    /// talc.
    Talc,
    /// Free lists over talc.
    Freelist,
    /// A region for each stream, in front of the free lists.
    Arena,
}

impl Allocator {
    /// All allocators, in the order of tables.
    pub const ALL: &'static [Self] = &[Self::System, Self::Talc, Self::Freelist, Self::Arena];

    /// Returns the name on command lines and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Talc => "talc",
            Self::Freelist => "freelist",
            Self::Arena => "arena",
        }
    }

    /// Returns the cargo feature of a guest that installs the allocator.
    pub fn feature(self) -> String {
        format!("alloc-{}", self.name())
    }
}

impl fmt::Display for Allocator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Allocator {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.iter().copied().find(|allocator| allocator.name() == name).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|allocator| allocator.name()).collect();
            anyhow!("there is no allocator `{name}`; there are: {}", known.join(", "))
        })
    }
}

impl ValueEnum for Allocator {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_allocator() {
        for &allocator in Allocator::ALL {
            assert_eq!(allocator.to_string().parse::<Allocator>().unwrap(), allocator);
            assert_eq!(allocator.feature(), format!("alloc-{allocator}"));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "jemalloc".parse::<Allocator>().unwrap_err().to_string();
        assert!(
            error.starts_with("there is no allocator `jemalloc`; there are: system, talc, freelist, arena"),
            "{error}"
        );
    }
}
