//! Checks for callbacks that the attribute would not see, because it reads the implementation
//! before any other macro in it is expanded.

use quote::ToTokens as _;
use syn::{Attribute, Error, ImplItem, ItemImpl, Path};

use crate::kind::Kind;

/// Finds the macros of an implementation that could write callbacks after the attribute has read
/// the implementation.
pub(crate) fn errors(kind: &Kind, item: &ItemImpl) -> Vec<Error> {
    let attribute = kind.attribute;
    let macros = item.items.iter().filter_map(|item| match item {
        ImplItem::Macro(call) => {
            let name = shown(&call.mac.path);
            let text = format!(
                "`#[sluicegate::{attribute}]` does not see the callbacks that `{name}!` writes, and would not export them: \
                 write the callbacks here, and call the macro in their bodies, or let the macro write the whole `impl` with its attribute"
            );
            Some(Error::new_spanned(call, text))
        }
        _ => None,
    });
    let attributes = item.attrs.iter().filter(|other| !is_inert(other)).map(|other| {
        let name = shown(other.path());
        let text = format!(
            "`#[{name}]` runs after `#[sluicegate::{attribute}]`, which would not see a callback that it adds: \
             write `#[{name}]` above `#[sluicegate::{attribute}]`"
        );
        Error::new_spanned(other, text)
    });
    macros.chain(attributes).collect()
}

/// Returns a path as the author wrote it.
fn shown(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// The attributes of the language that an implementation can have. None of them adds anything.
const BUILT_IN: &[&str] = &[
    "allow",
    "automatically_derived",
    "cfg",
    "cfg_attr",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "forbid",
    "must_use",
    "warn",
];

/// The tools that have attributes of their own.
const TOOLS: &[&str] = &["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];

/// Returns whether an attribute is no macro.
fn is_inert(attribute: &Attribute) -> bool {
    let segments = &attribute.path().segments;
    let Some(first) = segments.first().map(|first| first.ident.to_string()) else { return false };
    if segments.len() == 1 { BUILT_IN.contains(&&*first) } else { TOOLS.contains(&&*first) }
}
