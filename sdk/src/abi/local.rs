//! State that belongs to one VM: a plain static if a VM has one thread, a thread-local if tests run
//! several VMs in one process.

/// Declares a static that every VM has for itself, which `with` reaches like a thread-local.
///
/// In a test, a thread runs one VM after another, and the static starts again with each VM. A
/// static of the module itself, which is declared as `module static`, does not start again: a
/// thread may run the VMs of several modules at once, and each module resets its own.
#[doc(hidden)]
#[macro_export]
macro_rules! __vm_local {
    ($(#[$meta:meta])* module static $name:ident: $ty:ty = $init:expr;) => {
        #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
        $crate::__vm_local! { $(#[$meta])* static $name: $ty = $init; }

        #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
        $crate::__std::thread_local! {
            $(#[$meta])* static $name: $ty = const { $init };
        }
    };
    ($(#[$meta:meta])* static $name:ident: $ty:ty = $init:expr;) => {
        #[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
        $(#[$meta])* static $name: $crate::abi::VmLocal<$ty> = $crate::abi::VmLocal::new($init);

        #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
        $(#[$meta])* static $name: $crate::abi::VmLocal<$ty> = {
            $crate::__std::thread_local! {
                static OF_THREAD: $crate::abi::OfThread<$ty> = const { $crate::abi::OfThread::new($init) };
            }
            $crate::abi::VmLocal::new(&OF_THREAD, || $init, || {
                // When the thread ends, its values end too.
                let _ = OF_THREAD.try_with(|value| value.renew(|| $init));
            })
        };
    };
}

#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
pub use single::VmLocal;
#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
pub use threads::{OfThread, VmLocal};

/// Makes the state of this thread new, when a VM ends.
pub(super) fn renew() {
    #[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
    threads::end_vm();
}

/// The static for a VM that has one thread and its own memory.
#[cfg(all(target_family = "wasm", not(target_feature = "atomics")))]
mod single {
    /// A value that each VM has for itself: the memory of a wasm instance belongs to it alone.
    pub struct VmLocal<T>(T);

    // SAFETY: without the atomics feature a wasm module has one thread, so a shared reference never
    // reaches a second one.
    unsafe impl<T> Sync for VmLocal<T> {}

    impl<T> VmLocal<T> {
        /// Returns a static with this value.
        pub const fn new(value: T) -> Self {
            Self(value)
        }

        /// Passes the value to a function.
        pub fn with<R>(&'static self, with: impl FnOnce(&'static T) -> R) -> R {
            with(&self.0)
        }

        /// Passes the value to a function. For a thread-local this fails when the thread ends.
        ///
        /// # Errors
        ///
        /// Never fails: a VM has its values until its end.
        ///
        /// # Cost
        ///
        /// None.
        pub fn try_with<R>(&'static self, with: impl FnOnce(&'static T) -> R) -> Result<R, core::convert::Infallible> {
            Ok(with(&self.0))
        }
    }
}

/// The static for several threads that run VMs, one after the other on each.
#[cfg(not(all(target_family = "wasm", not(target_feature = "atomics"))))]
mod threads {
    use core::cell::{Cell, UnsafeCell};
    use core::mem;

    use crate::__std::thread::{AccessError, LocalKey};
    use crate::__std::thread_local;

    thread_local! {
        /// The number of VMs that have ended on this thread.
        static ENDED: Cell<u64> = const { Cell::new(0) };
        /// The functions that make the values of this thread again.
        static VALUES: [Renewal; MOST] = const { [const { Cell::new(None) }; MOST] };
        /// The number of these functions.
        static COUNT: Cell<usize> = const { Cell::new(0) };
    }

    /// A function that makes one value again.
    type Renewal = Cell<Option<fn()>>;

    /// The number of values that are made again at the end of a VM. Further values are made again
    /// when they are used.
    const MOST: usize = 64;

    /// Makes each value again, and drops the one that the VM left.
    pub(super) fn end_vm() {
        // When the thread ends, no VM begins.
        let _ = ENDED.try_with(|ended| ended.set(ended.get() + 1));
        let _ = VALUES.try_with(|values| values.iter().filter_map(Cell::get).for_each(|renew| renew()));
    }

    /// A value that each VM has for itself.
    pub struct VmLocal<T: 'static> {
        of_thread: &'static LocalKey<OfThread<T>>,
        init: fn() -> T,
        renew: fn(),
    }

    impl<T> VmLocal<T> {
        /// Returns a static that reaches the value of each thread. The value is made for each VM
        /// when it is used, and by `renew` when a VM ends.
        pub const fn new(of_thread: &'static LocalKey<OfThread<T>>, init: fn() -> T, renew: fn()) -> Self {
            Self { of_thread, init, renew }
        }

        /// Passes the value to a function.
        ///
        /// # Panics
        ///
        /// Panics if the thread ends and the value is gone.
        pub fn with<R>(&'static self, with: impl FnOnce(&T) -> R) -> R {
            self.of_thread.with(|value| value.with(self, with))
        }

        /// Passes the value to a function, unless the thread ends.
        ///
        /// # Errors
        ///
        /// Fails if the thread ends and the value is gone.
        ///
        /// # Cost
        ///
        /// None.
        pub fn try_with<R>(&'static self, with: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
            self.of_thread.try_with(|value| value.with(self, with))
        }
    }

    /// The value of one thread, and of the VM that runs on it now.
    pub struct OfThread<T> {
        value: UnsafeCell<T>,
        /// The number of references to the value.
        users: Cell<usize>,
        /// The number of VMs that had ended when the value was made.
        vm: Cell<u64>,
        /// `true` if the end of a VM makes the value again.
        is_known: Cell<bool>,
    }

    impl<T> OfThread<T> {
        /// Returns the value of the first VM.
        pub const fn new(value: T) -> Self {
            Self { value: UnsafeCell::new(value), users: Cell::new(0), vm: Cell::new(0), is_known: Cell::new(false) }
        }

        fn with<R>(&self, of: &VmLocal<T>, with: impl FnOnce(&T) -> R) -> R {
            self.renew(of.init);
            if !self.is_known.replace(true) {
                let place = COUNT.try_with(|count| count.replace(count.get() + 1)).unwrap_or(MOST);
                let _ = VALUES.try_with(|values| {
                    if let Some(value) = values.get(place) {
                        value.set(Some(of.renew));
                    }
                });
            }
            let _used = Used::begin(&self.users);
            // SAFETY: `renew` alone writes to the value, and not while there is a user. This
            // reference ends before `_used` does, even if `with` unwinds.
            with(unsafe { &*self.value.get() })
        }

        /// Makes the value again if another VM has ended since. A value that an ending VM still
        /// uses stays until nobody uses it.
        #[doc(hidden)]
        pub fn renew(&self, init: fn() -> T) {
            let Ok(ended) = ENDED.try_with(Cell::get) else { return };
            if self.vm.get() == ended || self.users.get() != 0 {
                return;
            }
            self.vm.set(ended);
            let new = init();
            // SAFETY: `users` counts all references to the value, and there is none. Nothing else
            // runs while this reference lasts: the new value is made before it, and the old one is
            // dropped after it.
            let old = mem::replace(unsafe { &mut *self.value.get() }, new);
            drop(old);
        }
    }

    /// A reference to a value, which is counted.
    struct Used<'a>(&'a Cell<usize>);

    impl<'a> Used<'a> {
        fn begin(users: &'a Cell<usize>) -> Self {
            users.set(users.get() + 1);
            Self(users)
        }
    }

    impl Drop for Used<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::rc::Rc;
    use alloc::string::{String, ToString as _};
    use core::cell::{Cell, RefCell};

    use crate::__std::fs;
    use crate::__std::panic::{AssertUnwindSafe, catch_unwind};
    use crate::__std::path::Path;
    use crate::abi::end_vm;
    use alloc::vec::Vec;

    crate::__vm_local! {
        static NUMBER: Cell<u32> = Cell::new(7);
    }

    crate::__vm_local! {
        static TEXT: RefCell<Option<String>> = RefCell::new(None);
    }

    #[test]
    fn each_vm_begins_with_what_is_declared() {
        for _ in 0..3 {
            assert_eq!(NUMBER.with(|number| number.replace(8)), 7);
            assert_eq!(NUMBER.with(Cell::get), 8);
            assert_eq!(TEXT.with(|text| text.replace(Some("left".to_string()))), None);
            end_vm();
        }
    }

    #[test]
    fn what_a_vm_leaves_is_dropped_with_it() {
        crate::__vm_local! {
            static HELD: RefCell<Option<Rc<()>>> = RefCell::new(None);
        }

        let left = Rc::new(());
        for _ in 0..3 {
            HELD.with(|held| held.replace(Some(left.clone())));
            assert_eq!(Rc::strong_count(&left), 2);
            end_vm();
            assert_eq!(Rc::strong_count(&left), 1);
        }
    }

    #[test]
    fn what_is_used_when_a_vm_ends_stays_until_nobody_uses_it() {
        NUMBER.with(|number| {
            number.set(8);
            end_vm();
            assert_eq!(NUMBER.with(Cell::get), 8);
            assert_eq!(number.get(), 8);
        });
        assert_eq!(NUMBER.with(Cell::get), 7);
        let unwound = catch_unwind(AssertUnwindSafe(|| NUMBER.with(|_| panic!("told to"))));
        assert!(unwound.is_err());
        NUMBER.with(|number| number.set(8));
        end_vm();
        assert_eq!(NUMBER.with(Cell::get), 7);
    }

    #[test]
    fn what_is_dropped_may_use_what_is_new() {
        struct Left;

        impl Drop for Left {
            fn drop(&mut self) {
                assert!(HELD.with(Cell::take).is_none());
                NUMBER.with(|number| number.set(9));
            }
        }

        crate::__vm_local! {
            static HELD: Cell<Option<Left>> = Cell::new(None);
        }

        HELD.with(|held| held.set(Some(Left)));
        end_vm();
        assert!(HELD.with(Cell::take).is_none());
        assert_eq!(NUMBER.with(Cell::get), 9);
    }

    /// Checks that all state of the crate is declared by `__vm_local!`, so that all of it starts
    /// again with a VM.
    #[test]
    #[cfg_attr(miri, ignore = "miri has no files")]
    fn no_state_outlives_a_vm() {
        fn scan(folder: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    scan(&path, found);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                // Tests follow the attribute.
                let text = text.split("#[cfg(test)]\nmod ").next().unwrap();
                let mut before = "";
                for line in text.lines() {
                    let line = line.trim();
                    let declares = line.strip_prefix("pub(crate) ").or(line.strip_prefix("pub ")).unwrap_or(line);
                    let is_state = declares.starts_with("static ") || declares.starts_with("module static ");
                    if is_state && !before.ends_with("__vm_local! {") {
                        found.push(alloc::format!("{}: {line}", path.display()));
                    }
                    if !line.starts_with("//") && !line.starts_with("#[") {
                        before = line;
                    }
                }
            }
        }

        let mut found = Vec::new();
        scan(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        found.retain(|line| {
            let (file, declared) = line.split_once(": ").unwrap();
            // The macro itself; the host of a test, which exists before the VM; and a table that
            // never changes.
            let known =
                [("abi/local.rs", ""), ("abi/native.rs", "static CURRENT:"), ("abi/waker.rs", "static NUMBER:")];
            !known.iter().any(|(of, known)| file.ends_with(of) && declared.starts_with(known))
        });
        assert!(found.is_empty(), "state that outlives its VM: {found:#?}");
    }
}
