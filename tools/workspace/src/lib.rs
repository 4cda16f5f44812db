//! The repository as its own tools see it: its folders, its examples and how their modules are
//! built, and the processes that a command starts.
//!
//! | module | contents |
//! |---|---|
//! | [`folders`] | the repository's root, its target folder, its examples |
//! | [`allocator`], [`guest`] | the allocators of guests, and guests that are built with them |
//! | [`children`] | processes that end with the process that started them |
//! | [`command`], [`progress`] | the frame of a command, and its progress |
//! | [`testing`] | tests that run a command as its users do |
#![forbid(unsafe_code)]

pub mod allocator;
pub mod children;
pub mod command;
pub mod folders;
pub mod guest;
pub mod progress;
pub mod testing;

pub use allocator::Allocator;
pub use folders::{bench_guests, example_config, example_packages, examples, root, target_dir};
