//! The tasks that cargo has no word for: building the guests, testing everything, measuring.
//!
//! Run as `cargo xtask TASK`. Each task says what it does while it does it, and leaves with a
//! non-zero status at the first thing that fails.

mod apt;
mod components;
mod examples;
mod fetch;
mod sources;
mod step;
mod test;
mod toolchain;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask TASK

Tasks:
  transforms [--out DIR]   Build the guests into components (default DIR: transforms/dist)
  examples                 Build the examples of each language into target/examples
  test [-- FILTER...]      Install what the tests need, then run every test there is;
                           filters go to the tests of the whole system
  bench [PART...] [--quick] [--json] [--host PATH] [--against PATH]
                           Measure the host beside two loops that do no more than send, the
                           guests beside plain Rust, and what is lost; all of it, or PARTs;
                           docs/performance.md says more
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["transforms"] => components::build(&components::dist()),
        ["transforms", "--out", folder] => components::build(Path::new(folder)),
        ["examples"] => examples::build(),
        ["test"] => test::run(&[]),
        ["test", "--", filters @ ..] => test::run(filters),
        ["bench", options @ ..] => bench(options),
        words => Err(anyhow::anyhow!(
            "no such task: {}\n\n{HELP}",
            words.join(" ")
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The benchmark is a program of its own, which needs the host: its code and its binary.
fn bench(options: &[&str]) -> anyhow::Result<()> {
    let build = ["build", "--release", "--package", "tidegate"];
    step::run(step::cargo(&root()).args(build))?;
    let run = ["run", "--release", "--package", "xtask", "--bin", "bench"];
    let more = ["--features", "bench", "--"];
    step::run(step::cargo(&root()).args(run).args(more).args(options))
}

/// The repository's root: this package is one folder below it.
fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}
