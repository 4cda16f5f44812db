//! Load tests in real Envoys: `load` compares filters by the CPU time that they add, and `exhaust`
//! sends more uploads at once than a budget has room for.
#![forbid(unsafe_code)]

pub mod exhaust;
pub mod load;
