//! The interface of both backends: a module that runs.

/// The reason why a VM is dead.
#[derive(Clone, Debug)]
pub(crate) struct Trap(pub(crate) String);

/// A loaded module, with its own linear memory.
pub(crate) trait Vm {
    /// Calls the module's start functions.
    fn start(&self) -> Result<(), Trap>;

    /// Calls a callback. Returns its result, 0 if it has none, or `None` if the module does not
    /// export it.
    fn call(&self, callback: &'static str, arguments: &[u32]) -> Result<Option<u32>, Trap>;

    /// Returns the number of times the linear memory could not grow; 0 natively.
    fn refused_grows(&self) -> u64 {
        0
    }

    /// Returns the number of pages of the linear memory; 0 natively.
    fn pages(&self) -> u64 {
        0
    }
}
