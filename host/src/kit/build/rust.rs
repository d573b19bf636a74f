//! Rust: cargo, for a target that makes a component at once. The same sources give the same bytes
//! in any folder and tell nobody where they were compiled: each path has another name in them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::process::Command;

use super::{Artifact, end_of, missing, run, succeeded, works};
use crate::kit::Unusable;

/// WebAssembly that expects nothing of its host.
const TARGET: &str = "wasm32-unknown-unknown";

/// Says that the standard library is compiled with the project, where it is not installed.
const FROM_SOURCE: &str = "CARGO_UNSTABLE_BUILD_STD";

/// Flags of whoever builds would give other bytes; those of the project's own config stay.
const FLAGS: [&str; 2] = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"];

pub(super) async fn build(folder: &Path) -> Result<Artifact, Unusable> {
    if !works("cargo").await || !works("rustc").await {
        let what = "cargo and rustc are missing: install Rust with rustup, and open a new shell";
        return Err(Unusable::Given(what.to_owned()));
    }
    let rustc = async |arguments: &[&str]| {
        let output = run(Command::new("rustc").args(arguments).current_dir(folder)).await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let library = rustc(&["--print", "target-libdir", "--target", TARGET]).await?;
    if !Path::new(&library).is_dir() && std::env::var_os(FROM_SOURCE).is_none() {
        let how = format!("rustup target add {TARGET}");
        return Err(missing("Rust's library for WebAssembly", folder, &how));
    }
    // Crates have to be there for the paths to them to be known.
    let mut cargo = cargo(folder);
    run(cargo.args(["fetch", "--quiet"])).await?;
    let (sysroot, version) = (
        rustc(&["--print", "sysroot"]).await?,
        rustc(&["-vV"]).await?,
    );
    let flags = flags(&prefixes(folder, Path::new(&sysroot), &version));
    let mut cargo = self::cargo(folder);
    cargo
        .args(["build", "--release", "--quiet", "--target", TARGET])
        .args(["--message-format", "json-render-diagnostics", "--config"])
        .arg(format!("target.{TARGET}.rustflags={flags}"));
    let output = end_of(&mut cargo).await?;
    // On its standard output are lines of JSON, which are for programs.
    succeeded(&cargo, &output, &[&output.stderr])?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let file = component(&messages, &folder.join("Cargo.toml")).ok_or_else(|| {
        let what = "cargo wrote no .wasm file of this package; its Cargo.toml needs [lib] with \
                    crate-type = [\"cdylib\"]";
        Unusable::Given(what.to_owned())
    })?;
    Ok(Artifact {
        file,
        said: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(folder);
    for name in FLAGS {
        cargo.env_remove(name);
    }
    cargo
}

/// Paths of this machine, each with the name that stands for it. Of several that fit, rustc takes the
/// last, so the widest come first.
fn prefixes(folder: &Path, sysroot: &Path, version: &str) -> Vec<(PathBuf, String)> {
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    let library = sysroot.join("lib/rustlib/src/rust");
    // The name that the compiled standard library has for its own sources.
    let mut prefixes = vec![(library, format!("/rustc/{}", commit.unwrap_or("unknown")))];
    let home = |name: &str| std::env::var_os(name).filter(|home: &OsString| !home.is_empty());
    let own = home("CARGO_HOME").map(PathBuf::from);
    let below_home = || Some(PathBuf::from(home("HOME")?).join(".cargo"));
    if let Some(cargo) = own.or_else(below_home) {
        // Folders that are named after the registry that a machine takes its crates from.
        let registries = fs::read_dir(cargo.join("registry/src"));
        let registries = registries.into_iter().flatten().flatten();
        let registries: Vec<PathBuf> = registries.map(|entry| entry.path()).collect();
        prefixes.push((cargo, "/cargo".to_owned()));
        prefixes.extend(
            registries
                .into_iter()
                .map(|path| (path, "/cargo".to_owned())),
        );
    }
    prefixes.push((folder.to_owned(), "/project".to_owned()));
    prefixes
}

/// As an array of TOML.
fn flags(prefixes: &[(PathBuf, String)]) -> String {
    let flags = prefixes.iter().map(|(path, name)| {
        let flag = format!("--remap-path-prefix={}={name}", path.display());
        toml::Value::String(flag)
    });
    toml::Value::Array(flags.collect()).to_string()
}

/// The component among what cargo tells of its artifacts, line by line.
fn component(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().rev();
    let mut messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.find_map(|message| {
        let is_ours = message["reason"] == "compiler-artifact"
            && message["manifest_path"].as_str().map(Path::new) == Some(manifest);
        let mut files = message["filenames"].as_array()?.iter();
        let mut paths = files.by_ref().filter_map(Value::as_str).map(PathBuf::from);
        let is_wasm = |path: &PathBuf| path.extension().is_some_and(|end| end == "wasm");
        is_ours.then(|| paths.find(is_wasm)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_that_of_the_project_and_of_nobody_else() {
        let artifact = |manifest: &str, file: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":["{file}"]}}"#
            )
        };
        let messages = [
            artifact("/p/sdk/Cargo.toml", "/t/sdk.wasm"),
            artifact("/p/Cargo.toml", "/t/component.rlib"),
            artifact("/p/Cargo.toml", "/t/component.wasm"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let found = |manifest: &str| component(&messages, Path::new(manifest));
        assert_eq!(found("/p/Cargo.toml"), Some("/t/component.wasm".into()));
        assert_eq!(found("/q/Cargo.toml"), None);
        assert_eq!(component("no json", Path::new("/p/Cargo.toml")), None);
    }

    #[test]
    fn flags_are_toml_whatever_a_path_has_in_it() {
        let prefixes = [(PathBuf::from("/a \"b\"\\"), "/x".to_owned())];
        let table: toml::Table = format!("flags = {}", flags(&prefixes)).parse().unwrap();
        let flag = table["flags"][0].as_str().unwrap();
        assert_eq!(flag, "--remap-path-prefix=/a \"b\"\\=/x");
    }

    #[test]
    fn the_narrowest_of_the_paths_comes_last() {
        let version = "rustc 1\ncommit-hash: abc\n";
        let prefixes = prefixes(Path::new("/p"), Path::new("/s"), version);
        let first = ("/s/lib/rustlib/src/rust".into(), "/rustc/abc".to_owned());
        assert_eq!(prefixes.first(), Some(&first));
        assert_eq!(prefixes.last(), Some(&("/p".into(), "/project".to_owned())));
    }
}
