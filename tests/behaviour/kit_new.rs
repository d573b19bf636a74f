//! `transform new`: a whole project or nothing, from templates that are real projects, with the
//! contract and the versions that everything else here has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate_tests::author::Author;
use tidegate_tests::binary::repository;

const LANGUAGES: [&str; 3] = ["rust", "javascript", "python"];

fn text(name: &str) -> String {
    let path = repository().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Files that git knows below a folder, by their paths in it.
fn tracked(below: &str) -> BTreeSet<String> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            ".",
        ])
        .current_dir(repository().join(below))
        .output()
        .expect("git is installed");
    let names = String::from_utf8(output.stdout).expect("names");
    names.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn a_project_is_begun_and_what_comes_next_is_told() {
    let author = Author::default();
    let report = author.ends(0, &["new", "order-books"]);
    for part in [
        "made order-books, a transform in Rust",
        "cd order-books",
        "transform build",
    ] {
        assert!(report.contains(part), "{report}");
    }
    assert!(author.path("order-books/src/lib.rs").is_file());
    let answer = author.json(0, &["new", "--language", "python", "trades"]);
    assert_eq!(
        (&answer["folder"], &answer["language"]),
        (&"trades".into(), &"python".into())
    );
}

#[test]
fn what_cannot_be_begun_is_a_line_and_leaves_nothing() {
    let author = Author::default();
    author.write("mine/file", "mine");
    let refused = author.refused(&["new", "mine"]);
    assert!(refused.contains("nothing is written over"), "{refused}");
    let refused = author.refused(&["new", "Order Books"]);
    assert!(refused.contains("such as order-books"), "{refused}");
    let refused = author.refused(&["new", "../mine"]);
    assert!(refused.contains("begins with a letter"), "{refused}");
    let refused = author.refused(&["new", "--language", "go", "x"]);
    assert!(refused.contains("rust, javascript, python"), "{refused}");
    let left = std::fs::read_dir(author.path(""))
        .expect("one's own folder")
        .count();
    assert_eq!(left, 1);
}

/// What was added to a template or to the SDK and not to the list in the binary would be missing.
#[test]
fn a_project_has_each_file_of_its_template_and_of_the_sdk() {
    let author = Author::default();
    for language in LANGUAGES {
        let answer = author.json(
            0,
            &["new", "--language", language, &format!("a-{language}")],
        );
        let files = answer["files"].as_array().expect("files").iter();
        let written: BTreeSet<String> = files
            .map(|file| file.as_str().expect("a path").into())
            .collect();
        let mut expected = tracked(&format!("transforms/templates/{language}"));
        match language {
            "rust" => expected.extend(
                tracked("transforms/sdk")
                    .iter()
                    .map(|name| format!("sdk/{name}")),
            ),
            _ => expected.extend(["wit/transform.wit".to_owned()]),
        }
        assert_eq!(written, expected, "{language}");
    }
}

#[test]
fn the_contract_in_the_sdk_is_the_contract() {
    assert_eq!(
        text("transforms/sdk/wit/transform.wit"),
        text("wit/transform.wit")
    );
}

/// Name and version of each package of a lock file of cargo's, with what is known of it.
fn crates(lock: &str) -> BTreeMap<String, Vec<String>> {
    let packages = lock.split("[[package]]\n").skip(1);
    let known = |line: &&str| line.starts_with("source") || line.starts_with("checksum");
    packages
        .map(|package| {
            let name: Vec<&str> = package.lines().take(2).collect();
            let known = package.lines().filter(known).map(str::to_owned);
            (name.join(" "), known.collect())
        })
        .collect()
}

/// So that what was tried is what is handed out, and nothing is fetched twice.
#[test]
fn templates_have_the_versions_that_the_guests_and_the_examples_have() {
    let guests = crates(&text("transforms/Cargo.lock"));
    for (name, known) in crates(&text("transforms/templates/rust/Cargo.lock")) {
        if !name.contains("example-stream") {
            assert_eq!(guests.get(&name), Some(&known), "{name}");
        }
    }
    let npm = |name: &str| -> Value { serde_json::from_str(&text(name)).expect("JSON") };
    let example = npm("transforms/examples/ticker/javascript/package-lock.json");
    let template = npm("transforms/templates/javascript/package-lock.json");
    for (name, package) in template["packages"].as_object().expect("packages") {
        if !name.is_empty() {
            assert_eq!(
                package["integrity"], example["packages"][name]["integrity"],
                "{name}"
            );
        }
    }
    assert_eq!(
        text("transforms/templates/python/requirements.txt"),
        text("transforms/examples/ticker/python/requirements.txt")
    );
}

#[test]
fn javascript_and_python_read_and_write_what_the_rust_sdk_does() {
    let folder = repository().join("transforms/templates");
    let runs = |program: &str, script: &str| {
        let output = Command::new(program)
            .arg(script)
            .current_dir(&folder)
            .output();
        let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8(output.stdout).expect("text")
    };
    let (node, python) = (
        runs("node", "vectors.mjs"),
        runs("/usr/bin/python3", "vectors.py"),
    );
    assert_eq!(node, python);
    assert!(node.contains("252 vectors hold"), "{node}");
    assert!(!Path::new(&folder).join("python/__pycache__").exists());
}
