//! `#[sluicegate_host::test]`: a function that becomes a test for each backend.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Path, Result, parse_quote};

/// Writes the function as it is, and beside it a module of its name with the tests.
pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> TokenStream {
    try_expand(arguments, item.clone()).unwrap_or_else(|error| {
        let error = error.into_compile_error();
        quote! { #item #error }
    })
}

fn try_expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let function: ItemFn = syn::parse2(item)?;
    let module: Path = if arguments.is_empty() { parse_quote!(crate::PLUGIN) } else { syn::parse2(arguments)? };
    if function.sig.inputs.len() != 1 || function.sig.asyncness.is_some() {
        return Err(Error::new_spanned(&function.sig, "expected one parameter, the host: `fn name(host: Host)`"));
    }
    let (name, output) = (&function.sig.ident, &function.sig.output);
    // Attributes above the function go to the tests: `#[should_panic]`, `#[cfg]`, and the
    // documentation.
    let (attributes, visibility, signature, block) = (&function.attrs, &function.vis, &function.sig, &function.block);
    Ok(quote! {
        #visibility #signature #block

        mod #name {
            #[test]
            #(#attributes)*
            fn native() #output {
                super::#name(::sluicegate_host::Host::new(&#module))
            }

            ::sluicegate_host::__wasm_rung! {
                #[test]
                #(#attributes)*
                fn wasm() #output {
                    super::#name(::sluicegate_host::__of_crate(env!("CARGO_MANIFEST_DIR"), env!("CARGO_PKG_NAME")))
                }
            }
        }
    })
}
