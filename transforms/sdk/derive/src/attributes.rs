//! `#[public(…)]` and the doc comment of a field, a variant or a type.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Attribute, Error, Expr, ExprLit, Lit, LitStr, Meta, Result, Token};

/// What may stand in `#[public(…)]`, and whether it has a value.
const KNOWN: [(&str, bool); 12] = [
    ("name", true),
    ("title", true),
    ("example", true),
    ("decimal", false),
    ("timestamp", false),
    ("max_length", true),
    ("pattern", true),
    ("one_of", true),
    ("constant", true),
    ("minimum", true),
    ("maximum", true),
    ("max_items", true),
];

/// The attributes of one declaration.
pub(crate) struct Attributes {
    words: Vec<(&'static str, Span, Option<TokenStream>)>,
    /// The doc comment, in one line.
    pub(crate) description: Option<String>,
}

impl Attributes {
    pub(crate) fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut words = Vec::new();
        let mut lines = Vec::new();
        for attribute in attributes {
            if attribute.path().is_ident("public") {
                read_words(attribute, &mut words)?;
            }
            lines.extend(doc_line(attribute));
        }
        let description = lines.join(" ").trim().to_owned();
        Ok(Self {
            words,
            description: (!description.is_empty()).then_some(description),
        })
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|(known, ..)| *known == word)
    }

    /// The value of a word that has one.
    pub(crate) fn value(&self, word: &str) -> Option<&TokenStream> {
        let mut words = self.words.iter();
        words
            .find(|(known, ..)| *known == word)
            .and_then(|(.., value)| value.as_ref())
    }

    /// The name in JSON, which stands there as it is.
    pub(crate) fn name(&self) -> Result<Option<String>> {
        let Some(name) = self.value("name") else {
            return Ok(None);
        };
        let text = syn::parse2::<LitStr>(name.clone()).map_err(|_| {
            let told = "a name is text between quotes, such as `name = \"price\"`";
            Error::new_spanned(name, told)
        })?;
        Ok(Some(text.value()))
    }

    /// Refuses words that are not for this kind of thing.
    pub(crate) fn only(&self, allowed: &[&str], thing: &str) -> Result<()> {
        match self.words.iter().find(|(word, ..)| !allowed.contains(word)) {
            None => Ok(()),
            Some((word, span, _)) => Err(Error::new(
                *span,
                format!(
                    "`{word}` is not for {thing}; allowed: {}",
                    allowed.join(", ")
                ),
            )),
        }
    }
}

fn read_words(
    attribute: &Attribute,
    words: &mut Vec<(&'static str, Span, Option<TokenStream>)>,
) -> Result<()> {
    attribute.parse_nested_meta(|meta| {
        let written = meta.path.to_token_stream().to_string();
        let Some((word, has_value)) = KNOWN.iter().find(|(word, _)| *word == written) else {
            let known: Vec<&str> = KNOWN.iter().map(|(word, _)| *word).collect();
            let text = format!("unknown `{written}`; allowed: {}", known.join(", "));
            return Err(meta.error(text));
        };
        if words.iter().any(|(earlier, ..)| earlier == word) {
            return Err(meta.error(format!("`{word}` stands here twice")));
        }
        let value = match (has_value, meta.input.peek(Token![=])) {
            (true, true) => Some(value(meta.value()?)?),
            (false, false) => None,
            (true, false) => {
                return Err(meta.error(format!("`{word}` needs a value: `{word} = …`")));
            }
            (false, true) => {
                return Err(meta.error(format!("`{word}` has no value: write it alone")));
            }
        };
        words.push((
            word,
            meta.path
                .get_ident()
                .map_or_else(Span::call_site, |ident| ident.span()),
            value,
        ));
        Ok(())
    })
}

/// An expression, to the next comma: what is wrong in it is told where it is used.
fn value(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    match tokens.is_empty() {
        true => Err(input.error("a value is missing here")),
        false => Ok(tokens),
    }
}

fn doc_line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(line),
            ..
        }) if pair.path.is_ident("doc") => Some(line.value().trim().to_owned()),
        _ => None,
    }
}
