//! The examples for product teams, as `cargo xtask examples` has built them.

use std::path::PathBuf;

use crate::binary::repository;

/// The languages, each by the name of its component. JavaScript is there for two engines, and once
/// without what its tool imports of WASI.
pub const LANGUAGES: [&str; 5] = [
    "rust",
    "javascript",
    "quickjs",
    "quickjs-without-wasi",
    "python",
];

/// The ticker of a language.
pub fn ticker(language: &str) -> Vec<u8> {
    let path = path(language);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; run `cargo xtask examples`, which builds it",
            path.display()
        )
    })
}

/// Where the ticker of a language is.
pub fn path(language: &str) -> PathBuf {
    let built = repository().join("target/examples");
    built.join(format!("ticker-{language}.wasm"))
}

/// The ticker of a language with a mistake in it: an exception is thrown for the symbol `MIS-TAKE`.
pub fn mistake(language: &str) -> PathBuf {
    let path = repository().join(format!("target/examples/mistake-{language}.wasm"));
    assert!(
        path.is_file(),
        "{} is not there; run `cargo xtask examples`, which builds it",
        path.display()
    );
    path
}

/// Where the source of an example, as it was built last, has these words: its name and the number
/// of the line.
pub fn line_of(source: &str, words: &str) -> String {
    let path = repository().join("target/examples").join(source);
    let text = std::fs::read_to_string(&path).expect("it was built there");
    let number = text.lines().position(|line| line.contains(words));
    let number = number.expect("the source has these words") + 1;
    let name = path.file_name().expect("a file").to_string_lossy();
    format!("{name}:{number}")
}

/// The same with another name of as many letters, and so with a family, a message type and
/// upstream channels of its own: what a component says stands in its data as it is.
pub fn renamed(component: &[u8], name: &str) -> Vec<u8> {
    const OLD: &[u8] = b"ticker";
    assert_eq!(name.len(), OLD.len(), "places in a component do not move");
    let mut renamed = component.to_vec();
    let mut at = 0;
    while let Some(found) = renamed[at..]
        .windows(OLD.len())
        .position(|part| part == OLD)
    {
        let end = at + found + OLD.len();
        renamed[at + found..end].copy_from_slice(name.as_bytes());
        at = end;
    }
    renamed
}
