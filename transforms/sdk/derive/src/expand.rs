//! Both implementations of a type: its schema, and how it is written.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Fields, GenericParam, Result};

use crate::attributes::Attributes;
use crate::form;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    for parameter in &input.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            let text = "a schema is of one type: lifetimes are the only parameters allowed";
            return Err(Error::new_spanned(parameter, text));
        }
    }
    let attributes = Attributes::read(&input.attrs)?;
    attributes.only(&["title"], "a type")?;
    let (schema, written) = match &input.data {
        Data::Struct(data) => object(input, &data.fields, attributes.has("title"))?,
        Data::Enum(data) => words(input, data)?,
        Data::Union(_) => return Err(wrong_kind(input)),
    };
    let schema = described(&schema, attributes.value("title").cloned(), &attributes);
    let name = &input.ident;
    let (given, taken, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #given ::tidegate_sdk::PublicData for #name #taken #bounds {
            fn schema() -> ::tidegate_sdk::Schema {
                #schema
            }
        }

        #[automatically_derived]
        impl #given ::tidegate_sdk::serde::Serialize for #name #taken #bounds {
            fn serialize<S: ::tidegate_sdk::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                #written
            }
        }
    })
}

fn wrong_kind(place: impl ToTokens) -> Error {
    Error::new_spanned(
        place,
        "what is published is a struct with named fields, or an enum of variants without data",
    )
}

/// Fields have titles where the struct has one.
fn object(
    input: &DeriveInput,
    fields: &Fields,
    titled: bool,
) -> Result<(TokenStream, TokenStream)> {
    let Fields::Named(fields) = fields else {
        return Err(wrong_kind(&input.ident));
    };
    let owner = input.ident.to_string();
    let (mut properties, mut steps) = (Vec::new(), Vec::new());
    let mut count = Vec::new();
    for field in &fields.named {
        // Fields between braces have names.
        let Some(ident) = &field.ident else { continue };
        let attributes = Attributes::read(&field.attrs)?;
        let form = form::of(&field.ty, &attributes, &owner)?;
        let plain = ident.to_string();
        let plain = plain.strip_prefix("r#").unwrap_or(&plain);
        let name = attributes.name()?.unwrap_or_else(|| plain.to_owned());
        let title = attributes.value("title").cloned();
        let title = title.or_else(|| titled.then(|| spoken(&name).to_token_stream()));
        let schema = described(&form.schema, title, &attributes);
        let needed = !form.optional;
        properties.push(quote! {
            ::tidegate_sdk::schema::Property { name: #name, needed: #needed, schema: #schema }
        });
        let value = match form.text {
            true => quote!(::core::convert::AsRef::<::core::primitive::str>::as_ref(
                value
            )),
            false => quote!(value),
        };
        let step = quote!(fields.serialize_field(#name, #value)?;);
        steps.push(match needed {
            true => quote!({ let value = &self.#ident; #step }),
            false => quote!(if let ::core::option::Option::Some(value) = &self.#ident { #step }),
        });
        count.push(match needed {
            true => quote!(1),
            false => quote!(::core::primitive::usize::from(self.#ident.is_some())),
        });
    }
    let written = quote! {
        use ::tidegate_sdk::serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct(#owner, 0 #(+ #count)*)?;
        #(#steps)*
        fields.end()
    };
    let schema = quote!(::tidegate_sdk::Schema::object(&[#(#properties),*]));
    Ok((schema, written))
}

fn words(input: &DeriveInput, data: &syn::DataEnum) -> Result<(TokenStream, TokenStream)> {
    let owner = input.ident.to_string();
    let (mut words, mut arms) = (Vec::new(), Vec::new());
    for (number, variant) in (0_u32..).zip(&data.variants) {
        let Fields::Unit = variant.fields else {
            return Err(wrong_kind(variant));
        };
        let attributes = Attributes::read(&variant.attrs)?;
        attributes.only(&["name"], "a variant")?;
        let ident = &variant.ident;
        let word = attributes
            .name()?
            .unwrap_or_else(|| snake(&ident.to_string()));
        arms.push(quote! {
            Self::#ident => serializer.serialize_unit_variant(#owner, #number, #word),
        });
        words.push(word);
    }
    if words.is_empty() {
        return Err(wrong_kind(&input.ident));
    }
    let schema = quote!(::tidegate_sdk::Schema::text().with("enum", [#(#words),*]));
    Ok((schema, quote!(match self { #(#arms)* })))
}

/// With its title, its description and its example, as far as there are any.
fn described(
    schema: &TokenStream,
    title: Option<TokenStream>,
    attributes: &Attributes,
) -> TokenStream {
    let title = title.map(|title| quote!(.with("title", #title)));
    let description = &attributes.description;
    let description = description
        .as_ref()
        .map(|text| quote!(.with("description", #text)));
    let example = attributes.value("example");
    let example = example.map(|example| quote!(.with("examples", [#example])));
    quote!(#schema #title #description #example)
}

/// `MomentumSignal` as `momentum_signal`.
fn snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// `signal_type` as `Signal type`.
fn spoken(name: &str) -> String {
    let name = name.replace('_', " ");
    let mut letters = name.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => name,
    }
}

#[cfg(test)]
mod tests;
