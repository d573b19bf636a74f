//! Lines of a component that Rust made, and of what is no debug information.

use prometheus::IntGauge;

use super::super::LineTable;
use super::*;

/// Its source is beside it.
const TRAPS: &[u8] = include_bytes!("../../../../../tests/contract/traps.wasm");
const SOURCE: &str = include_str!("../../../../../tests/contract/traps/src/lib.rs");

/// The functions of its modules.
fn functions() -> Vec<usize> {
    let payloads = Parser::new(0).parse_all(TRAPS);
    let body = |payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body.range().start),
        _ => None,
    };
    payloads.filter_map(body).collect()
}

#[test]
fn every_line_of_the_source_that_is_code_is_found_in_its_file() {
    let table = line_table_here(TRAPS).unwrap();
    let table = LineTable::new(&table, &IntGauge::new("bytes", "held").unwrap());
    let functions = functions();
    let end = [TRAPS.len()];
    let ends = functions.iter().skip(1).chain(&end);
    let mut lines: Vec<String> = Vec::new();
    for (function, end) in functions.iter().zip(ends) {
        lines.extend((*function..*end).filter_map(|at| table.find(*function, at)));
    }
    lines.sort();
    lines.dedup();
    for code in ["wasm32::unreachable()", "process::abort()", "/ none"] {
        let number = SOURCE.lines().position(|line| line.contains(code)).unwrap() + 1;
        let line = format!("traps/src/lib.rs:{number}");
        assert!(lines.contains(&line), "{line} in {lines:?}");
    }
}

#[test]
fn what_tells_of_no_line_has_an_empty_table() {
    for text in [
        "(component)",
        "(component (core module (func)))",
        "(component (core module (@custom \".debug_line\" \"nonsense\") (func)))",
        "(component (core module (@custom \".debug_info\" \"\\ff\\ff\\ff\\ff\") (func)))",
    ] {
        let component = wat::parse_str(text).unwrap();
        assert_eq!(line_table_here(&component).unwrap(), b"", "{text}");
    }
    assert!(line_table_here(b"\0asm\x0d\0").is_err());
}

#[test]
fn pieces_of_code_become_rows_that_say_something_new() {
    let row = |start, file, line| LineRow { start, file, line };
    let pieces = vec![
        row(30, 0, 2),
        row(40, 0, 0),
        // The next begins where one ends, and one stands twice.
        row(10, 0, 1),
        row(20, 0, 0),
        row(20, 0, 1),
        row(30, 0, 0),
        row(30, 0, 2),
        row(40, 0, 0),
        row(50, 0, 0),
    ];
    let rows = [row(10, 0, 1), row(30, 0, 2), row(40, 0, 0)];
    assert_eq!(merged(pieces), rows);
}

#[test]
fn a_path_is_cut_to_what_tells_files_apart() {
    for (path, shown) in [
        ("/x/dev/ticker/src/lib.rs", "ticker/src/lib.rs"),
        (
            "/x/wit-bindgen-0.61.1/src/rt/mod.rs",
            "wit-bindgen-0.61.1/src/rt/mod.rs",
        ),
        ("src/lib.rs", "src/lib.rs"),
        ("C:\\work\\ticker\\src\\lib.rs", "ticker/src/lib.rs"),
        (
            "/build/quickjs/src/engine/quickjs.c",
            "quickjs/src/engine/quickjs.c",
        ),
        ("/a/b/c/d.c", "b/c/d.c"),
        ("d.c", "d.c"),
        ("", ""),
        ("a\nb.c", "a\\u{a}b.c"),
    ] {
        assert_eq!(shortened(path), shown);
    }
    let long = shortened(&format!("/x/{}.c", "long".repeat(100)));
    assert_eq!(long.chars().count(), MAX_FILE);
    assert!(long.ends_with("long.c"), "{long}");
}
