//! One plugin of a VM.

/// One plugin of a VM: a root context.
#[derive(Clone, Debug, Default)]
pub(crate) struct PluginState {
    pub(crate) root_id: Vec<u8>,
    pub(crate) configuration: Vec<u8>,
    /// The tick period in milliseconds; 0 is off.
    pub(crate) tick_period: u32,
    /// The time at which the next tick is due, in nanoseconds that passed.
    pub(crate) next_tick: u64,
    pub(crate) started: bool,
    /// True if the plugin asked to end later, and has not called `proxy_done`.
    pub(crate) ending: bool,
}
