//! The attributes on the implementations.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Error, ImplItem, ItemImpl, Result, Type, parse_quote};

/// A kind of context.
pub(crate) struct Kind {
    /// The trait.
    name: &'static str,
    /// The callbacks that may be left out, and then are not exported.
    callbacks: &'static [&'static str],
    /// The context above: the associated type's name.
    parent: Option<&'static str>,
}

pub(crate) const VM: Kind = Kind { name: "VmContext", callbacks: &["on_vm_start"], parent: None };

pub(crate) const PLUGIN: Kind = Kind {
    name: "PluginContext",
    callbacks: &["on_configure", "on_tick", "on_http_call_response", "on_done", "on_delete"],
    parent: Some("Vm"),
};

pub(crate) const HTTP: Kind = Kind {
    name: "HttpFilter",
    callbacks: &[
        "on_request_headers",
        "on_request_body",
        "on_request_trailers",
        "on_request_metadata",
        "on_response_headers",
        "on_response_body",
        "on_response_trailers",
        "on_response_metadata",
        "on_http_call_response",
        "on_log",
        "on_done",
        "on_delete",
    ],
    parent: Some("Plugin"),
};

pub(crate) const TCP: Kind = Kind {
    name: "TcpFilter",
    callbacks: &[
        "on_new_connection",
        "on_downstream_data",
        "on_upstream_data",
        "on_downstream_close",
        "on_upstream_close",
        "on_http_call_response",
        "on_log",
        "on_done",
        "on_delete",
    ],
    parent: Some("Plugin"),
};

pub(crate) fn expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(kind, arguments, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #item #error }
    })
}

fn try_expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "this attribute takes no arguments"));
    }
    let mut item: ItemImpl = syn::parse2(item)?;
    let named = item.trait_.as_ref().and_then(|(path, _)| path.segments.last());
    if named.is_none_or(|named| named.ident != kind.name) {
        return Err(Error::new_spanned(&item.self_ty, format!("this attribute goes on an `impl {} for …`", kind.name)));
    }
    let name = match &*item.self_ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|last| last.ident.clone()),
        _ => None,
    };
    let Some(name) = name else {
        return Err(Error::new_spanned(&item.self_ty, "the context must be a type with a name"));
    };

    fill_in(kind, &mut item);
    let callbacks: Vec<_> = kind.callbacks.iter().filter(|callback| has_fn(&item, callback)).collect();
    let callbacks = callbacks.iter().map(|callback| format_ident!("{callback}"));
    let list = format_ident!("__sluicegate_callbacks_of_{name}");
    // Macros have a name space of their own, so the type's name is free in it: whoever imports the type imports its list of callbacks.
    Ok(quote! {
        #item

        #[doc(hidden)]
        #[allow(unused_macros, reason = "a context that `plugin!` does not name")]
        macro_rules! #list {
            ($($state:tt)*) => {
                ::sluicegate::__plugin! { [#(#callbacks)*] $($state)* }
            };
        }
        #[doc(hidden)]
        #[allow(unused_imports, reason = "a context that `plugin!` does not name")]
        pub(crate) use #list as #name;
    })
}

/// Adds the associated type and the constructor that the author left out.
fn fill_in(kind: &Kind, item: &mut ItemImpl) {
    if let Some(parent) = kind.parent {
        let parent = format_ident!("{parent}");
        let has_parent = item.items.iter().any(|item| matches!(item, ImplItem::Type(ty) if ty.ident == parent));
        if !has_parent {
            item.items.insert(0, parse_quote! { type #parent = (); });
        }
        if !has_fn(item, "create") {
            item.items.push(parse_quote! {
                fn create(_: &Self::#parent, _: u32) -> Self {
                    <Self as ::core::default::Default>::default()
                }
            });
        }
    } else if !has_fn(item, "create") {
        item.items.push(parse_quote! {
            fn create() -> Self {
                <Self as ::core::default::Default>::default()
            }
        });
    }
}

fn has_fn(item: &ItemImpl, name: &str) -> bool {
    item.items.iter().any(|item| matches!(item, ImplItem::Fn(function) if function.sig.ident == name))
}
