//! What the schema of a field is, from its type and its attributes.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, PathArguments, Result, Type};

use crate::attributes::Attributes;

/// What every field takes.
const ALWAYS: [&str; 3] = ["name", "title", "example"];

/// The words that bound text, of which a text has one kind.
const OF_TEXT: [&str; 6] = [
    "decimal",
    "timestamp",
    "max_length",
    "pattern",
    "one_of",
    "constant",
];

const OF_NUMBERS: [&str; 2] = ["minimum", "maximum"];

/// Types that have no closed schema, each with what to do.
const OPEN: [(&str, &str); 8] = [
    (
        "f32",
        "a float is rounded: publish a decimal as text, with `#[public(decimal)]`",
    ),
    (
        "f64",
        "a float is rounded: publish a decimal as text, with `#[public(decimal)]`",
    ),
    (
        "i128",
        "numbers travel as doubles: publish it as text, with `#[public(decimal)]`",
    ),
    (
        "u128",
        "numbers travel as doubles: publish it as text, with `#[public(decimal)]`",
    ),
    (
        "HashMap",
        "a map is open: name its fields in a struct, or publish a `Vec` of structs",
    ),
    (
        "BTreeMap",
        "a map is open: name its fields in a struct, or publish a `Vec` of structs",
    ),
    ("Value", "any JSON is open: name its fields in a struct"),
    ("RawValue", "any JSON is open: name its fields in a struct"),
];

/// Integers that a double holds, each with its own bounds.
const SMALL: [&str; 6] = ["u8", "u16", "u32", "i8", "i16", "i32"];

/// Integers that a double does not hold.
const LARGE: [&str; 4] = ["u64", "i64", "usize", "isize"];

/// A field's type, without what stands around it.
pub(crate) struct Form {
    /// Whether the field may be absent.
    pub(crate) optional: bool,
    /// Whether what is written is text.
    pub(crate) text: bool,
    /// An expression that gives the schema.
    pub(crate) schema: TokenStream,
}

/// The form of a field of this type.
pub(crate) fn of(field: &Type, attributes: &Attributes, owner: &str) -> Result<Form> {
    let field = referent(field);
    if let Some(inner) = argument(field, "Option") {
        let form = listed(referent(inner), attributes, owner)?;
        return Ok(Form {
            optional: true,
            ..form
        });
    }
    listed(field, attributes, owner)
}

fn listed(field: &Type, attributes: &Attributes, owner: &str) -> Result<Form> {
    let items = match field {
        Type::Slice(slice) => Some(&*slice.elem),
        field => argument(field, "Vec"),
    };
    let Some(items) = items else {
        if attributes.has("max_items") {
            let text = "`max_items` is for a `Vec`";
            return Err(Error::new_spanned(field, text));
        }
        return single(field, attributes, owner);
    };
    let Some(most) = attributes.value("max_items") else {
        let text = "a list needs a bound: `#[public(max_items = 10)]`";
        return Err(Error::new_spanned(field, text));
    };
    let form = single(referent(items), attributes, owner)?;
    let items = form.schema;
    Ok(Form {
        optional: false,
        text: false,
        schema: quote!(::tidegate_sdk::Schema::list(&#items, #most)),
    })
}

fn single(field: &Type, attributes: &Attributes, owner: &str) -> Result<Form> {
    let name = last_name(field);
    if let Some((_, advice)) = OPEN.iter().find(|(open, _)| *open == name) {
        let text = match name.as_str() {
            // Text by its attributes, whatever it holds.
            "Value" if attributes.has("decimal") => "JSON is no text",
            _ => advice,
        };
        return Err(Error::new_spanned(field, text));
    }
    let is_text = ["String", "str"].contains(&name.as_str())
        || argument(field, "Cow").is_some_and(|inner| last_name(inner) == "str")
        || OF_TEXT.iter().any(|word| attributes.has(word));
    let (schema, allowed, thing) = if is_text {
        (text(field, attributes)?, &OF_TEXT[..], "text")
    } else if SMALL.contains(&name.as_str()) || LARGE.contains(&name.as_str()) {
        (
            integer(field, &name, attributes)?,
            &OF_NUMBERS[..],
            "an integer",
        )
    } else if name == "bool" {
        let schema = quote!(::tidegate_sdk::Schema::boolean());
        (schema, &[][..], "a `bool`")
    } else if name == owner {
        let text = "a type in itself has no schema without references: give it a depth, as types";
        return Err(Error::new_spanned(field, text));
    } else {
        let schema =
            quote_spanned!(field.span()=> <#field as ::tidegate_sdk::PublicData>::schema());
        (schema, &[][..], "a type with a schema of its own")
    };
    let allowed = [&ALWAYS[..], &["max_items"], allowed].concat();
    attributes.only(&allowed, thing)?;
    Ok(Form {
        optional: false,
        text: is_text,
        schema,
    })
}

fn text(field: &Type, attributes: &Attributes) -> Result<TokenStream> {
    let kinds: Vec<&str> = OF_TEXT
        .into_iter()
        .filter(|word| attributes.has(word))
        .collect();
    let value = |word: &str| attributes.value(word);
    let schema = match kinds.as_slice() {
        ["decimal"] => quote!(::tidegate_sdk::Schema::decimal()),
        ["timestamp"] => quote!(::tidegate_sdk::Schema::timestamp()),
        ["one_of"] => {
            let words = value("one_of");
            quote!(::tidegate_sdk::Schema::text().with("enum", #words))
        }
        ["constant"] => {
            let word = value("constant");
            quote!(::tidegate_sdk::Schema::text().with("const", #word))
        }
        ["max_length" | "pattern"] | ["max_length", "pattern"] => {
            let most = value("max_length").map(|most| quote!(.with("maxLength", #most)));
            let pattern = value("pattern").map(|pattern| quote!(.with("pattern", #pattern)));
            quote!(::tidegate_sdk::Schema::text() #most #pattern)
        }
        [] => {
            let text = "text needs a bound: `#[public(max_length = 64)]`, `pattern = \"^…$\"`, \
                        `one_of = [\"a\", \"b\"]`, `constant = \"a\"`, `decimal` or `timestamp`";
            return Err(Error::new_spanned(field, text));
        }
        kinds => {
            let text = format!(
                "{} do not go together; allowed is one of decimal, timestamp, one_of, constant, \
                 or max_length with pattern",
                kinds.join(" and ")
            );
            return Err(Error::new_spanned(field, text));
        }
    };
    Ok(schema)
}

fn integer(field: &Type, name: &str, attributes: &Attributes) -> Result<TokenStream> {
    let bound = |word: &str, own: TokenStream| match attributes.value(word) {
        Some(value) => quote!(#value),
        None => quote!(::core::primitive::i64::from(#own)),
    };
    let bounded = OF_NUMBERS.iter().all(|word| attributes.has(word));
    if LARGE.contains(&name) && !bounded {
        let text = "numbers travel as doubles, which do not hold each integer of 64 bits: \
                    `#[public(minimum = 0, maximum = 1_000_000)]`, or a smaller type";
        return Err(Error::new_spanned(field, text));
    }
    let minimum = bound("minimum", quote!(<#field>::MIN));
    let maximum = bound("maximum", quote!(<#field>::MAX));
    Ok(quote!(::tidegate_sdk::Schema::integer(#minimum, #maximum)))
}

/// What a reference refers to.
fn referent(field: &Type) -> &Type {
    match field {
        Type::Reference(reference) => referent(&reference.elem),
        Type::Paren(inner) => referent(&inner.elem),
        Type::Group(inner) => referent(&inner.elem),
        field => field,
    }
}

fn last_name(field: &Type) -> String {
    match field {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
    .unwrap_or_default()
}

/// The type argument of a type with this name.
fn argument<'a>(field: &'a Type, name: &str) -> Option<&'a Type> {
    let Type::Path(path) = field else { return None };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}
