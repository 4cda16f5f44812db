//! talc over `memory.grow`.
//!
//! talc's default source extends its heap in place; the alternative that claims each piece of memory for itself takes up to ten times the pages.

use talc::wasm::{WasmDynamicTalc, new_wasm_dynamic_allocator};

/// talc over `memory.grow`, for one thread.
pub type Allocator = WasmDynamicTalc;

/// The allocator, as a value for a static.
#[allow(clippy::declare_interior_mutable_const, reason = "a value for one static, in `install!`")]
pub const ALLOCATOR: Allocator = new_wasm_dynamic_allocator();
