//! `plugin!`: asks each context's type for its callbacks, then writes the module.
//!
//! The steps are macro calls, because only the compiler can find a type's macro: `plugin!` calls the first type's macro with what is still to do, that
//! macro puts its callbacks in front and calls `__plugin!`, which calls the next type's macro or writes the module.

use std::collections::BTreeSet;

use crate::attribute::STATELESS;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Path, PathArguments, Result, Token, Type, TypePath, bracketed};

/// The callbacks and the exports that they need.
const EXPORTS: &[(&str, &str)] = &[
    ("on_vm_start", "proxy_on_vm_start"),
    ("on_configure", "proxy_on_configure"),
    ("on_validate_configuration", "proxy_validate_configuration"),
    ("on_foreign_function", "proxy_on_foreign_function"),
    ("on_tick", "proxy_on_tick"),
    ("on_done", "proxy_on_done"),
    ("on_log", "proxy_on_log"),
    ("on_delete", "proxy_on_delete"),
    ("on_http_call_response", "proxy_on_http_call_response"),
    ("on_grpc_event", "proxy_on_grpc_receive_initial_metadata"),
    ("on_grpc_event", "proxy_on_grpc_receive"),
    ("on_grpc_event", "proxy_on_grpc_receive_trailing_metadata"),
    ("on_grpc_event", "proxy_on_grpc_close"),
    ("on_request_headers", "proxy_on_request_headers"),
    ("on_request_body", "proxy_on_request_body"),
    ("on_request_trailers", "proxy_on_request_trailers"),
    ("on_request_metadata", "proxy_on_request_metadata"),
    ("on_response_headers", "proxy_on_response_headers"),
    ("on_response_body", "proxy_on_response_body"),
    ("on_response_trailers", "proxy_on_response_trailers"),
    ("on_response_metadata", "proxy_on_response_metadata"),
    ("on_new_connection", "proxy_on_new_connection"),
    ("on_downstream_data", "proxy_on_downstream_data"),
    ("on_upstream_data", "proxy_on_upstream_data"),
    ("on_downstream_close", "proxy_on_downstream_connection_close"),
    ("on_upstream_close", "proxy_on_upstream_connection_close"),
    ("on_queue_ready", "proxy_on_queue_ready"),
];

/// What a module with contexts exports: without them contexts would neither come nor go.
const CONTEXTS: &[&str] = &["proxy_on_context_create", "proxy_on_delete"];

/// What a module with budgets exports besides: without them no budget would be read from the configuration, and no new stream would be shed.
const BUDGET: &[&str] = &["proxy_on_configure"];
const BUDGET_OF_STREAMS: &[&str] = &["proxy_on_request_headers"];

/// What a module without contexts exports: the one callback in which it names its allocator.
const NO_CONTEXTS: &[&str] = &["proxy_on_vm_start"];

/// One `kind: Type` of the call.
struct Named {
    kind: Ident,
    ty: TypePath,
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let kind: Ident = input.parse()?;
        if !["vm", "plugin", "http", "tcp"].contains(&kind.to_string().as_str()) {
            return Err(Error::new_spanned(kind, "expected `vm: Type`, `plugin: Type`, `http: Type` or `tcp: Type`"));
        }
        input.parse::<Token![:]>()?;
        match input.parse()? {
            Type::Path(ty) if ty.qself.is_none() => Ok(Self { kind, ty }),
            other => Err(Error::new_spanned(other, "expected the name of a type")),
        }
    }
}

impl Named {
    fn tokens(&self) -> TokenStream {
        let Self { kind, ty } = self;
        quote! { #kind: #ty }
    }

    /// The macro of the type's name.
    fn callbacks(&self) -> Path {
        let mut path = self.ty.path.clone();
        if let Some(last) = path.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        path
    }
}

pub(crate) fn begin(input: TokenStream) -> TokenStream {
    let parse = |input: ParseStream<'_>| {
        let named = Punctuated::<Named, Token![,]>::parse_terminated(input)?;
        let mut kinds = BTreeSet::new();
        for named in &named {
            if !kinds.insert(named.kind.to_string()) {
                return Err(Error::new_spanned(&named.kind, "named twice"));
            }
        }
        if kinds.is_empty() || (kinds.len() == 1 && kinds.contains("vm")) {
            return Err(input.error("expected at least one of `http: Type`, `tcp: Type` and `plugin: Type`"));
        }
        Ok(named.into_iter().collect())
    };
    let named: Vec<Named> = match syn::parse::Parser::parse2(parse, input) {
        Ok(named) => named,
        Err(error) => return error.into_compile_error(),
    };
    ask(&State { named, asked: 0, callbacks: BTreeSet::new() })
}

/// How far `plugin!` is.
struct State {
    named: Vec<Named>,
    /// How many of the types have answered.
    asked: usize,
    callbacks: BTreeSet<String>,
}

impl Parse for State {
    /// `[new callbacks] asked [callbacks before] kind: Type, …`
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut callbacks = BTreeSet::new();
        let mut list = |input: ParseStream<'_>| -> Result<()> {
            let list;
            bracketed!(list in input);
            while !list.is_empty() {
                callbacks.insert(list.parse::<Ident>()?.to_string());
            }
            Ok(())
        };
        list(input)?;
        let asked = input.parse::<syn::LitInt>()?.base10_parse()?;
        list(input)?;
        let named = Punctuated::<Named, Token![,]>::parse_terminated(input)?.into_iter().collect();
        Ok(Self { named, asked, callbacks })
    }
}

/// Calls the next type's macro.
fn ask(state: &State) -> TokenStream {
    let Some(next) = state.named.get(state.asked) else { return write(state) };
    let path = next.callbacks();
    let asked = state.asked + 1;
    let callbacks = state.callbacks.iter().map(|callback| format_ident!("{callback}"));
    let named = state.named.iter().map(Named::tokens);
    quote! { #path! { #asked [#(#callbacks)*] #(#named),* } }
}

pub(crate) fn step(input: TokenStream) -> TokenStream {
    match syn::parse2::<State>(input) {
        Ok(state) => ask(&state),
        Err(error) => error.into_compile_error(),
    }
}

/// The module.
fn write(state: &State) -> TokenStream {
    let find = |kind: &str| state.named.iter().find(|named| named.kind == kind).map(|named| &named.ty);
    let (http, tcp, plugin) = (find("http"), find("tcp"), find("plugin"));
    // The plugin's type is what a named filter says; the checks below compare it with the one that is named.
    let plugin_type = match (http, tcp) {
        (Some(http), _) => quote!(<#http as ::sluicegate::HttpFilter>::Plugin),
        (None, Some(tcp)) => quote!(<#tcp as ::sluicegate::TcpFilter>::Plugin),
        (None, None) => quote!(#plugin),
    };
    let http_type = http.map_or_else(|| quote!(::sluicegate::dispatch::NoStreams<#plugin_type>), |http| quote!(#http));
    let tcp_type = tcp.map_or_else(|| quote!(::sluicegate::dispatch::NoStreams<#plugin_type>), |tcp| quote!(#tcp));
    let stateless = state.callbacks.contains(STATELESS);
    if stateless && state.named.len() > 1 {
        let other = state.named.iter().find(|named| named.kind != "http").map(|named| &named.ty);
        return Error::new_spanned(
            other,
            "a stateless filter stands alone: it has no contexts, so it cannot reach others",
        )
        .into_compile_error();
    }
    let (dispatcher, always) = if stateless {
        (quote!(::sluicegate::dispatch::Stateless<#http_type>), NO_CONTEXTS)
    } else {
        (quote!(::sluicegate::dispatch::Dispatcher<#http_type, #tcp_type>), CONTEXTS)
    };
    // The named contexts belong together. No name is introduced beside them: it would shadow the user's.
    let http_check = plugin.zip(http).map(|(plugin, http)| {
        quote! {
            const _: fn(&#plugin, u32) -> #http = <#http as ::sluicegate::HttpFilter>::create;
        }
    });
    let tcp_check = plugin.zip(tcp).map(|(plugin, tcp)| {
        quote! {
            const _: fn(&#plugin, u32) -> #tcp = <#tcp as ::sluicegate::TcpFilter>::create;
        }
    });
    let vm_check = find("vm").map(|vm| {
        quote! {
            const _: fn(&#vm, u32) -> #plugin_type = <#plugin_type as ::sluicegate::PluginContext>::create;
        }
    });
    let exported: BTreeSet<&str> = EXPORTS
        .iter()
        .filter(|(callback, _)| state.callbacks.contains(*callback))
        .map(|(_, export)| *export)
        .chain(always.iter().copied())
        .chain(BUDGET.iter().copied().filter(|_| cfg!(feature = "budget")))
        .chain(BUDGET_OF_STREAMS.iter().copied().filter(|_| cfg!(feature = "budget") && http.is_some()))
        .collect();
    let exports: Vec<_> = exported.iter().map(|export| format_ident!("{export}")).collect();
    quote! {
        #[allow(unsafe_code, reason = "exports have fixed names, which is unsafe to choose; the macro chooses the ABI's")]
        const _: () = {
            #[allow(unused_imports, reason = "a module without callbacks of a stream")]
            use ::sluicegate::dispatch::HttpCallbacks as _;
            #http_check
            #tcp_check
            #vm_check

            #[cfg(target_family = "wasm")]
            ::sluicegate::__alloc::install!();
            #[cfg(target_family = "wasm")]
            ::sluicegate::__export_module!();
            #(
                #[cfg(target_family = "wasm")]
                ::sluicegate::__export!(__SLUICEGATE #exports);
            )*
        };

        ::sluicegate::__vm_local! {
            static __SLUICEGATE: #dispatcher = <#dispatcher>::new();
        }

        /// The module for a test host in the same process.
        #[cfg(not(target_family = "wasm"))]
        pub static PLUGIN: ::sluicegate::abi::Exports = {
            #[allow(unused_imports, reason = "a module without callbacks of a stream")]
            use ::sluicegate::dispatch::HttpCallbacks as _;
            ::sluicegate::abi::Exports {
            #(#exports: ::core::option::Option::Some(::sluicegate::__export_native!(__SLUICEGATE #exports)),)*
            ..::sluicegate::abi::Exports::none(::sluicegate::__initialize, || __SLUICEGATE.with(|dispatcher| dispatcher.reset()))
            }
        };
    }
}
