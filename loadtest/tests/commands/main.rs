//! The built command, run as its users run it.

mod bad_input;
mod cli;
mod good_input;
