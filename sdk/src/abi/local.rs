//! State that belongs to one VM: a plain static where a VM has one thread, a thread-local where tests run several VMs in one process.

/// Declares a static that every VM has for itself, reached by `with` like a thread-local.
#[doc(hidden)]
#[macro_export]
macro_rules! __vm_local {
    ($(#[$meta:meta])* $vis:vis static $name:ident: $ty:ty = $init:expr;) => {
        #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
        $(#[$meta])* $vis static $name: $crate::abi::VmLocal<$ty> = $crate::abi::VmLocal::new($init);

        #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
        $crate::__std::thread_local! {
            $(#[$meta])* $vis static $name: $ty = const { $init };
        }
    };
}

/// A value of which each VM has its own: the memory of a wasm instance belongs to it alone.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub struct VmLocal<T>(T);

// SAFETY: without the atomics feature a wasm module has one thread, so a shared reference never reaches a second one.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
unsafe impl<T> Sync for VmLocal<T> {}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
impl<T> VmLocal<T> {
    /// Holds a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Gives the value to a function.
    pub fn with<R>(&'static self, with: impl FnOnce(&'static T) -> R) -> R {
        with(&self.0)
    }

    /// Gives the value to a function; of a thread-local, unless the thread ends.
    ///
    /// # Errors
    ///
    /// None: a VM has its values until its end.
    ///
    /// # Cost
    ///
    /// None.
    pub fn try_with<R>(&'static self, with: impl FnOnce(&'static T) -> R) -> Result<R, core::convert::Infallible> {
        Ok(with(&self.0))
    }
}
