//! Checks of the contexts that `plugin!` names: each has its attribute, and contexts that belong
//! together are named together.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::TypePath;
use syn::spanned::Spanned as _;

/// Writes the checks of one plugin, as calls of functions with bounds. The bounds' messages tell
/// the author what to write. The checks add no names beside the author's, because such a name would
/// shadow one of the author's.
pub(crate) fn of_root<'s>(find: impl Fn(&str) -> Option<&'s TypePath>) -> TokenStream {
    let mut checks = TokenStream::new();
    for (kind, ty) in ["vm", "plugin", "http", "tcp"].into_iter().filter_map(|kind| Some((kind, find(kind)?))) {
        let (at, marked) = (at(ty), syn::Ident::new(kind, at(ty)));
        checks.extend(quote_spanned!(at=> const _: () = ::sluicegate::__named::#marked::<#ty>();));
    }
    let plugin_of = |filter: &TypePath, of: &str| {
        let of = syn::Ident::new(of, Span::call_site());
        quote_spanned!(at(filter)=> <#filter as ::sluicegate::#of>::Plugin)
    };
    let http = find("http").map(|ty| (at(ty), plugin_of(ty, "HttpFilter")));
    let tcp = find("tcp").map(|ty| (at(ty), plugin_of(ty, "TcpFilter")));
    let plugin = find("plugin");
    for (at, of_filter) in http.iter().chain(&tcp) {
        checks.extend(match plugin {
            Some(plugin) => {
                quote_spanned!(*at=> const _: () = ::sluicegate::__named::same_plugin::<#of_filter, #plugin>();)
            }
            None => quote_spanned!(*at=> const _: () = ::sluicegate::__named::unnamed_plugin::<#of_filter>();),
        });
    }
    if let (None, Some((_, of_http)), Some((at, of_tcp))) = (plugin, &http, &tcp) {
        checks.extend(quote_spanned!(*at=> const _: () = ::sluicegate::__named::one_plugin::<#of_tcp, #of_http>();));
    }
    let owner = plugin.map(|ty| (at(ty), quote_spanned!(at(ty)=> #ty))).or(http).or(tcp);
    if let Some((at, plugin)) = owner {
        let of_plugin = quote_spanned!(at=> <#plugin as ::sluicegate::PluginContext>::Vm);
        checks.extend(match find("vm") {
            Some(vm) => quote_spanned!(at=> const _: () = ::sluicegate::__named::same_vm::<#of_plugin, #vm>();),
            None => quote_spanned!(at=> const _: () = ::sluicegate::__named::unnamed_vm::<#of_plugin>();),
        });
    }
    checks
}

/// Returns the place where a type is named, so that the compiler points there.
fn at(ty: &TypePath) -> Span {
    Span::call_site().located_at(ty.span())
}
