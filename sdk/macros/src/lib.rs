//! The attributes and the `plugin!` macro of `sluicegate`, which re-exports and documents them.
//!
//! An attribute leaves the implementation as it is, fills in the items that the author left out,
//! and puts a macro of the type's name beside the type. That macro holds the names of the callbacks
//! that the implementation has. [`plugin!`] asks each type's macro for the names and exports just
//! these callbacks.

mod attribute;
mod backends;
mod checks;
mod kind;
mod plugin;
mod unseen;
mod uses;

use proc_macro::TokenStream;

/// Marks the implementation of `VmContext`: notes the callbacks that it has, and fills in `create`
/// with [`Default`] if it is left out.
#[proc_macro_attribute]
pub fn vm_context(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(&kind::VM, arguments.into(), item.into()).into()
}

/// Marks the implementation of `PluginContext`: notes the callbacks that it has, and fills in
/// `type Vm = ()` and `create` with [`Default`] if they are left out.
#[proc_macro_attribute]
pub fn plugin_context(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(&kind::PLUGIN, arguments.into(), item.into()).into()
}

/// Marks the implementation of `HttpFilter`: notes the callbacks that it has, and fills in
/// `type Plugin = ()` and `create` with [`Default`] if they are left out.
///
/// `#[http_filter(stateless)]` is for a filter without fields and without a plugin of its own. Such
/// a filter has no context for each stream. The proxy enters the VM only for the filter's
/// callbacks, and an open stream takes no memory.
#[proc_macro_attribute]
pub fn http_filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(&kind::HTTP, arguments.into(), item.into()).into()
}

/// Marks the implementation of `TcpFilter`: notes the callbacks that it has, and fills in
/// `type Plugin = ()` and `create` with [`Default`] if they are left out.
#[proc_macro_attribute]
pub fn tcp_filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    attribute::expand(&kind::TCP, arguments.into(), item.into()).into()
}

/// Makes a crate a module. It is called once, in the crate that is the `cdylib`.
///
/// ```text
/// sluicegate::plugin!(http: Filter);
/// sluicegate::plugin!(plugin: Root);
/// sluicegate::plugin!(vm: Vm, plugin: Root, http: Filter);
/// sluicegate::plugin!(plugin: Root, http: Filter, tcp: NetworkFilter);
/// ```
///
/// A module may hold several plugins. The `root_id` in a plugin's configuration selects one of
/// them, and `_` stands for every other id. A plugin with an id that the module does not have is
/// refused when it is configured, with a line in the log. Each plugin has its own kinds of
/// contexts, its VM's context included:
///
/// ```text
/// sluicegate::plugin! {
///     root "authorise" { plugin: Authorise, http: AuthoriseFilter }
///     root "limit" { http: Limit }
///     root _ { tcp: Other }
/// }
/// ```
///
/// A module with an allocator of its own names the allocator's static, which is its
/// `#[global_allocator]`, after all contexts. Then no allocator of a feature is installed. Budgets,
/// figures, page caps and the regions of streams are those of the named allocator:
///
/// ```text
/// sluicegate::plugin!(http: Filter, allocator: MINE);
/// ```
///
/// Each named type has its attribute, and is named by a path that is valid at the call. The plugin
/// of a named filter is named beside it, and so is the VM's context of a plugin: a context that has
/// callbacks and is not named does not compile. The macro exports the callbacks that the named
/// types implement, and no others. It installs the allocator that a feature picked. Outside of wasm
/// it exports nothing, and defines `PLUGIN`, the module for a test host.
#[doc(alias(
    "SetVMContext",
    "SetPluginContext",
    "SetHttpContext",
    "SetTcpContext",
    "set_root_context",
    "set_http_context",
    "set_stream_context",
    "main"
))]
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    plugin::begin(input.into()).into()
}

/// Takes a step of `plugin!`, after a type's macro has added its callbacks.
#[doc(hidden)]
#[proc_macro]
pub fn __plugin(input: TokenStream) -> TokenStream {
    plugin::step(input.into()).into()
}

/// Implements `#[sluicegate_host::test]`, which re-exports and documents this attribute.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn host_test(arguments: TokenStream, item: TokenStream) -> TokenStream {
    backends::expand(arguments.into(), item.into()).into()
}
