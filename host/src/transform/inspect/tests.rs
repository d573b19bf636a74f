//! Each mistake is told with what to do about it, together with all others; what is sound
//! is let through, whatever made it.

mod engine;
mod hostile;

use std::fmt::Write as _;

use super::super::interface::{ALLOWED_IMPORTS, EXPORTS, PACKAGE, SERVED};
use super::*;

/// What the contract's world exports, empty: what stands in it is for the engine to find out.
fn exports() -> String {
    let mut text = String::from("(instance $empty)");
    for name in EXPORTS {
        write!(
            text,
            "(export \"{PACKAGE}/{name}@{SERVED}\" (instance $empty))"
        )
        .unwrap();
    }
    text
}

fn binary(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {fields})")).unwrap()
}

fn inspect(bytes: &[u8], limits: &[Limits]) -> Result<Inspected, Vec<String>> {
    Inspected::of(bytes.into(), limits)
}

/// What is told of a component that has the right exports, and these fields.
fn faults_of(fields: &str) -> Vec<String> {
    let bytes = binary(&format!("{fields} {}", exports()));
    inspect(&bytes, &[Limits::default()])
        .map(|_| ())
        .err()
        .unwrap_or_default()
}

fn with_memory(memory: usize) -> Limits {
    Limits {
        memory,
        ..Limits::default()
    }
}

/// An import of the contract, of another version.
fn import_of(version: &str) -> String {
    let name = ALLOWED_IMPORTS[0];
    format!("(import \"{PACKAGE}/{name}@{version}\" (instance))")
}

fn producers(tool: &str) -> String {
    format!("(@producers (processed-by \"{tool}\" \"1.0.0\"))")
}

#[test]
fn what_the_contract_allows_is_let_through() {
    let imports: Vec<_> = ALLOWED_IMPORTS
        .iter()
        .map(|name| format!("(import \"{PACKAGE}/{name}@{SERVED}\" (instance))"))
        .collect();
    let a_type = r#"(type $t u32) (import "harmless" (type (eq $t)))"#;
    assert_eq!(faults_of(&imports.concat()), Vec::<String>::new());
    assert_eq!(faults_of(a_type), Vec::<String>::new());
}

#[test]
fn the_components_that_come_with_the_host_are_let_through() {
    let dist = concat!(env!("CARGO_MANIFEST_DIR"), "/../transforms/dist");
    let mut seen = 0;
    for entry in std::fs::read_dir(dist).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            let bytes = std::fs::read(&path).unwrap();
            let inspected = inspect(&bytes, &[Limits::default()]);
            assert!(inspected.is_ok(), "{}: {inspected:?}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 2);
}

#[test]
fn everything_is_told_at_once_a_sentence_each() {
    let bytes = binary(
        r#"(import "wasi:cli/environment@0.3.0" (instance))
           (import "wasi:clocks/wall-clock@0.3.0" (instance))
           (import "someone:else/entirely" (instance))
           (core module $m (memory 300) (table 20000 funcref))
           (core instance (instantiate $m))
           (instance $empty)
           (export "wasi:http/incoming-handler@0.2.0" (instance $empty))"#,
    );
    let faults = inspect(&bytes, &[Limits::default()]).unwrap_err();
    let says: [&[&str]; 5] = [
        &[
            "wasi:cli/environment@0.3.0, wasi:clocks/wall-clock@0.3.0 of WASI",
            "build it",
        ],
        &["someone:else/entirely", "nothing but"],
        &[
            "exports wasi:http/incoming-handler@0.2.0",
            EXPORTS[0],
            "build it for that world",
        ],
        &["300 pages of memory = 18.8 MiB, and `memory` is 16.0 MiB"],
        &["20000 elements, and `table-elements` is 10000"],
    ];
    assert_eq!(faults.len(), says.len(), "{faults:#?}");
    for (fault, words) in faults.iter().zip(says) {
        for word in words {
            assert!(fault.contains(word), "{word}: {fault}");
        }
    }
}

#[test]
fn another_version_of_the_contract_is_told_as_such_and_once() {
    for version in ["1.1.0", "1.3.0", "2.0.0", "0.9.0", "1.0.0-rc.1"] {
        let faults = faults_of(&import_of(version));
        let says = format!("made for tidegate:transform {version}, and this host serves 1.0:");
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains(&says), "{says}: {}", faults[0]);
    }
    assert_eq!(faults_of(&import_of("1.0.1")), Vec::<String>::new());
    // What the contract has never had is not a matter of versions.
    let faults = faults_of(r#"(import "tidegate:transform/clock@1.0.0" (instance))"#);
    assert!(faults[0].contains("nothing but"), "{faults:?}");
}

#[test]
fn the_remedy_is_that_of_the_tools_that_made_it() {
    let wasi = r#"(import "wasi:cli/environment@0.3.0" (instance))"#;
    for (tool, says) in [
        (
            "ComponentizeJS",
            "componentize-js … -d stdio random clocks http fetch-event",
        ),
        ("componentize-qjs", "componentize-qjs … --stub-wasi --sync"),
        (
            "componentize-py",
            "componentize-py … componentize --stub-wasi",
        ),
        ("rustc", "`linker = \"wasm-component-ld\"`"),
        ("something else", "a target without WASI"),
    ] {
        let faults = faults_of(&format!("{wasi} {}", producers(tool)));
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains(says), "{says}: {}", faults[0]);
    }
    // Runtimes in Rust and C stand inside of what other tools make.
    let inner = format!("(core module {})", producers("rustc"));
    let faults = faults_of(&format!("{wasi} {} {inner}", producers("componentize-py")));
    assert!(faults[0].contains("--stub-wasi"), "{faults:?}");
}

#[test]
fn a_list_that_nobody_would_read_is_cut() {
    let imports: String = (0..30)
        .map(|number| format!("(import \"wasi:cli/i{number}@0.2.0\" (instance))"))
        .collect();
    let faults = faults_of(&imports);
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].contains("wasi:cli/i7@0.2.0 and 22 more of WASI"),
        "{faults:?}"
    );
}

#[test]
fn of_several_limits_that_may_hold_any_will_do_and_else_the_first_are_told() {
    let bytes = binary(&format!(
        "(core module $m (memory 32)) (core instance (instantiate $m)) {}",
        exports()
    ));
    let [small, smaller, enough] = [1 << 20, 1 << 16, 2 << 20].map(with_memory);
    let faults = inspect(&bytes, &[small.clone(), smaller.clone()]).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].contains("`memory` is 1.0 MiB"), "{faults:?}");
    let inspected = inspect(&bytes, &[small.clone(), enough.clone()]).unwrap();
    assert_eq!(inspected.beyond(&small), faults);
    assert_eq!(inspected.beyond(&enough), Vec::<String>::new());
}

#[test]
fn too_large_a_file_is_not_looked_at() {
    let limits = Limits {
        max_component_size: 1024,
        ..Limits::default()
    };
    let faults = inspect(&[0; 1025], std::slice::from_ref(&limits)).unwrap_err();
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0].contains("`max-component-size`, 1.0 KiB (1024 bytes)"),
        "{faults:?}"
    );
    let faults = inspect(&[0; 1024], &[limits]).unwrap_err();
    assert!(
        faults[0].contains("not a WebAssembly component"),
        "{faults:?}"
    );
}

#[test]
fn asynchronous_functions_are_told_with_the_option_that_avoids_them() {
    let lift = |options: &str| {
        format!(
            r#"(core module $m (func (export "f") (result i32) (i32.const 0))
                 (func (export "c") (param i32 i32 i32) (result i32) (i32.const 0)))
               (core instance $i (instantiate $m))
               (func (canon lift (core func $i "f") {options})) {}"#,
            producers("componentize-qjs")
        )
    };
    let faults = faults_of(&lift(r#"async (callback (core func $i "c"))"#));
    assert_eq!(faults.len(), 1, "{faults:#?}");
    assert!(faults[0].contains("asynchronous calls"), "{faults:?}");
    assert!(faults[0].contains("--sync"), "{faults:?}");
}
