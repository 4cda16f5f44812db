//! What both rungs give: a module that runs.

/// Why a module is dead.
#[derive(Clone, Debug)]
pub(crate) struct Trap(pub(crate) String);

/// A module that is loaded, with its own memory.
pub(crate) trait Vm {
    /// Calls its start functions.
    fn start(&self) -> Result<(), Trap>;

    /// Calls a callback: its result, 0 if it has none; `None` if the module does not export it.
    fn call(&self, callback: &'static str, arguments: &[u32]) -> Result<Option<u32>, Trap>;

    /// How often its memory could not grow; 0 natively.
    fn refused_grows(&self) -> u64 {
        0
    }

    /// The pages of its memory; 0 natively.
    fn pages(&self) -> u64 {
        0
    }
}
