//! The attributes on the implementations of contexts.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt as _;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Error, ImplItem, ImplItemFn, ImplItemType, ItemImpl, Result, Token, Type, parse_quote};

use crate::kind::{
    ANSWERS, BODIES, CALLS, Kind, MARKS, RESUMES, STATELESS, TASKS, TICKS, TIMERS, UPGRADES, UPGRADES_MARK,
};
use crate::{unseen, uses};

pub(crate) fn expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(kind, arguments, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #item #error }
    })
}

fn try_expand(kind: &Kind, arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
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
    // From here on, errors are added beside the implementation, so that the compiler reports
    // nothing else as missing.
    let (arguments, mut errors) = match Arguments::parse(kind, arguments) {
        Ok(arguments) => (arguments, Vec::new()),
        Err(error) => (Arguments::default(), vec![error]),
    };
    errors.extend(unseen::errors(kind, &item));
    errors.extend(uses::errors(kind, &item, &|needed| arguments.has(needed) || has_fn(&item, needed)));
    let stateless = arguments.has(STATELESS);
    errors.extend(parent(kind, &item).filter(|_| stateless).and_then(plugin_of_stateless));
    errors.extend(bodies(&item, stateless));

    fill_in(kind, &mut item);
    let callbacks: Vec<_> = kind.callbacks.iter().filter(|callback| has_fn(&item, callback)).collect();
    let mut callbacks: Vec<_> = callbacks.into_iter().copied().chain(stateless.then_some(STATELESS)).collect();
    let mut facts: Vec<TokenStream> = Vec::new();
    let mut marks = vec![kind.marker];
    if arguments.has(CALLS) || arguments.has(TASKS) {
        callbacks.extend(ANSWERS);
        facts.push(quote! { const CALLS: bool = true; });
        marks.push("Closures");
    }
    if arguments.has(TIMERS) {
        callbacks.extend(TICKS);
        facts.push(quote! { const TIMERS: bool = true; });
        marks.push("Timers");
    }
    if arguments.has(TASKS) {
        callbacks.extend(TICKS);
        facts.push(quote! { const TASKS: bool = true; });
        marks.push("Tasks");
    }
    if kind.name == "HttpFilter" {
        for (_, mark) in MARKS.iter().filter(|(callback, _)| callbacks.contains(callback)) {
            let mark = format_ident!("{mark}");
            facts.push(quote! { const #mark: bool = true; });
        }
        if has_const(&item, UPGRADES) {
            callbacks.push(UPGRADES_MARK);
        }
    }
    if kind.name == "PluginContext" && callbacks.contains(&"on_log") {
        facts.push(quote! { const LOGS: bool = true; });
    }
    if kind.name == "PluginContext" && callbacks.iter().any(|callback| RESUMES.contains(callback)) {
        facts.push(quote! { const RESUMES: bool = true; });
    }
    // The dispatcher must know whether a response has a callback of its own. A call whose response
    // no callback takes is an error.
    if has_fn(&item, "on_http_call_response") {
        facts.push(quote! { const HTTP_ANSWERS: bool = true; });
    }
    if has_fn(&item, "on_grpc_event") {
        facts.push(quote! { const GRPC_ANSWERS: bool = true; });
    }
    marks.extend(kind.unnamed.filter(|_| callbacks.is_empty()));
    let self_ty = &item.self_ty;
    let (generics, _, bounds) = item.generics.split_for_impl();
    let marks = marks.into_iter().map(marker).map(|marker| quote! { impl #generics #marker for #self_ty #bounds {} });
    let owner = owner(kind).map(|(of, trait_, above)| {
        quote! {
            impl #generics ::sluicegate::owner::Owner for #self_ty #bounds {
                type Kind = ::sluicegate::owner::#of;
                type Above = <Self as ::sluicegate::#trait_>::#above;
            }
        }
    });
    let facts = (kind.name != "VmContext").then(|| {
        quote! {
            impl #generics ::sluicegate::__named::Facts for #self_ty #bounds {
                #(#facts)*
            }
        }
    });
    let callbacks = callbacks.into_iter().map(|callback| format_ident!("{callback}"));
    let check = stateless.then(|| {
        quote! {
            const _: () = assert!(::core::mem::size_of::<#self_ty>() == 0, "a stateless filter has no fields");
        }
    });
    let errors = errors.into_iter().map(Error::into_compile_error);
    let list = format_ident!("__sluicegate_callbacks_of_{name}");
    // Macros have a namespace of their own, in which the type's name is free. Code that imports the
    // type also imports its list of callbacks.
    Ok(quote! {
        #item
        #check
        #(#errors)*
        #owner
        #facts
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

/// Returns the kind of a context that owns calls, its trait, and the trait's type for the context
/// above, or `None` for the context of a VM.
fn owner(kind: &Kind) -> Option<(Ident, Ident, Ident)> {
    let of = match kind.name {
        "HttpFilter" => "HttpStream",
        "TcpFilter" => "Connection",
        "PluginContext" => "Plugin",
        _ => return None,
    };
    Some((format_ident!("{of}"), format_ident!("{}", kind.name), format_ident!("{}", kind.parent?)))
}

/// Returns the trait that a mark stands for.
fn marker(mark: &str) -> TokenStream {
    match mark {
        "Closures" => quote!(::sluicegate::callout::Closures),
        "Timers" => quote!(::sluicegate::timer::Timers),
        "Tasks" => quote!(::sluicegate::task::Tasks),
        attribute => {
            let attribute = format_ident!("{attribute}");
            quote!(::sluicegate::__named::#attribute)
        }
    }
}

/// Returns the associated type of the context above, if the author wrote it.
fn parent<'i>(kind: &Kind, item: &'i ItemImpl) -> Option<&'i ImplItemType> {
    item.items.iter().find_map(|item| match item {
        ImplItem::Type(ty) if kind.parent.is_some_and(|parent| ty.ident == parent) => Some(ty),
        _ => None,
    })
}

/// Returns an error if a stateless filter has a plugin, which it could not reach.
fn plugin_of_stateless(plugin: &ImplItemType) -> Option<Error> {
    let is_unit = matches!(&plugin.ty, Type::Tuple(tuple) if tuple.elems.is_empty());
    let text = "a stateless filter has no plugin: leave `stateless` out, or `type Plugin`";
    (!is_unit).then(|| Error::new_spanned(plugin, text))
}

/// Finds callbacks that cannot work with one for a whole body.
fn bodies(item: &ItemImpl, stateless: bool) -> impl Iterator<Item = Error> {
    BODIES.into_iter().filter_map(move |(parts, whole)| {
        let function = find_fn(item, whole)?;
        let text = if find_fn(item, parts).is_some() {
            format!("a body comes in parts or whole: implement either `{parts}` or `{whole}`")
        } else if stateless {
            format!("`{whole}` needs to know its stream: leave `stateless` out of the attribute")
        } else {
            return None;
        };
        Some(Error::new_spanned(&function.sig.ident, text))
    })
}

/// The arguments in the attribute's parentheses.
#[derive(Default)]
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
                "a stateless filter has no context to keep closures or tasks: leave `stateless` out",
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
        let has_parent = self::parent(kind, item).is_some();
        let parent = format_ident!("{parent}");
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

/// Finds a function by its name. A raw identifier is the same name to the compiler.
fn find_fn<'i>(item: &'i ItemImpl, name: &str) -> Option<&'i ImplItemFn> {
    item.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident.unraw() == name => Some(function),
        _ => None,
    })
}

fn has_const(item: &ItemImpl, name: &str) -> bool {
    item.items.iter().any(|item| matches!(item, ImplItem::Const(constant) if constant.ident == name))
}
