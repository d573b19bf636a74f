//! The examples for product teams as components, each built as a team would build it: in a
//! folder with the contract in it, by its language's own tools at the versions that its lock
//! file names. All of it stands below `target` and is used again until a source changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::fetch::{self, RegistryClient, Wanted};
use crate::step::{self, heading};
use crate::{components, root, sources};

mod mistake;

use self::mistake::Mistake;

/// Everything that the examples are made from, as files and folders below the root.
const SOURCES: [&str; 9] = [
    "transforms/Cargo.lock",
    "transforms/Cargo.toml",
    "transforms/examples",
    "transforms/sdk/Cargo.toml",
    "transforms/sdk/derive/Cargo.toml",
    "transforms/sdk/derive/src",
    "transforms/sdk/src",
    "transforms/sdk/wit",
    "wit",
];

/// What is built, each a file of this name.
const COMPONENTS: [&str; 8] = [
    "ticker-rust.wasm",
    "ticker-javascript.wasm",
    "ticker-quickjs.wasm",
    "ticker-quickjs-without-wasi.wasm",
    "ticker-python.wasm",
    "mistake-javascript.wasm",
    "mistake-quickjs.wasm",
    "mistake-python.wasm",
];

/// Debian's own, whatever else is on the path.
const PYTHON: &str = "/usr/bin/python3";

/// A copy of the lock that tools were installed by.
const INSTALLED: &str = ".installed";

/// Where the components are when they are built.
pub(crate) fn folder() -> PathBuf {
    root().join("target/examples")
}

/// Builds every example, unless it was built from these very sources.
pub(crate) fn build() -> Result<()> {
    heading("The examples, in each language");
    let folder = folder();
    let all_there = COMPONENTS.iter().all(|name| folder.join(name).is_file());
    if all_there && !sources::stale(&root(), &SOURCES, &folder)? {
        eprintln!("    built from these sources");
        return Ok(());
    }
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    rust(&folder)?;
    javascript(&folder)?;
    python(&folder)?;
    sources::record(&root(), &SOURCES, &folder)
}

fn rust(folder: &Path) -> Result<()> {
    for (component, bytes) in components::compile(&["ticker"])? {
        let path = folder.join(format!("{component}-rust.wasm"));
        fs::write(&path, &bytes).with_context(|| format!("could not write {}", path.display()))?;
    }
    Ok(())
}

fn javascript(folder: &Path) -> Result<()> {
    let place = Place::of(folder, "javascript", "package-lock.json")?;
    if !place.has_tools() {
        let options = ["--ignore-scripts", "--no-audit", "--no-fund"];
        let wanted = Wanted {
            packages: &fetch::named_in(&place.folder.join("package.json")),
            needed_by: "the examples in JavaScript",
        };
        fetch::run(
            RegistryClient::Npm,
            place.command("npm").arg("ci").args(options),
            &wanted,
        )?;
        place.note_tools()?;
    }
    let build = |script: &str, component: &str| {
        step::run(place.command("npm").args(["run", "--silent", script]))?;
        place.hand_over(&folder.join(component))
    };
    build("build", "ticker-javascript.wasm")?;
    build("build-quickjs", "ticker-quickjs.wasm")?;
    build(
        "build-quickjs-without-wasi",
        "ticker-quickjs-without-wasi.wasm",
    )?;
    place.make(&mistake::JAVASCRIPT)?;
    build("build", "mistake-javascript.wasm")?;
    build("build-quickjs", "mistake-quickjs.wasm")
}

fn python(folder: &Path) -> Result<()> {
    let place = Place::of(folder, "python", "requirements.txt")?;
    if !place.has_tools() {
        step::run(
            place
                .command(PYTHON)
                .args(["-m", "venv", "--clear", "venv"]),
        )
        .context("Debian's package python3-venv may be missing")?;
        let options = ["--quiet", "--disable-pip-version-check", "--require-hashes"];
        let lock = [
            "--only-binary",
            ":all:",
            "--requirement",
            "requirements.txt",
        ];
        let mut pip = place.command("venv/bin/pip");
        pip.arg("install").args(options).args(lock);
        let wanted = Wanted {
            packages: &fetch::named_in(&place.folder.join("requirements.txt")),
            needed_by: "the examples in Python",
        };
        fetch::run(RegistryClient::Pip, &mut pip, &wanted)?;
        place.note_tools()?;
    }
    let build = |component: &str| {
        step::run(
            place
                .command("venv/bin/componentize-py")
                .args(["--quiet", "--wit-path", "wit", "--world", "transform"])
                .args(["componentize", "--output", "ticker.wasm", "app"]),
        )?;
        place.hand_over(&folder.join(component))
    };
    build("ticker-python.wasm")?;
    place.make(&mistake::PYTHON)?;
    build("mistake-python.wasm")
}

/// Where a language's tools and a copy of its example are.
struct Place {
    folder: PathBuf,
    /// The name of the file that says which tools.
    lock: &'static str,
}

impl Place {
    /// Copies the example of a language, and the contract beside it.
    fn of(folder: &Path, language: &str, lock: &'static str) -> Result<Self> {
        let place = folder.join(language);
        copy_files(
            &root().join("transforms/examples/ticker").join(language),
            &place,
        )?;
        copy_files(&root().join("wit"), &place.join("wit"))?;
        Ok(Self {
            folder: place,
            lock,
        })
    }

    /// A command that runs here; a program with a folder in its name is of here too.
    fn command(&self, program: &str) -> Command {
        let mut command = match program.contains('/') {
            true => Command::new(self.folder.join(program)),
            false => Command::new(program),
        };
        command.current_dir(&self.folder);
        command
    }

    /// Whether those that the lock names were installed to the end.
    fn has_tools(&self) -> bool {
        let read = |name: &str| fs::read(self.folder.join(name)).ok();
        read(self.lock).is_some_and(|lock| read(INSTALLED).is_some_and(|noted| noted == lock))
    }

    fn note_tools(&self) -> Result<()> {
        copy(&self.folder.join(self.lock), &self.folder.join(INSTALLED))
    }

    /// Makes a mistake in the copy of the example.
    fn make(&self, mistake: &Mistake) -> Result<()> {
        let path = self.folder.join(mistake.file);
        let source = fs::read_to_string(&path);
        let source = source.with_context(|| format!("could not read {}", path.display()))?;
        fs::write(&path, mistake.made_in(&source)?)
            .with_context(|| format!("could not write {}", path.display()))
    }

    /// Moves what was built to where it is looked for.
    fn hand_over(&self, path: &Path) -> Result<()> {
        let built = self.folder.join("ticker.wasm");
        fs::rename(&built, path).with_context(|| format!("could not move {}", built.display()))
    }
}

/// The files of a folder, not those in its folders.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("could not make {}", to.display()))?;
    let entries =
        fs::read_dir(from).with_context(|| format!("could not list {}", from.display()))?;
    for entry in entries {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("could not copy {}", from.display()))
}
