//! `transform build`: what `transform new` made builds and passes untouched in each language, by
//! tools that are told of where they are missing, and the bytes of Rust are the same anywhere.

use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};
use tidegate_tests::author::{Author, COMPILED};
use tidegate_tests::binary::{ended, repository, run_with, said};

/// Types `tidegate transform WORDS` in the project.
fn types(project: &Path, words: &[&str]) -> Output {
    let shared = repository().join(COMPILED).display().to_string();
    let arguments = [&["transform"], words].concat();
    run_with(project, &arguments, &[("CARGO_TARGET_DIR".into(), shared)])
}

fn ends(project: &Path, code: i32, words: &[&str]) -> String {
    ended(types(project, words), code, words)
}

/// Runs what its README says to run for its own tests.
fn own_tests_pass(project: &Path, program: &str, words: &[&str]) {
    let output = Command::new(program)
        .args(words)
        .current_dir(project)
        .env("CARGO_TARGET_DIR", repository().join(COMPILED))
        // It is for WebAssembly, and these tests run on this machine.
        .env_remove("CARGO_UNSTABLE_BUILD_STD")
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{}", said(&output));
}

/// It builds, its digest is that of the file, and a host would take it.
fn builds_and_passes(project: &Path) -> Vec<u8> {
    let report = ends(project, 0, &["build"]);
    let component = std::fs::read(project.join("build/trades.wasm")).expect("it was built");
    assert!(
        report.contains("imports  tidegate:transform/log@1.0.0"),
        "{report}"
    );
    let digest = format!("{:x}", Sha256::digest(&component));
    assert!(report.contains(&digest), "{report}");
    let report = ends(project, 0, &["check"]);
    assert!(report.contains("good for trades"), "{report}");
    assert!(!report.contains("warning: "), "{report}");
    let beside = std::fs::read_dir(project.join("build"))
        .expect("the folder")
        .count();
    assert_eq!(beside, 1, "nothing is left beside the component");
    component
}

#[test]
fn a_project_in_rust_builds_and_passes_untouched_and_has_the_same_bytes_in_any_folder() {
    let (here, there) = (Author::default(), Author::default());
    let project = here.begins("rust", "trades");
    let first = builds_and_passes(&project);
    let report = ends(&project, 0, &["build", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON alone");
    assert_eq!(report["size_bytes"], first.len());

    // What does not compile leaves the component as it was.
    let lock = std::fs::read(project.join("Cargo.lock")).expect("its lock file");
    let source = project.join("src/lib.rs");
    let sound = std::fs::read_to_string(&source).expect("its source");
    std::fs::write(
        &source,
        sound.replace("#[public(decimal", "#[public(decimals"),
    )
    .expect("an edit");
    let output = types(&project, &["build"]);
    let report = said(&output);
    assert_eq!(output.status.code(), Some(1), "{report}");
    for part in [
        "unknown `decimals`; allowed: name",
        "src/lib.rs",
        "stays as it was",
    ] {
        assert!(report.contains(part), "{report}");
    }
    assert!(!report.contains("\"reason\""), "for programs: {report}");
    assert_eq!(
        std::fs::read(project.join("build/trades.wasm")).expect("it is there"),
        first
    );
    std::fs::write(&source, sound).expect("its own words again");
    own_tests_pass(&project, "cargo", &["test", "--quiet", "--release"]);
    let after = std::fs::read(project.join("Cargo.lock")).expect("its lock file");
    assert!(
        lock == after,
        "cargo has no reason to write the lock file anew"
    );

    // A longer path, and so other places in memory, if any of it were in the component.
    there.write("deep/er/file", "");
    let deep = there.path("deep/er");
    ends(&deep, 0, &["new", "trades"]);
    ends(&deep.join("trades"), 0, &["build"]);
    let second = std::fs::read(deep.join("trades/build/trades.wasm")).expect("it was built");
    assert!(first == second, "the bytes differ");
    let folder = project.canonicalize().expect("it is there");
    let traces = [folder.as_os_str().as_encoded_bytes(), b"registry/src"];
    for trace in traces {
        assert!(!first.windows(trace.len()).any(|bytes| bytes == trace));
    }
}

#[test]
fn a_project_in_javascript_builds_and_passes_untouched() {
    let author = Author::default();
    let project = author.begins("javascript", "trades");
    own_tests_pass(&project, "npm", &["test"]);
    let first = builds_and_passes(&project);
    let source = project.join("stream.js");
    let sound = std::fs::read_to_string(&source).expect("its source");
    std::fs::write(&source, sound.replace("function publicOf", "function (")).expect("an edit");
    let report = said(&types(&project, &["build"]));
    assert!(report.contains("stays as it was"), "{report}");
    assert_eq!(
        std::fs::read(project.join("build/trades.wasm")).expect("it is there"),
        first
    );
}

#[test]
fn a_project_in_python_builds_and_passes_untouched() {
    let author = Author::default();
    let project = author.begins("python", "trades");
    own_tests_pass(&project, "/usr/bin/python3", &["-m", "unittest"]);
    builds_and_passes(&project);
}

#[test]
fn a_tool_that_is_missing_is_told_with_the_command_that_installs_it() {
    for (language, install) in [
        ("javascript", "npm ci"),
        (
            "python",
            "venv/bin/pip install --require-hashes -r requirements.txt",
        ),
    ] {
        let author = Author::default();
        author.ends(0, &["new", "--language", language, "trades"]);
        let refused = author.refused(&["build", "trades"]);
        assert!(refused.contains("is missing"), "{refused}");
        assert!(refused.contains(install), "{refused}");
    }
    let author = Author::default();
    author.ends(0, &["new", "trades"]);
    let output = run_with(
        &author.path("trades"),
        &["transform", "build"],
        &[("PATH".into(), String::new())],
    );
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(
        said(&output).contains("install Rust with rustup"),
        "{}",
        said(&output)
    );
    assert!(!author.path("trades/build/trades.wasm").exists());
}

#[test]
fn what_is_no_project_is_not_built() {
    let author = Author::default();
    let refused = author.refused(&["build"]);
    assert!(refused.contains("tidegate transform new"), "{refused}");
    author.write("a.wasm", "");
    let refused = author.refused(&["build", "a.wasm"]);
    assert!(
        refused.contains("name the folder of its project"),
        "{refused}"
    );
}
