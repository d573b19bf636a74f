//! What bytes are that are no component, and what their owner meant to send.

use super::maker::{LINKER, Maker};
use super::outline::Outline;

const MAGIC: &[u8] = b"\0asm";
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// How much of a text is read to find its language, in bytes.
const MAX_READ: usize = 8 << 10;

/// Formats by the first bytes of their files.
const FORMATS: [(&[u8], &str); 14] = [
    (
        b"\x1f\x8b",
        "it is compressed (gzip): unpack it first, with gunzip",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "it is compressed (zstd): unpack it first, with unzstd",
    ),
    (
        b"\xfd7zXZ\0",
        "it is compressed (xz): unpack it first, with unxz",
    ),
    (
        b"BZh",
        "it is compressed (bzip2): unpack it first, with bunzip2",
    ),
    (
        b"PK\x03\x04",
        "it is an archive (zip): unpack it, and send the .wasm file inside",
    ),
    (b"\x7fELF", NATIVE),
    (b"\xcf\xfa\xed\xfe", NATIVE),
    (b"\xca\xfe\xba\xbe", NATIVE),
    (b"MZ", NATIVE),
    (b"!<arch>\n", NATIVE),
    (b"BC\xc0\xde", NATIVE),
    (
        b"\xff\xfe",
        "it is a text in UTF-16: send the .wasm file that is built of it",
    ),
    (
        b"\xfe\xff",
        "it is a text in UTF-16: send the .wasm file that is built of it",
    ),
    (
        b"version https://git-lfs",
        "it is a pointer of Git LFS and not the file itself: fetch that with `git lfs pull`",
    ),
];

const NATIVE: &str = "it is machine code of a computer (a program, a library, or what a runtime \
                      compiled): send the .wasm file that the build for WebAssembly writes";

const TEXT_FORM: &str = "it is WebAssembly as text: make the binary form of it, with `wasm-tools \
                         parse FILE.wat -o FILE.wasm`";

const PAGE: &str = "it is a page or document (HTML or XML), as a download that failed leaves it: \
                    fetch the .wasm file itself";

const JSON: &str = "it is JSON, as a download that failed leaves it: fetch the .wasm file itself";

/// The error says what else the bytes are, and what to do.
pub(super) fn must_be_component(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(COMPONENT) {
        return Ok(());
    }
    Err(if bytes.is_empty() {
        "it is empty: see whether the build or the copy was completed".into()
    } else if bytes.starts_with(MODULE) {
        module(bytes)
    } else if bytes.starts_with(MAGIC) && bytes.len() >= COMPONENT.len() {
        "it is WebAssembly of a form from before the component model was released, or from a \
         later one: build it with current tools"
            .into()
    } else if bytes.starts_with(MAGIC) || MAGIC.starts_with(bytes) {
        "it is cut off within its first bytes: build it again, or copy it again".into()
    } else {
        let format = FORMATS.iter().find(|(first, _)| bytes.starts_with(first));
        match format {
            Some((_, words)) => (*words).into(),
            None => text(bytes).into(),
        }
    })
}

/// What to do about a core module, which is half of the way to a component.
fn module(bytes: &[u8]) -> String {
    const NEW: &str = "make a component of it, with `wasm-tools component new FILE -o COMPONENT`";
    let remedy = match Outline::read(bytes) {
        Ok(outline) if outline.maker == Maker::Rust => {
            let wasi = outline.imports.contains(&"wasi_snapshot_preview1");
            let instead = if wasi {
                " instead of wasm32-wasip1"
            } else {
                ""
            };
            format!(
                "build it for wasm32-unknown-unknown{instead}, with {LINKER}: then cargo's output is a component"
            )
        }
        Ok(outline) if outline.has_bindings => {
            format!("{NEW}; or have cargo do so, with {LINKER}")
        }
        _ => format!("build it with bindings for the world `transform` of the contract, and {NEW}"),
    };
    format!("it is a core module: {remedy}")
}

fn text(bytes: &[u8]) -> &'static str {
    let start = &bytes[..bytes.len().min(MAX_READ)];
    // The last character may be cut in two.
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&start[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => "",
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.is_empty() || text.contains('\0') {
        return "it does not begin as WebAssembly does (\\0asm): send the .wasm file that the \
                build writes";
    }
    match text.as_bytes()[0] {
        b'(' | b';' => TEXT_FORM,
        b'<' => PAGE,
        b'{' => JSON,
        _ => source(text),
    }
}

/// Sources by the words that their lines begin with; what several languages have decides
/// nothing.
fn source(text: &str) -> &'static str {
    let lines = |words: &[&str]| {
        let begins = |line: &&str| words.iter().any(|word| line.starts_with(word));
        text.lines().filter(begins).count()
    };
    let counts = [
        (
            lines(&[
                "export ",
                "const ",
                "let ",
                "var ",
                "function ",
                "async function ",
                "import {",
                "import *",
                "'use strict'",
                "\"use strict\"",
            ]),
            Maker::ComponentizeJs.instead_of_source(),
        ),
        (
            lines(&[
                "def ",
                "class ",
                "from ",
                "@",
                "#!",
                "if __name__",
                "\"\"\"",
                "async def ",
            ]),
            Maker::ComponentizePy.instead_of_source(),
        ),
        (
            lines(&[
                "use ",
                "fn ",
                "pub ",
                "impl ",
                "struct ",
                "enum ",
                "mod ",
                "#[",
                "#![",
                "wit_bindgen::",
            ]),
            Maker::Rust.instead_of_source(),
        ),
        (
            lines(&["package ", "world ", "interface "]),
            "it is a contract in WIT, not a component: build a component for it first",
        ),
    ];
    let most = counts.iter().map(|(count, _)| *count).max().unwrap_or(0);
    let mut likely = counts.iter().filter(|(count, _)| *count == most);
    match (likely.next(), likely.next()) {
        (Some((_, words)), None) => words,
        _ => "it is a text: send the .wasm file that the build writes",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_file_is_told_by_its_name_with_what_to_do() {
        for (bytes, says) in [
            (b"".as_slice(), "empty"),
            (b"\x1f\x8b\x08\0", "gunzip"),
            (b"PK\x03\x04", "zip"),
            (b"\x7fELF\x02\x01", "machine code"),
            (b"\0as", "cut off"),
            (b"\0asm\x0d\0\x01", "cut off"),
            (b"\0asm\x0a\0\x01\0", "current tools"),
            (b"(component)", "wasm-tools parse"),
            (b"  ;; a comment\n(module)", "wasm-tools parse"),
            (b"<!DOCTYPE html>\n<html>404</html>", "fetch the .wasm file"),
            (b"{\"message\": \"Not Found\"}", "JSON"),
            (b"hello", "it is a text"),
            (b"\xee\xee\xee", "does not begin"),
            (b"abc\0def", "does not begin"),
        ] {
            let words = must_be_component(bytes).unwrap_err();
            assert!(words.contains(says), "{says}: {words}");
        }
        assert_eq!(must_be_component(b"\0asm\x0d\0\x01\0"), Ok(()));
    }

    #[test]
    fn sources_are_told_by_their_language_with_what_builds_them() {
        for (source, says) in [
            (
                "import { write } from 'tidegate:transform/log@1.0.0';\nexport function transform(event) {\n}\n",
                "componentize-js",
            ),
            (
                "// A transform.\nconst state = 1;\nexport const transform = () => [];\n",
                "componentize-js",
            ),
            (
                "import json\nfrom wit_world import WitWorld\n\nclass WitWorld:\n    pass\n",
                "componentize-py",
            ),
            (
                "#!/usr/bin/env python3\ndef transform(event):\n    return []\n",
                "componentize-py",
            ),
            (
                "//! A transform.\nuse serde::Deserialize;\nfn main() {}\n",
                "wasm-component-ld",
            ),
            (
                "/// A contract.\n///\n/// Of some lines.\npackage a:b;\nworld transform {\n}\n",
                "WIT",
            ),
        ] {
            let words = must_be_component(source.as_bytes()).unwrap_err();
            assert!(words.contains(says), "{says}: {words}");
        }
    }

    #[test]
    fn a_text_that_is_cut_within_a_character_is_a_text() {
        let text = format!("{}é", "a".repeat(MAX_READ - 1));
        assert!(
            must_be_component(text.as_bytes())
                .unwrap_err()
                .contains("a text")
        );
    }

    #[test]
    fn a_core_module_is_told_by_what_made_it() {
        let module = |fields: &str| wat::parse_str(format!("(module {fields})")).unwrap();
        let rust = r#"(@producers (language "Rust" "2021") (processed-by "rustc" "1.95.0"))"#;
        let wasi = format!(r#"(import "wasi_snapshot_preview1" "fd_write" (func)) {rust}"#);
        let bound = r#"(@custom "component-type:transform" "x")"#;
        for (fields, says) in [
            (rust, "with `linker = \"wasm-component-ld\"`"),
            (&wasi, "instead of wasm32-wasip1"),
            (bound, "`wasm-tools component new FILE"),
            ("", "bindings for the world `transform`"),
        ] {
            let words = must_be_component(&module(fields)).unwrap_err();
            assert!(words.contains("core module"), "{words}");
            assert!(words.contains(says), "{says}: {words}");
        }
    }
}
