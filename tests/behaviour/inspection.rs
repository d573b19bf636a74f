//! What a component's bytes say is judged before anything is compiled, by whichever door they
//! come, and told with what to do about it.

use tidegate_tests::{Guest, Setup, Stage, Transform, eventually, secs};

/// Something that was sent, and what is said of it.
struct Mistake {
    what: &'static str,
    bytes: Vec<u8>,
    says: &'static [&'static str],
}

fn mistake(
    what: &'static str,
    bytes: impl Into<Vec<u8>>,
    says: &'static [&'static str],
) -> Mistake {
    Mistake {
        what,
        bytes: bytes.into(),
        says,
    }
}

/// A guest of `ticks`, with these fields of a component and tools that made it.
fn guest(fields: &str, tool: &str) -> Vec<u8> {
    let producers = format!("(@producers (processed-by \"{tool}\" \"1\"))");
    Guest::stamped("bad")
        .component_fields(&format!("{fields} {producers}"))
        .binary()
}

/// The same guest, made for another version of the contract.
fn of_version(version: &str) -> Vec<u8> {
    let text = Guest::stamped("bad").text();
    wat::parse_str(text.replace("@1.0.0\"", &format!("@{version}\""))).expect("a component")
}

const WASI: &str = r#"(import "wasi:cli/environment@0.3.0" (instance))
    (import "wasi:clocks/wall-clock@0.3.0" (instance))"#;

const ANOTHER_WORLD: &str = r#"(component (instance $i)
    (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#;

const SCRIPT: &str = "import { write } from 'tidegate:transform/log@1.0.0';\n\
                      export const guest = { transform(event) { return []; } };\n";

const PYTHON: &str = "import json\nfrom wit_world import WitWorld\n\nclass Guest(WitWorld):\n";

const PAGE: &str = "<!DOCTYPE html>\n<html><title>404 Not Found</title></html>\n";

fn mistakes() -> Vec<Mistake> {
    let wasm = Guest::stamped("bad").binary();
    let wat = |text: &str| wat::parse_str(text).expect("a text of WebAssembly");
    let many =
        "(core module $more) ".to_owned() + &"(core instance (instantiate $more)) ".repeat(70);
    let large = "(core module $large (memory 300)) (core instance (instantiate $large))";
    let table = "(core module $wide (table 20000 funcref)) (core instance (instantiate $wide))";
    vec![
        mistake("gzip", *b"\x1f\x8b\x08\0\0\0\0\0", &["gzip", "gunzip"]),
        mistake(
            "text",
            Guest::stamped("bad").text(),
            &["as text", "wasm-tools parse"],
        ),
        mistake("a script", SCRIPT, &["JavaScript", "componentize-js"]),
        mistake("Python", PYTHON, &["Python", "componentize-py"]),
        mistake("a page", PAGE, &["HTML", "fetch the .wasm file"]),
        mistake(
            "cut off",
            &wasm[..wasm.len() - 100],
            &["cut off", "build it again"],
        ),
        mistake(
            "a module",
            wat("(module)"),
            &["core module", "wasm-tools component new"],
        ),
        mistake(
            "another world",
            wat(ANOTHER_WORLD),
            &[
                "exports wasi:http/incoming-handler@0.2.0",
                "world `transform`",
            ],
        ),
        mistake(
            "1.1.0",
            of_version("1.1.0"),
            &["made for tidegate:transform 1.1.0", "this host serves 1.0"],
        ),
        mistake(
            "2.0.0",
            of_version("2.0.0"),
            &["made for tidegate:transform 2.0.0", "this host serves 1.0"],
        ),
        mistake(
            "JavaScript",
            guest(WASI, "ComponentizeJS"),
            &[
                "wasi:clocks/wall-clock@0.3.0",
                "-d stdio random clocks http fetch-event",
            ],
        ),
        mistake(
            "QuickJS",
            guest(WASI, "componentize-qjs"),
            &["wasi:cli/environment@0.3.0", "--stub-wasi --sync"],
        ),
        mistake(
            "Python's",
            guest(WASI, "componentize-py"),
            &["wasi:cli/environment@0.3.0", "componentize --stub-wasi"],
        ),
        mistake(
            "Rust",
            guest(WASI, "rustc"),
            &[
                "wasi:cli/environment@0.3.0",
                "`linker = \"wasm-component-ld\"`",
            ],
        ),
        mistake(
            "memory",
            guest(large, "x"),
            &["340 pages of memory = 21.2 MiB", "`memory` is 16.0 MiB"],
        ),
        mistake(
            "instances",
            guest(&many, "x"),
            &["needs 72 core instances", "`max-instances` is 64"],
        ),
        mistake(
            "tables",
            guest(table, "x"),
            &["20000 elements", "`table-elements` is 10000"],
        ),
    ]
}

/// How often anything was compiled, found compiled, or refused by the compiler.
async fn compilations(stage: &Stage) -> Vec<f64> {
    let mut counts = Vec::new();
    for outcome in ["compiled", "cached", "refused"] {
        let labels = [("outcome", outcome)];
        let name = "tidegate_compilations_total";
        counts.push(stage.tidegate.metric(name, &labels).await);
    }
    counts
}

#[tokio::test]
async fn each_old_mistake_is_told_with_its_remedy_and_nothing_is_compiled_for_it() {
    let stage = Stage::set(&Guest::stamped("good"), Setup::watching).await;
    let before = compilations(&stage).await;
    for Mistake { what, bytes, says } in mistakes() {
        for path in ["/v1/check", "/v1/revisions"] {
            let answer = stage.admin.post_bytes(path, &bytes).await;
            let said = answer.refused(422, "check-failed").replace("\\\"", "\"");
            for word in says {
                assert!(said.contains(word), "{what}: {word} in {said}");
            }
        }
        let file = stage.tidegate.path("put-here").join("ticks.wasm");
        std::fs::write(file, &bytes).expect("a file in one's own folder");
        eventually(what, secs(20), async || {
            let log = stage.tidegate.stderr().text().replace("\\\"", "\"");
            says.iter().all(|word| log.contains(word)).then_some(())
        })
        .await;
    }
    assert_eq!(compilations(&stage).await, before);
    assert_eq!(stage.admin.revisions().await.len(), 1);
}

#[tokio::test]
async fn a_start_is_refused_with_the_same_words() {
    for Mistake { what, bytes, says } in mistakes() {
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let file = setup.path("ticks.wasm");
        std::fs::write(&file, &bytes).expect("a file in one's own folder");
        let (accepted, said) = setup.transform(Transform::file(&file)).check();
        assert!(!accepted, "{what}: {said}");
        for word in says {
            assert!(said.contains(word), "{what}: {word} in {said}");
        }
    }
}

#[tokio::test]
async fn another_patch_of_the_contract_is_no_mistake() {
    let stage = Stage::with(&Guest::stamped("good")).await;
    let answer = stage
        .admin
        .post_bytes("/v1/check", &of_version("1.0.7"))
        .await;
    assert_eq!(answer.done()["transform"], "ticks");
}

#[test]
fn what_a_component_begins_with_is_allowed_up_to_the_limit() {
    // The guest's memory has 40 pages.
    for (memory, taken) in [("2560KiB", true), ("2559KiB", false)] {
        let setup = Setup::new("redis://127.0.0.1:1").not_ready();
        let file = Guest::ticks().write(&setup.path(""));
        let transform = Transform::file(&file).set("memory", &format!("\"{memory}\""));
        let (accepted, said) = setup.transform(transform).check();
        assert_eq!(accepted, taken, "{memory}: {said}");
        assert!(accepted || said.contains("40 pages of memory"), "{said}");
    }
}
