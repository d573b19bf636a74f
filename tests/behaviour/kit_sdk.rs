//! The SDK of Rust outside this repository: as a folder, which is what `transform new` writes, from
//! git, and as what a registry takes.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidegate_tests::author::Author;

/// What a command says that has to end well.
fn said_by(folder: &Path, program: &str, words: &[&str]) -> String {
    let mut command = Command::new(program);
    let output = command.args(words).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_project_takes_the_sdk_from_git() {
    let author = Author::default();
    let project = author.begins("rust", "trades");
    let elsewhere = author.path("elsewhere");
    fs::rename(project.join("sdk"), &elsewhere).expect("both are in one's own folder");
    let author_of_it = ["-c", "user.name=ann", "-c", "user.email=ann@example.org"];
    let commit = [
        &author_of_it[..],
        &["commit", "--quiet", "--message", "The SDK"],
    ]
    .concat();
    for words in [&["init", "--quiet"][..], &["add", "."], &commit] {
        said_by(&elsewhere, "git", words);
    }
    let manifest = project.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).expect("its manifest");
    let from_git = format!("{{ git = \"file://{}\" }}", elsewhere.display());
    let changed = text.replace("{ path = \"sdk\" }", &from_git);
    assert_ne!(text, changed);
    fs::write(&manifest, changed).expect("an edit");
    author.ends(0, &["build", "trades"]);
    let report = author.ends(0, &["test", "trades"]);
    assert!(report.contains("4 passed, 0 failed"), "{report}");
}

/// A registry wants a version of each dependency, and a package that may be published.
#[test]
fn a_registry_takes_the_sdk() {
    let author = Author::default();
    let project = author.begins("rust", "trades");
    for package in ["sdk/derive", "sdk"] {
        let words = [
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ];
        let metadata = said_by(&project.join(package), "cargo", &words);
        let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
        let package = &metadata["packages"][0];
        assert!(package["publish"].is_null(), "{package}");
        let dependencies = package["dependencies"].as_array().expect("a list");
        for dependency in dependencies {
            assert_ne!(dependency["req"], "*", "{dependency}");
        }
    }
}
