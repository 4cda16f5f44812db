//! The callback that runs, which each sample records.

/// A place in a program that allocates: a callback of a filter, in a plugin.
///
/// Each part may be unknown. Two sites are equal if their names are the same strings in memory, or
/// have the same text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Site {
    /// The number of the plugin, or 0 for none.
    pub(crate) plugin: u32,
    pub(crate) filter: Option<&'static str>,
    pub(crate) callback: Option<&'static str>,
}

impl Site {
    /// The site of which nothing is known.
    pub(crate) const NONE: Self = Self { plugin: 0, filter: None, callback: None };

    /// Returns a site with all parts.
    #[must_use]
    pub const fn new(plugin: u32, filter: &'static str, callback: &'static str) -> Self {
        Self { plugin, filter: Some(filter), callback: Some(callback) }
    }

    /// Returns the site with another callback.
    #[must_use]
    pub const fn in_callback(self, callback: &'static str) -> Self {
        Self { callback: Some(callback), ..self }
    }

    /// Returns the site with another plugin and filter.
    #[must_use]
    pub const fn of_filter(self, plugin: u32, filter: &'static str) -> Self {
        Self { plugin, filter: Some(filter), ..self }
    }

    /// Returns the number of the plugin, or 0 if it is unknown.
    #[must_use]
    pub const fn plugin(&self) -> u32 {
        self.plugin
    }

    /// Returns the name of the filter.
    #[must_use]
    pub const fn filter(&self) -> Option<&'static str> {
        self.filter
    }

    /// Returns the name of the callback.
    #[must_use]
    pub const fn callback(&self) -> Option<&'static str> {
        self.callback
    }
}

/// Runs `f` at a site, and then returns to the previous site, also if `f` unwinds. Calls may nest.
///
/// **Cost:** some loads and stores.
#[inline]
pub fn within<T>(site: Site, f: impl FnOnce() -> T) -> T {
    let _restore = Restore(place::replace(site));
    f()
}

/// Returns the current site of the program.
#[inline]
#[must_use]
pub fn current() -> Site {
    place::get()
}

struct Restore(Site);

impl Drop for Restore {
    fn drop(&mut self) {
        place::replace(self.0);
    }
}

#[cfg(target_family = "wasm")]
mod place {
    use core::cell::UnsafeCell;

    use super::Site;
    use crate::sync::SINGLE_THREADED;

    struct Place(UnsafeCell<Site>);

    // SAFETY: it is used only where there is one thread.
    unsafe impl Sync for Place {}

    static PLACE: Place = Place(UnsafeCell::new(Site::NONE));

    #[inline]
    pub(super) fn get() -> Site {
        // SAFETY: there is one thread, and nobody has a reference.
        if SINGLE_THREADED { unsafe { *PLACE.0.get() } } else { Site::NONE }
    }

    #[inline]
    pub(super) fn replace(site: Site) -> Site {
        let before = get();
        if SINGLE_THREADED {
            // SAFETY: as above.
            unsafe { *PLACE.0.get() = site };
        }
        before
    }
}

#[cfg(not(target_family = "wasm"))]
mod place {
    extern crate std;

    use core::cell::Cell;

    use super::Site;

    std::thread_local! {
        /// Has no destructor, so it is there as long as the thread allocates.
        static PLACE: Cell<Site> = const { Cell::new(Site::NONE) };
    }

    pub(super) fn get() -> Site {
        PLACE.with(Cell::get)
    }

    pub(super) fn replace(site: Site) -> Site {
        PLACE.with(|place| place.replace(site))
    }
}
