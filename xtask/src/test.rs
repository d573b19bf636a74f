//! Every test there is, from the guests' own to the whole system's, and what they need.
//!
//! What is there is left alone; what is missing comes from Debian and, for one npm package,
//! from npm into a folder under `target`. The examples bring their own tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::fetch::{self, RegistryClient, Wanted};
use crate::step::{self, heading};
use crate::{apt, examples, root, toolchain};

/// The reference parser that the AsyncAPI document is checked with.
const ASYNCAPI_PARSER: (&str, &str) = ("@asyncapi/parser", "3.6.3");

/// What the tests run, each with the Debian package that brings it.
const PROGRAMS: [(&str, &[&str], &str); 8] = [
    ("redis-server", &["--version"], "redis-server"),
    ("node", &["--version"], "nodejs"),
    ("npm", &["--version"], "npm"),
    ("/usr/bin/python3", &["--version"], "python3"),
    (
        "/usr/bin/python3",
        &["-c", "import websockets"],
        "python3-websockets",
    ),
    (
        "/usr/bin/python3",
        &["-c", "import ensurepip"],
        "python3-venv",
    ),
    ("chromium", &["--version"], "chromium"),
    // Machines of a test's own, and slow links to them.
    ("tc", &["-V"], "iproute2"),
];

/// Always all of them, whichever are run: what is chosen decides over features, and so over what is
/// compiled once more.
const TESTED: [&str; 6] = [
    "--package",
    "tidegate",
    "--package",
    "xtask",
    "--package",
    "tidegate-tests",
];

/// Tests beside the code ask what it does and not how fast: built like this, they are there in a
/// quarter of the time.
const UNOPTIMISED: &str = "profile.release.package.tidegate.opt-level=0";

/// Installs what is missing, then runs the tests; `filters` choose among the system's.
pub(crate) fn run(filters: &[&str]) -> Result<()> {
    heading("What the tests need");
    let missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, arguments, _)| !works(program, arguments))
        .map(|(_, _, package)| *package)
        .collect();
    apt::install(&missing)?;
    let node_modules = asyncapi_parser()?;
    eprintln!("    all there");
    examples::build()?;
    let library = toolchain::standard_library()?;

    let root = root();
    let cargo = |arguments: &[&str]| {
        let mut command = step::cargo(&root);
        command.args(arguments);
        command
    };

    heading("Building the host");
    step::run(&mut cargo(&["build", "--release", "--package", "tidegate"]))?;

    heading("The guests' own tests");
    let transforms = root.join("transforms");
    step::run(
        step::cargo(&transforms)
            .args(["test", "--release", "--workspace", "--target-dir"])
            .arg(transforms.join("target")),
    )
    .context("the guests' tests are beside their code, in transforms/*/src")?;

    heading("The host's own tests, and this task's");
    step::run(
        cargo(&["test", "--release", "--lib", "--bin", "xtask"])
            .args(TESTED)
            .args(["--config", UNOPTIMISED]),
    )
    .context("these tests are beside the code that they test")?;

    heading("Where threads meet, in every order");
    let interleavings = root.join("tests/interleavings");
    step::run(
        step::cargo(&interleavings)
            .args(["test", "--release", "--locked", "--target-dir"])
            .arg(root.join("target/interleavings")),
    )
    .context("these tests are in tests/interleavings")?;

    heading("The whole system, from outside");
    step::run(
        cargo(&["test", "--release", "--test", "tidegate"])
            .args(TESTED)
            .arg("--")
            .args(filters)
            .env("TIDEGATE_NODE_MODULES", node_modules)
            .envs(library.environment().iter().copied()),
    )
    .context("run one test alone with `cargo xtask test -- NAME`")?;

    eprintln!("\nEverything passed.");
    Ok(())
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// Sees to it that the parser is there, and says in which `node_modules`.
fn asyncapi_parser() -> Result<PathBuf> {
    let (name, version) = ASYNCAPI_PARSER;
    let folder = root().join("target/asyncapi");
    let node_modules = folder.join("node_modules");
    if !is_version(&node_modules.join(name).join("package.json"), version) {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        // Scripts of packages are not needed, and one of them reports its use to its makers.
        let options = [
            "--no-save",
            "--no-package-lock",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ];
        let mut npm = Command::new("npm");
        npm.args(["install", "--prefix"]).arg(&folder).args(options);
        npm.arg(format!("{name}@{version}"));
        let wanted = Wanted {
            packages: &format!("{name} {version}"),
            needed_by: "the test of the AsyncAPI document",
        };
        fetch::run(RegistryClient::Npm, &mut npm, &wanted)?;
    }
    Ok(node_modules)
}

fn is_version(manifest: &Path, version: &str) -> bool {
    let line = format!("\"version\": \"{version}\"");
    std::fs::read_to_string(manifest).is_ok_and(|manifest| manifest.contains(&line))
}
