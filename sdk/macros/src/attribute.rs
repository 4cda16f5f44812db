//! The attributes on the implementations.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, ImplItem, ImplItemFn, ItemImpl, Result, Token, Type, parse_quote};

/// A kind of context.
pub(crate) struct Kind {
    /// The trait.
    name: &'static str,
    /// The callbacks that may be left out, and then are not exported.
    callbacks: &'static [&'static str],
    /// The context above: the associated type's name.
    parent: Option<&'static str>,
    /// The arguments that the attribute takes.
    arguments: &'static [&'static str],
}

pub(crate) const VM: Kind = Kind { name: "VmContext", callbacks: &["on_vm_start"], parent: None, arguments: &[] };

pub(crate) const PLUGIN: Kind = Kind {
    name: "PluginContext",
    callbacks: &[
        "on_configure",
        "on_validate_configuration",
        "on_foreign_function",
        "on_tick",
        "on_queue_ready",
        "on_http_call_response",
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[CALLS, TIMERS, TASKS],
    parent: Some("Vm"),
};

pub(crate) const HTTP: Kind = Kind {
    name: "HttpFilter",
    callbacks: &[
        "on_request_headers",
        "on_request_body",
        "on_complete_request_body",
        "on_request_trailers",
        "on_request_metadata",
        "on_response_headers",
        "on_response_body",
        "on_complete_response_body",
        "on_response_trailers",
        "on_response_metadata",
        "on_http_call_response",
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[STATELESS, CALLS, TASKS],
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
        "on_grpc_event",
        "on_log",
        "on_done",
        "on_delete",
    ],
    arguments: &[CALLS, TASKS],
    parent: Some("Plugin"),
};

/// The argument of a filter that keeps nothing, and its mark in the list of callbacks.
pub(crate) const STATELESS: &str = "stateless";

/// The argument of a context that takes the answers to its calls in closures, and the callbacks that bring them.
const CALLS: &str = "calls";
pub(crate) const ANSWERS: &[&str] = &["on_http_call_response", "on_grpc_event"];

/// A body comes to a filter in parts or whole: the callback for the parts, and the one for the whole.
const BODIES: [(&str, &str); 2] =
    [("on_request_body", "on_complete_request_body"), ("on_response_body", "on_complete_response_body")];

/// Callbacks of which the dispatcher knows whether a filter has them, by a constant.
const MARKS: [(&str, &str); 4] = [
    ("on_complete_request_body", "COMPLETE_REQUEST"),
    ("on_complete_response_body", "COMPLETE_RESPONSE"),
    ("on_request_trailers", "REQUEST_TRAILERS"),
    ("on_response_trailers", "RESPONSE_TRAILERS"),
];

/// What a filter says of upgrades, and the mark in the list of callbacks of one that says it: the dispatcher then looks at the heads of both messages.
const UPGRADES: &str = "UPGRADES";
const UPGRADES_MARK: &str = "upgrades";

/// The argument of a plugin that starts timers, and the callback that drives them.
const TIMERS: &str = "timers";
const TICKS: &[&str] = &["on_tick"];

/// The argument of a context that runs tasks, which await answers and ticks.
const TASKS: &str = "tasks";

pub(crate) fn expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(kind, arguments, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #item #error }
    })
}

fn try_expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let arguments = Arguments::parse(kind, arguments)?;
    let stateless = arguments.has(STATELESS);
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

    check_bodies(&item, stateless)?;
    fill_in(kind, &mut item);
    let callbacks: Vec<_> = kind.callbacks.iter().filter(|callback| has_fn(&item, callback)).collect();
    let mut callbacks: Vec<_> = callbacks.into_iter().copied().chain(stateless.then_some(STATELESS)).collect();
    let mut consts = Vec::new();
    let mut marks = Vec::new();
    let self_ty = &item.self_ty;
    let (generics, _, bounds) = item.generics.split_for_impl();
    if arguments.has(CALLS) || arguments.has(TASKS) {
        callbacks.extend(ANSWERS);
        consts.push(parse_quote! { const CALLS: bool = true; });
        marks.push(quote! { impl #generics ::sluicegate::callout::Closures for #self_ty #bounds {} });
    }
    if arguments.has(TIMERS) {
        callbacks.extend(TICKS);
        consts.push(parse_quote! { const TIMERS: bool = true; });
        marks.push(quote! { impl #generics ::sluicegate::timer::Timers for #self_ty #bounds {} });
    }
    if arguments.has(TASKS) {
        callbacks.extend(TICKS);
        consts.push(parse_quote! { const TASKS: bool = true; });
        marks.push(quote! { impl #generics ::sluicegate::task::Tasks for #self_ty #bounds {} });
    }
    if kind.name == "HttpFilter" {
        for (_, mark) in MARKS.iter().filter(|(callback, _)| callbacks.contains(callback)) {
            let mark = format_ident!("{mark}");
            consts.push(parse_quote! { const #mark: bool = true; });
        }
        if has_const(&item, UPGRADES) {
            callbacks.push(UPGRADES_MARK);
        }
    }
    if kind.name == "PluginContext" && callbacks.contains(&"on_log") {
        consts.push(parse_quote! { const LOGS: bool = true; });
    }
    // Whether an answer has a callback of its own: a call whose answer would go nowhere is an error.
    if has_fn(&item, "on_http_call_response") {
        consts.push(parse_quote! { const HTTP_ANSWERS: bool = true; });
    }
    if has_fn(&item, "on_grpc_event") {
        consts.push(parse_quote! { const GRPC_ANSWERS: bool = true; });
    }
    item.items.extend(consts);
    let callbacks = callbacks.into_iter().map(|callback| format_ident!("{callback}"));
    let check = stateless.then(|| {
        quote! {
            const _: () = assert!(::core::mem::size_of::<#self_ty>() == 0, "a stateless filter has no fields");
        }
    });
    let list = format_ident!("__sluicegate_callbacks_of_{name}");
    // Macros have a name space of their own, so the type's name is free in it: whoever imports the type imports its list of callbacks.
    Ok(quote! {
        #item
        #check
        #(#marks)*

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

/// Refuses what cannot work with a body that comes whole.
fn check_bodies(item: &ItemImpl, stateless: bool) -> Result<()> {
    for (parts, whole) in BODIES {
        let Some(function) = find_fn(item, whole) else { continue };
        if find_fn(item, parts).is_some() {
            return Err(Error::new_spanned(
                &function.sig.ident,
                format!("a body comes in parts or whole: implement either `{parts}` or `{whole}`"),
            ));
        }
        if stateless {
            return Err(Error::new_spanned(
                &function.sig.ident,
                format!("`{whole}` needs to know its stream: leave `stateless` out of the attribute"),
            ));
        }
    }
    Ok(())
}

/// What stands in the attribute's parentheses.
struct Arguments(Vec<Ident>);

impl Arguments {
    fn parse(kind: &Kind, arguments: TokenStream) -> Result<Self> {
        let given = Punctuated::<Ident, Token![,]>::parse_terminated.parse2(arguments)?;
        let given = Self(given.into_iter().collect());
        if let Some(unknown) = given.0.iter().find(|given| !kind.arguments.iter().any(|known| given == known)) {
            let known: Vec<_> = kind.arguments.iter().map(|known| format!("`{known}`")).collect();
            let takes =
                if known.is_empty() { "no arguments".into() } else { format!("nothing or {}", known.join(", ")) };
            return Err(Error::new_spanned(unknown, format!("this attribute takes {takes}")));
        }
        if let (true, Some(other)) = (given.has(STATELESS), given.0.iter().find(|given| *given != STATELESS)) {
            return Err(Error::new_spanned(
                other,
                "a stateless filter keeps nothing, so it keeps no closures and tasks either",
            ));
        }
        Ok(given)
    }

    fn has(&self, argument: &str) -> bool {
        self.0.iter().any(|given| given == argument)
    }
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
    find_fn(item, name).is_some()
}

fn find_fn<'a>(item: &'a ItemImpl, name: &str) -> Option<&'a ImplItemFn> {
    item.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

fn has_const(item: &ItemImpl, name: &str) -> bool {
    item.items.iter().any(|item| matches!(item, ImplItem::Const(constant) if constant.ident == name))
}
