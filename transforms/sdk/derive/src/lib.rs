//! `#[derive(PublicData)]` of `tidegate-sdk`: the closed schema of a struct or an enum, and how
//! it is written as JSON, from one declaration.
//!
//! `attributes` reads `#[public(…)]`, `form` says what the schema of a type is, `expand` writes
//! both implementations. What is wrong is told at its place, with what is allowed.

mod attributes;
mod expand;
mod form;

use proc_macro::TokenStream;

/// Gives a type its closed schema, and has it written as that schema says. What each type of
/// field needs is told at the trait `tidegate_sdk::PublicData`.
#[proc_macro_derive(PublicData, attributes(public))]
pub fn public_data(input: TokenStream) -> TokenStream {
    let expanded = syn::parse(input).and_then(|input| expand::expand(&input));
    expanded
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
