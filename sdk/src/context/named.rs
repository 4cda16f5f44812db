//! Traits that the attributes implement, and that the traits of the contexts and
//! [`plugin!`](crate::plugin) require. Their error messages name the missing code.
//!
//! Without an attribute the callbacks of a context would not be exported, and nothing would say so:
//! its filter would let every request pass, or would judge without its configuration.

/// The facts about a context that its attribute reads from the implementation, and that the
/// dispatcher asks for. An implementation of a context does not compile without its attribute, so
/// no fact can be forgotten.
pub trait Facts {
    /// `true` if the SDK keeps contexts of this kind.
    const TRACKED: bool = true;

    /// `true` if there is no plugin, so that it reaches no streams.
    const ABSENT: bool = false;

    /// `true` if the attribute says `calls` or `tasks`, so that responses may come to closures.
    const CALLS: bool = false;

    /// `true` if the attribute says `tasks`.
    const TASKS: bool = false;

    /// `true` if the attribute says `timers`.
    const TIMERS: bool = false;

    /// `true` if the context has `on_http_call_response`.
    const HTTP_ANSWERS: bool = false;

    /// `true` if the context has `on_grpc_event`.
    const GRPC_ANSWERS: bool = false;

    /// `true` if the plugin has `on_log`.
    const LOGS: bool = false;

    /// `true` if the plugin has callbacks from which it may resume streams.
    const RESUMES: bool = false;

    /// `true` if the filter has `on_request_body`.
    const REQUEST_BODY: bool = false;

    /// `true` if the filter has `on_response_body`.
    const RESPONSE_BODY: bool = false;

    /// `true` if the filter has `on_complete_request_body`.
    const COMPLETE_REQUEST: bool = false;

    /// `true` if the filter has `on_complete_response_body`.
    const COMPLETE_RESPONSE: bool = false;

    /// `true` if the filter has `on_request_trailers`.
    const REQUEST_TRAILERS: bool = false;

    /// `true` if the filter has `on_response_trailers`.
    const RESPONSE_TRAILERS: bool = false;
}

/// Marks a VM's context that has its attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not marked as the context of a VM",
    label = "its callbacks would not be exported",
    note = "write `#[sluicegate::vm_context]` above `impl VmContext for {Self}`"
)]
pub trait VmAttribute {}

/// Marks a plugin's context that has its attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not marked as the context of a plugin",
    label = "its callbacks would not be exported",
    note = "write `#[sluicegate::plugin_context]` above `impl PluginContext for {Self}`"
)]
pub trait PluginAttribute: Facts {}

/// Marks an HTTP filter that has its attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not marked as an HTTP filter",
    label = "its callbacks would not be exported",
    note = "write `#[sluicegate::http_filter]` above `impl HttpFilter for {Self}`"
)]
pub trait HttpAttribute: Facts {}

/// Marks a TCP filter that has its attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not marked as a TCP filter",
    label = "its callbacks would not be exported",
    note = "write `#[sluicegate::tcp_filter]` above `impl TcpFilter for {Self}`"
)]
pub trait TcpAttribute: Facts {}

/// Marks a plugin's context that `plugin!` need not name, because the context has no callbacks.
#[diagnostic::on_unimplemented(
    message = "`plugin!` does not name the plugin `{Self}` of the filter",
    label = "`type Plugin` of this filter is `{Self}`",
    note = "write `plugin: {Self}` beside the filter in `plugin!`: otherwise no callback of `{Self}` is exported, and its configuration is never read"
)]
pub trait UnnamedPlugin {}

/// Marks a VM's context that `plugin!` need not name, because the context has no callbacks.
#[diagnostic::on_unimplemented(
    message = "`plugin!` does not name the VM's context `{Self}` of the plugin",
    label = "`type Vm` of the plugin is `{Self}`",
    note = "write `vm: {Self}` beside the plugin in `plugin!`: otherwise no callback of `{Self}` is exported, and its configuration is never read"
)]
pub trait UnnamedVm {}

impl UnnamedPlugin for () {}
impl UnnamedVm for () {}

/// Holds for a plugin and itself: the filter's plugin is the one that `plugin!` names.
#[diagnostic::on_unimplemented(
    message = "the plugin of the filter is `{Self}`, and `plugin!` names `{Named}`",
    label = "`type Plugin` of this filter is `{Self}`",
    note = "write `type Plugin = {Named};` in the filter's `impl`; a filter without that line has the plugin `()`"
)]
pub trait IsPlugin<Named> {}

impl<P> IsPlugin<P> for P {}

/// Holds for a plugin and itself: both filters have the same plugin.
#[diagnostic::on_unimplemented(
    message = "the plugin of the TCP filter is `{Self}`, and that of the HTTP filter is `{Other}`",
    label = "`type Plugin` of this filter is `{Self}`",
    note = "the two filters of one `plugin!` have one plugin: write the same `type Plugin` in both"
)]
pub trait IsPluginOfBoth<Other> {}

impl<P> IsPluginOfBoth<P> for P {}

/// Holds for a VM's context and itself: the plugin's `Vm` is the context that `plugin!` names.
#[diagnostic::on_unimplemented(
    message = "the VM's context of the plugin is `{Self}`, and `plugin!` names `{Named}`",
    label = "`type Vm` of the plugin is `{Self}`",
    note = "write `type Vm = {Named};` in the plugin's `impl`; a plugin without that line has the context `()`"
)]
pub trait IsVm<Named> {}

impl<V> IsVm<V> for V {}

// The functions that the code of `plugin!` calls, in constants.

pub const fn vm<V: VmAttribute>() {}
pub const fn plugin<P: PluginAttribute>() {}
pub const fn http<F: HttpAttribute>() {}
pub const fn tcp<F: TcpAttribute>() {}
pub const fn unnamed_plugin<P: UnnamedPlugin>() {}
pub const fn unnamed_vm<V: UnnamedVm>() {}
pub const fn same_plugin<P: IsPlugin<Named>, Named>() {}
pub const fn one_plugin<P: IsPluginOfBoth<Other>, Other>() {}
pub const fn same_vm<V: IsVm<Named>, Named>() {}
