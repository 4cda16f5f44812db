//! `plugin!`: asks each context's type for its callbacks, then writes the module.
//!
//! The steps are macro calls, because only the compiler can find a type's macro. `plugin!` calls
//! the first type's macro with the rest of the work. That macro puts its callbacks in front and
//! calls `__plugin!`, which calls the next type's macro or writes the module.

use std::collections::BTreeSet;

use crate::checks;
use crate::kind::{ANSWERS, RESUMES, STATELESS};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, LitStr, Path, PathArguments, Result, Token, Type, TypePath, braced, bracketed, custom_keyword};

custom_keyword!(root);
custom_keyword!(allocator);

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
    // If the filter has no callback for trailers, the held part of a body goes on with the
    // trailers.
    ("on_request_body", "proxy_on_request_trailers"),
    // The head tells whether the next part is a body.
    ("on_complete_request_body", "proxy_on_request_headers"),
    ("on_complete_request_body", "proxy_on_request_body"),
    ("on_complete_request_body", "proxy_on_request_trailers"),
    ("on_request_trailers", "proxy_on_request_trailers"),
    ("on_request_metadata", "proxy_on_request_metadata"),
    ("on_response_headers", "proxy_on_response_headers"),
    ("on_response_body", "proxy_on_response_body"),
    ("on_response_body", "proxy_on_response_trailers"),
    ("on_complete_response_body", "proxy_on_request_headers"),
    ("on_complete_response_body", "proxy_on_response_headers"),
    ("on_complete_response_body", "proxy_on_response_body"),
    ("on_complete_response_body", "proxy_on_response_trailers"),
    ("upgrades", "proxy_on_request_headers"),
    ("upgrades", "proxy_on_response_headers"),
    ("on_response_trailers", "proxy_on_response_trailers"),
    ("on_response_metadata", "proxy_on_response_metadata"),
    ("on_new_connection", "proxy_on_new_connection"),
    // Without this export, data would pass a connection that is held from its start on.
    ("on_new_connection", "proxy_on_downstream_data"),
    ("on_downstream_data", "proxy_on_downstream_data"),
    ("on_upstream_data", "proxy_on_upstream_data"),
    ("on_downstream_close", "proxy_on_downstream_connection_close"),
    ("on_upstream_close", "proxy_on_upstream_connection_close"),
    ("on_queue_ready", "proxy_on_queue_ready"),
];

/// The exports of a module that can pause headers and resume them later. A proxy may show the body
/// behind paused headers; without these exports the body would release the headers.
const PAUSED: &[(&str, &str)] = &[
    ("on_request_headers", "proxy_on_request_body"),
    ("on_request_headers", "proxy_on_request_trailers"),
    ("on_response_headers", "proxy_on_response_body"),
    ("on_response_headers", "proxy_on_response_trailers"),
];

/// The exports of a module with contexts. Without them contexts would neither be created nor
/// deleted, and the allocator would not be named.
const CONTEXTS: &[&str] = &["proxy_on_context_create", "proxy_on_delete", "proxy_on_vm_start"];

/// The exports of a module with several plugins. A plugin with a root id that the module does not
/// have is refused when it is configured.
const ROOTS: &[&str] = &["proxy_on_context_create", "proxy_on_delete", "proxy_on_vm_start", "proxy_on_configure"];

/// The further exports of a module with budgets. Without them no budget would be read from the
/// configuration, and no new stream would be shed.
const BUDGET: &[&str] = &["proxy_on_configure"];
const BUDGET_OF_STREAMS: &[&str] = &["proxy_on_request_headers"];

/// The export of a module without contexts. In this callback it names its allocator.
const NO_CONTEXTS: &[&str] = &["proxy_on_vm_start"];

/// One `kind: Type` of the call.
struct Named {
    /// The index of the plugin's root id, or 0 if there are no root ids.
    root: usize,
    kind: Ident,
    ty: TypePath,
}

impl Named {
    fn parse(root: usize, input: ParseStream<'_>) -> Result<Self> {
        let kind: Ident = input.parse()?;
        if !["vm", "plugin", "http", "tcp"].contains(&kind.to_string().as_str()) {
            return Err(Error::new_spanned(kind, "expected `vm: Type`, `plugin: Type`, `http: Type` or `tcp: Type`"));
        }
        input.parse::<Token![:]>()?;
        match input.parse()? {
            Type::Path(ty) if ty.qself.is_none() => Ok(Self { root, kind, ty }),
            other => Err(Error::new_spanned(other, "expected the name of a type")),
        }
    }

    /// Parses the contexts of one plugin.
    fn parse_all(root: usize, input: ParseStream<'_>) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        while !input.is_empty() && !input.peek(allocator) {
            let named = Self::parse(root, input)?;
            if all.iter().any(|other| other.kind == named.kind) {
                return Err(Error::new_spanned(&named.kind, "named twice"));
            }
            all.push(named);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if all.iter().all(|named| named.kind == "vm") {
            return Err(input.error("expected at least one of `http: Type`, `tcp: Type` and `plugin: Type`"));
        }
        Ok(all)
    }
}

/// The root id of a plugin, or `None` for `_`, which stands for all other ids.
struct Root(Option<LitStr>);

impl Parse for Root {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.peek(Token![_]) {
            input.parse::<Token![_]>()?;
            return Ok(Self(None));
        }
        input.parse().map(|id| Self(Some(id)))
    }
}

impl ToTokens for Root {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(id) => id.to_tokens(tokens),
            None => tokens.extend(quote!(_)),
        }
    }
}

impl Named {
    fn tokens(&self) -> TokenStream {
        let Self { root, kind, ty } = self;
        quote! { #root #kind: #ty }
    }

    /// Returns the path of the type's macro, which has the type's name.
    fn callbacks(&self) -> Path {
        let mut path = self.ty.path.clone();
        if let Some(last) = path.segments.last_mut() {
            last.arguments = PathArguments::None;
        }
        path
    }
}

/// Parses `allocator: STATIC`, which comes last.
fn parse_allocator(input: ParseStream<'_>) -> Result<Option<Path>> {
    if !input.peek(allocator) {
        return Ok(None);
    }
    input.parse::<allocator>()?;
    input.parse::<Token![:]>()?;
    let path = input.parse()?;
    input.parse::<Option<Token![,]>>()?;
    if input.is_empty() { Ok(Some(path)) } else { Err(input.error("`allocator: STATIC` comes last")) }
}

/// Parses `kind: Type, …`, or `root "id" { kind: Type, … }` several times, and then perhaps an
/// allocator.
fn parse_call(input: ParseStream<'_>) -> Result<State> {
    let mut roots: Vec<Root> = Vec::new();
    let mut named = Vec::new();
    let several = |input: ParseStream<'_>| input.peek(root) && !input.peek2(Token![:]);
    if !several(input) {
        named = Named::parse_all(0, input)?;
    }
    while !input.is_empty() && !input.peek(allocator) {
        input.parse::<root>()?;
        let id = input.parse::<Root>()?;
        let value = |root: &Root| root.0.as_ref().map(LitStr::value);
        if roots.iter().any(|other| value(other) == value(&id)) {
            return Err(Error::new_spanned(id, "named twice"));
        }
        let contexts;
        braced!(contexts in input);
        named.extend(Named::parse_all(roots.len(), &contexts)?);
        roots.push(id);
        if input.peek(Token![,]) {
            input.parse::<Token![,]>()?;
        }
    }
    let allocator = parse_allocator(input)?;
    Ok(State { roots, named, allocator, asked: 0, callbacks: BTreeSet::new() })
}

pub(crate) fn begin(input: TokenStream) -> TokenStream {
    match parse_call.parse2(input) {
        Ok(state) => {
            // The checks come before the first type's macro. A type without its attribute has no
            // macro, and the check's message is better than the compiler's.
            let roots = 0..state.roots.len().max(1);
            let checks = roots.map(|root| checks::of_root(|kind| state.find(root, kind)));
            let ask = ask(&state);
            quote! { #(#checks)* #ask }
        }
        Err(error) => error.into_compile_error(),
    }
}

/// The progress of `plugin!`.
struct State {
    /// The root ids. Empty if one plugin serves all root ids.
    roots: Vec<Root>,
    named: Vec<Named>,
    /// The static that is the module's allocator, or `None` if a feature picks the allocator.
    allocator: Option<Path>,
    /// The number of types that have added their callbacks.
    asked: usize,
    callbacks: BTreeSet<String>,
}

impl State {
    /// Returns the type of a plugin's context of this kind.
    fn find(&self, root: usize, kind: &str) -> Option<&TypePath> {
        self.named.iter().find(|named| named.root == root && named.kind == kind).map(|named| &named.ty)
    }
}

impl Parse for State {
    /// Parses `[new callbacks] asked [callbacks before] [roots] [allocator] root kind: Type, …`.
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
        let list;
        bracketed!(list in input);
        let mut roots = Vec::new();
        while !list.is_empty() {
            roots.push(list.parse()?);
        }
        let list;
        bracketed!(list in input);
        let allocator = if list.is_empty() { None } else { Some(list.parse()?) };
        let named = |input: ParseStream<'_>| {
            let root = input.parse::<syn::LitInt>()?.base10_parse()?;
            Named::parse(root, input)
        };
        let named = Punctuated::<Named, Token![,]>::parse_terminated_with(input, named)?.into_iter().collect();
        Ok(Self { roots, named, allocator, asked, callbacks })
    }
}

impl State {
    fn is_stateless(&self) -> bool {
        self.callbacks.contains(STATELESS)
    }

    /// Returns whether no stream needs a context. A stateless filter that takes responses needs
    /// one, because the stream knows which part the filter paused until the response.
    fn keeps_nothing(&self) -> bool {
        self.is_stateless() && !ANSWERS.iter().any(|callback| self.callbacks.contains(*callback))
    }
}

/// Calls the next type's macro.
fn ask(state: &State) -> TokenStream {
    let Some(next) = state.named.get(state.asked) else { return write(state) };
    let path = next.callbacks();
    let asked = state.asked + 1;
    let callbacks = state.callbacks.iter().map(|callback| format_ident!("{callback}"));
    let named = state.named.iter().map(Named::tokens);
    let State { roots, allocator, .. } = state;
    quote! { #path! { #asked [#(#callbacks)*] [#(#roots)*] [#allocator] #(#named),* } }
}

pub(crate) fn step(input: TokenStream) -> TokenStream {
    match syn::parse2::<State>(input) {
        Ok(state) => ask(&state),
        Err(error) => error.into_compile_error(),
    }
}

/// Returns the type of a plugin's dispatcher.
fn dispatcher(state: &State, root: usize) -> TokenStream {
    let (http, tcp, plugin) = (state.find(root, "http"), state.find(root, "tcp"), state.find(root, "plugin"));
    // The plugin's type is the one that the filter declares. The checks compare it with the named
    // one.
    let plugin_type = match (http, tcp) {
        (Some(http), _) => quote!(<#http as ::sluicegate::HttpFilter>::Plugin),
        (None, Some(tcp)) => quote!(<#tcp as ::sluicegate::TcpFilter>::Plugin),
        (None, None) => quote!(#plugin),
    };
    let http_type = http.map_or_else(|| quote!(::sluicegate::dispatch::NoStreams<#plugin_type>), |http| quote!(#http));
    let tcp_type = tcp.map_or_else(|| quote!(::sluicegate::dispatch::NoStreams<#plugin_type>), |tcp| quote!(#tcp));
    if state.keeps_nothing() {
        quote!(::sluicegate::dispatch::Stateless<#http_type>)
    } else {
        quote!(::sluicegate::dispatch::Dispatcher<#http_type, #tcp_type>)
    }
}

/// Writes the module.
fn write(state: &State) -> TokenStream {
    if state.is_stateless() && state.named.len() > 1 {
        let other = state.named.iter().find(|named| named.kind != "http").or(state.named.last()).map(|named| &named.ty);
        return Error::new_spanned(
            other,
            "a stateless filter has no context, so it reaches no other: leave `stateless` out, or name only the filter",
        )
        .into_compile_error();
    }
    let always = match () {
        () if state.keeps_nothing() => NO_CONTEXTS,
        () if state.roots.is_empty() => CONTEXTS,
        () => ROOTS,
    };
    let streams = state.named.iter().any(|named| named.kind == "http");
    let resumes = RESUMES.iter().any(|callback| state.callbacks.contains(*callback));
    let exported: BTreeSet<&str> = EXPORTS
        .iter()
        .chain(PAUSED.iter().filter(|_| resumes))
        .filter(|(callback, _)| state.callbacks.contains(*callback))
        .map(|(_, export)| *export)
        .chain(always.iter().copied())
        .chain(BUDGET.iter().copied().filter(|_| cfg!(feature = "budget")))
        .chain(BUDGET_OF_STREAMS.iter().copied().filter(|_| cfg!(feature = "budget") && streams))
        .collect();
    let exports: Vec<_> = exported.iter().map(|export| format_ident!("{export}")).collect();
    let [http_answers, grpc_answers] =
        ["proxy_on_http_call_response", "proxy_on_grpc_receive"].map(|export| exported.contains(export));
    let names: Vec<_> = match state.roots.len() {
        0 => vec![format_ident!("__SLUICEGATE")],
        roots => (0..roots).map(|root| format_ident!("__SLUICEGATE_{root}")).collect(),
    };
    let dispatchers = names.iter().enumerate().map(|(root, name)| {
        let dispatcher = dispatcher(state, root);
        quote! {
            ::sluicegate::__vm_local! {
                module static #name: #dispatcher = <#dispatcher>::new();
            }
        }
    });
    let (target, ids) = if state.roots.is_empty() {
        (quote!(#(#names)*), None)
    } else {
        let ids = state.roots.iter().map(|root| match &root.0 {
            Some(id) => quote!(::core::option::Option::Some(#id)),
            None => quote!(::core::option::Option::None),
        });
        let ids = quote! { const __SLUICEGATE_ROOTS: &[::core::option::Option<&str>] = &[#(#ids),*]; };
        (quote!(__SLUICEGATE_ROOTS [#(#names)*]), Some(ids))
    };
    let (install, announce) = match &state.allocator {
        None => (quote!(::sluicegate::__alloc::install!();), quote!()),
        Some(path) => (quote!(), quote!(::sluicegate::__alloc::announce!(#path);)),
    };
    quote! {
        #[allow(unsafe_code, reason = "exports have fixed names, which is unsafe to choose; the macro chooses the ABI's")]
        const _: () = {
            #[allow(unused_imports, reason = "a module without callbacks of a stream")]
            use ::sluicegate::dispatch::HttpCallbacks as _;
            #[cfg(target_family = "wasm")]
            #install
            #[cfg(target_family = "wasm")]
            ::sluicegate::__export_module!(#http_answers, #grpc_answers, #announce);
            #(
                #[cfg(target_family = "wasm")]
                ::sluicegate::__export!(#target #exports);
            )*
        };

        #ids
        #(#dispatchers)*

        /// The module for a test host in the same process.
        #[cfg(not(target_family = "wasm"))]
        pub static PLUGIN: ::sluicegate::Exports = {
            #[allow(unused_imports, reason = "a module without callbacks of a stream")]
            use ::sluicegate::dispatch::HttpCallbacks as _;
            ::sluicegate::Exports {
            #(#exports: ::core::option::Option::Some(::sluicegate::__export_native!(#target #exports)),)*
            ..::sluicegate::Exports::none(|| { #announce ::sluicegate::dispatch::initialize() }, || {
                #(#names.with(|dispatcher| dispatcher.reset());)*
            })
            }
        };
    }
}
