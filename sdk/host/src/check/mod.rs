//! Checks a filter: assertions, scenarios that fit every filter, and sweeps.

mod assertions;
pub(crate) mod sweep;
pub(crate) mod traffic;
