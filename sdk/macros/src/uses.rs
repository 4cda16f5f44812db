//! Checks for calls of a handle whose outcome comes to a callback that the context does not have.
//! Without this check the stream would wait without end.
//!
//! This check is the first line of defence, and finds only calls that cannot mean something else:
//! the name of a callback's own handle, a dot, and the call, for example `request.hold_while(…)` or
//! `trailers.stream().spawn(…)`. A call through another name, or in another function, fails when it
//! runs.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::ext::IdentExt as _;
use syn::{Error, FnArg, ImplItem, ImplItemFn, ItemImpl, Pat};

use crate::kind::{Kind, TASKS, TICKS};

/// A method of the handles that needs an argument or a callback of the context.
struct Need {
    method: &'static str,
    /// An argument of the attribute, or a callback.
    of: &'static str,
}

const NEEDS: &[Need] = &[
    Need { method: "hold_while", of: TASKS },
    Need { method: "spawn", of: TASKS },
    Need { method: "call", of: "on_http_call_response" },
    Need { method: "grpc_call", of: "on_grpc_event" },
    Need { method: "grpc_stream", of: "on_grpc_event" },
    Need { method: "grpc_stream_unchecked", of: "on_grpc_event" },
    Need { method: "set_tick_period", of: TICKS[0] },
];

impl Need {
    fn error(&self, kind: &Kind, at: &Ident) -> Error {
        let (Self { method, of }, attribute) = (self, kind.attribute);
        let text = match *of {
            TASKS => format!(
                "`{method}` runs a task, and this context has no tasks: write `#[sluicegate::{attribute}({TASKS})]`"
            ),
            "on_tick" => {
                format!("`{method}` needs the callback `on_tick`, which is missing: implement it, or use timers")
            }
            _ => {
                let (then, forget) = match *method {
                    "grpc_stream" => ("grpc_stream_then", ""),
                    "grpc_stream_unchecked" => ("grpc_stream_then_unchecked", ""),
                    "grpc_call" => ("grpc_call_then", ", or `grpc_call_and_forget` if the response does not matter"),
                    _ => ("call_then", ", or `call_and_forget` if the response does not matter"),
                };
                format!(
                    "the response to `{method}` comes to `{of}`, which is missing: \
                     implement `{of}`, or use `{then}` with `#[sluicegate::{attribute}(calls)]`{forget}"
                )
            }
        };
        Error::new(at.span(), text)
    }
}

/// Finds the calls whose outcome no callback takes. `has` returns whether the context has an
/// argument or a callback.
pub(crate) fn errors(kind: &Kind, item: &ItemImpl, has: &dyn Fn(&str) -> bool) -> Vec<Error> {
    let mut errors = Vec::new();
    for item in &item.items {
        let ImplItem::Fn(function) = item else { continue };
        if !kind.callbacks.contains(&&*function.sig.ident.unraw().to_string()) {
            continue;
        }
        let Some(handle) = handle(function) else { continue };
        each_call(function.block.to_token_stream(), &handle.to_string(), &mut |called| {
            let need = NEEDS.iter().find(|need| called == need.method && !has(need.of));
            errors.extend(need.map(|need| need.error(kind, called)));
        });
    }
    errors
}

/// Returns the name of the callback's handle, which is its first parameter after `self`.
fn handle(function: &ImplItemFn) -> Option<&Ident> {
    let FnArg::Typed(parameter) = function.sig.inputs.iter().nth(1)? else { return None };
    match &*parameter.pat {
        Pat::Ident(name) => Some(&name.ident),
        _ => None,
    }
}

/// Finds `handle.method(…)` and `handle.stream().method(…)`, in blocks and arguments of all depths.
fn each_call(tokens: TokenStream, handle: &str, found: &mut dyn FnMut(&Ident)) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_dot = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.');
    for (place, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => each_call(group.stream(), handle, found),
            TokenTree::Ident(name)
                if name == handle && !place.checked_sub(1).is_some_and(|before| is_dot(&tokens[before])) =>
            {
                let mut rest = &tokens[place + 1..];
                while let [dot, TokenTree::Ident(method), after @ ..] = rest
                    && is_dot(dot)
                {
                    let is_call = match after.first() {
                        Some(TokenTree::Group(arguments)) => arguments.delimiter() == Delimiter::Parenthesis,
                        // `call::<…>(…)`
                        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
                        _ => false,
                    };
                    if !is_call {
                        break;
                    }
                    if method != "stream" && method != "connection" {
                        found(method);
                        break;
                    }
                    rest = &after[1..];
                }
            }
            _ => {}
        }
    }
}
