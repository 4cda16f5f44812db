//! The twin of the profile when the feature is off. It does nothing and costs nothing.

#[expect(clippy::extra_unused_type_parameters, reason = "with the feature, the name of the type is noted")]
#[inline(always)]
pub(crate) fn of_filter<F, R>(_plugin: u32, callback: impl FnOnce() -> R) -> R {
    callback()
}

#[inline(always)]
pub(crate) const fn name_plugin(_plugin: u32) {}

#[inline(always)]
pub(crate) const fn forget_plugin(_plugin: u32) {}
