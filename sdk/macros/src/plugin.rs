//! `plugin!`: asks each context's type for its callbacks, then writes the module.
//!
//! The steps are macro calls, because only the compiler can find a type's macro: `plugin!` calls the first type's macro with what is still to do, that
//! macro puts its callbacks in front and calls `__plugin!`, which calls the next type's macro or writes the module.

use std::collections::BTreeSet;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Error, Path, PathArguments, Result, Token, Type, TypePath, bracketed};

/// The callbacks and the exports that they need.
const EXPORTS: &[(&str, &str)] = &[
    ("on_vm_start", "proxy_on_vm_start"),
    ("on_configure", "proxy_on_configure"),
    ("on_tick", "proxy_on_tick"),
    ("on_done", "proxy_on_done"),
    ("on_log", "proxy_on_log"),
    ("on_request_headers", "proxy_on_request_headers"),
    ("on_response_headers", "proxy_on_response_headers"),
    ("on_queue_ready", "proxy_on_queue_ready"),
];

/// What every module exports: without them contexts would neither come nor go.
const ALWAYS: [&str; 2] = ["proxy_on_context_create", "proxy_on_delete"];

/// One `kind: Type` of the call.
struct Named {
    kind: Ident,
    ty: TypePath,
}

impl Parse for Named {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let kind: Ident = input.parse()?;
        if !["vm", "plugin", "http"].contains(&kind.to_string().as_str()) {
            return Err(Error::new_spanned(kind, "expected `vm: Type`, `plugin: Type` or `http: Type`"));
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
            return Err(input.error("expected `http: Type`, `plugin: Type`, or both"));
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
    let (dispatcher, new) = match (find("http"), find("plugin")) {
        (Some(http), _) => (quote!(#http), quote!(with_http)),
        (None, plugin) => (quote!(::sluicegate::dispatch::NoHttp<#plugin>), quote!(without_http)),
    };
    // The named contexts belong together. No name is introduced beside them: it would shadow the user's.
    let plugin_check = find("plugin").zip(find("http")).map(|(plugin, http)| {
        quote! {
            const _: fn(&#plugin, u32) -> #http = <#http as ::sluicegate::HttpFilter>::create;
        }
    });
    let vm_check = find("vm").map(|vm| {
        quote! {
            const _: fn(&#vm, u32) -> <#dispatcher as ::sluicegate::HttpFilter>::Plugin = ::sluicegate::PluginContext::create;
        }
    });
    let exported: BTreeSet<&str> = EXPORTS
        .iter()
        .filter(|(callback, _)| state.callbacks.contains(*callback))
        .map(|(_, export)| *export)
        .chain(ALWAYS)
        .collect();
    let exports: Vec<_> = exported.iter().map(|export| format_ident!("{export}")).collect();
    quote! {
        #[allow(unsafe_code, reason = "exports have fixed names, which is unsafe to choose; the macro chooses the ABI's")]
        const _: () = {
            #plugin_check
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
            static __SLUICEGATE: ::sluicegate::dispatch::Dispatcher<#dispatcher> = ::sluicegate::dispatch::Dispatcher::#new();
        }

        /// The module for a test host in the same process.
        #[cfg(not(target_family = "wasm"))]
        pub static PLUGIN: ::sluicegate::abi::Exports = ::sluicegate::abi::Exports {
            #(#exports: ::core::option::Option::Some(::sluicegate::__export_native!(__SLUICEGATE #exports)),)*
            ..::sluicegate::abi::Exports::none(::sluicegate::__initialize, || __SLUICEGATE.with(::sluicegate::dispatch::Dispatcher::reset))
        };
    }
}
