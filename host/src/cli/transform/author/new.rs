//! `transform new`: a project that builds and passes as it is, and what to do with it.

use std::path::Path;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;

use super::Found;
use crate::count::count_of;
use crate::kit::{Begun, Language, Unusable, begin};
use crate::tasks::blocking;

#[derive(Debug, clap::Args)]
pub(in super::super) struct NewArgs {
    /// The name of the transform and of the folder that is made, such as order-books
    name: String,
    /// The language that it is written in
    #[arg(long, default_value = "rust", value_parser = languages())]
    language: Language,
    /// The upstream channels that it listens to, with {symbol} where that stands, such as
    /// perp:{exchange}:funding:{symbol} [default: feed:NAME:{symbol}]
    #[arg(long, value_name = "PATTERN")]
    upstream: Option<String>,
}

fn languages() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(["rust", "javascript", "python"]).map(|name| match name.as_str() {
        "javascript" => Language::JavaScript,
        "python" => Language::Python,
        _ => Language::Rust,
    })
}

pub(super) async fn new(args: &NewArgs) -> Result<Found, Unusable> {
    let (language, name, upstream) = (args.language, args.name.clone(), args.upstream.clone());
    let making = move || begin(language, &name, upstream.as_deref(), Path::new(""));
    let begun = blocking(making).await?;
    Ok(Found {
        text: told(&begun, language),
        answer: json!({
            "folder": begun.folder,
            "language": language,
            "files": begun.files,
            "install": begun.install,
        }),
        sound: true,
    })
}

fn told(begun: &Begun, language: Language) -> String {
    let folder = begun.folder.display();
    let fill_in = match language {
        Language::Rust => "`public` in src/lib.rs",
        Language::JavaScript => "`publicOf` in stream.js",
        Language::Python => "`public` in stream.py",
    };
    format!(
        "made {folder}, a transform in {language}: {}\n\n\
         next:\n  cd {folder}\n  {}\n  tidegate transform build\n  tidegate transform check\n  \
         tidegate transform test\n\n\
         then fill in {fill_in}; README.md says the rest\n",
        count_of(begun.files.len(), "file"),
        begun.install
    )
}
