//! The guests as components: compiled to WebAssembly, wrapped, checked, and put in a folder.
//!
//! What the compiler needs for that is `toolchain`'s affair.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

use crate::fetch::{self, RegistryClient, Wanted};
use crate::sources;
use crate::step::{self, heading};
use crate::toolchain::{self, StandardLibrary, TARGET};

/// The guests that come with Tidegate: the package, and the file in the folder of components. A host
/// serves what lies in that folder itself unless it is told what to serve.
pub(crate) const GUESTS: [(&str, &str); 3] = [
    ("candle", "candle.wasm"),
    ("signal", "signal.wasm"),
    ("empty", "kit/empty.wasm"),
];

/// Where the components that the host is built with are kept.
pub(crate) fn dist() -> PathBuf {
    crate::root().join("transforms/dist")
}

/// Builds every guest into `out`.
pub(crate) fn build(out: &Path) -> Result<()> {
    let built = compile(&GUESTS.map(|(package, _)| package))?;
    for ((_, file), (_, component)) in GUESTS.iter().zip(built) {
        let path = out.join(file);
        let folder = path.parent().unwrap_or(out);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, &component))
            .with_context(|| format!("could not write {}", path.display()))?;
        eprintln!("    {}: {} bytes", path.display(), component.len());
    }
    sources::record(&crate::root(), &sources::OF_DIST, out)
}

/// Makes components of these packages of the workspace `transforms`.
pub(crate) fn compile(packages: &[&str]) -> Result<Vec<(String, Vec<u8>)>> {
    heading("The Rust standard library for WebAssembly");
    let library = toolchain::standard_library()?;

    heading("Compiling to WebAssembly");
    let transforms = crate::root().join("transforms");
    let target = transforms.join("target");
    // The crates have to be there for the paths to them to be known.
    let wanted = Wanted {
        packages: "the crates of transforms/Cargo.lock",
        needed_by: "every guest in Rust",
    };
    let mut cargo = step::cargo(&transforms);
    fetch::run(
        RegistryClient::Cargo,
        cargo.args(["fetch", "--locked"]),
        &wanted,
    )?;
    let prefixes = Prefixes::of_this_machine()?;
    let mut cargo = step::cargo(&transforms);
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", prefixes.flags().join("\u{1f}"))
        .env_remove("RUSTFLAGS");
    for package in packages {
        cargo.args(["--package", package]);
    }
    if library == StandardLibrary::Source {
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC_BOOTSTRAP", "1");
    }
    step::run(&mut cargo)?;

    heading("Wrapping as components");
    let folder = target.join(TARGET).join("release");
    let component = |package: &&str| {
        let wrapped = wrap(&folder.join(format!("{package}.wasm")));
        let checked = wrapped.and_then(|component| {
            prefixes.check(&component)?;
            Ok(((*package).to_owned(), component))
        });
        checked.with_context(|| format!("guest `{package}`"))
    };
    packages.iter().map(component).collect()
}

/// Makes a component of a core module that carries its WIT world in a custom section.
fn wrap(module: &Path) -> Result<Vec<u8>> {
    let module =
        fs::read(module).with_context(|| format!("could not read {}", module.display()))?;
    ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()
}

/// The paths of this machine, each with the name that stands for it in what is built, so that
/// the same sources give the same bytes anywhere and tell nobody where they were compiled.
struct Prefixes(Vec<(PathBuf, String)>);

impl Prefixes {
    fn of_this_machine() -> Result<Self> {
        let version = step::output(Command::new("rustc").arg("-vV"))?;
        let commit = version
            .lines()
            .find_map(|line| line.strip_prefix("commit-hash: "))
            .unwrap_or("unknown");
        let sysroot = toolchain::sysroot()?;
        // Of several that fit, rustc takes the last, so the widest come first.
        let mut prefixes = vec![
            (crate::root(), "/tidegate".to_owned()),
            // The name that the compiled standard library has for its own sources.
            (
                toolchain::library_source(&sysroot),
                format!("/rustc/{commit}"),
            ),
        ];
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let cargo_home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(home.as_ref()?.join(".cargo")));
        if let Some(folder) = cargo_home {
            // Named after the registry that a machine takes its crates from.
            let registries = fs::read_dir(folder.join("registry/src"))
                .into_iter()
                .flatten();
            let registries = registries.flatten().map(|entry| entry.path());
            prefixes.push((folder, "/cargo".to_owned()));
            prefixes.extend(registries.map(|path| (path, "/cargo".to_owned())));
        }
        if let Some(folder) = home {
            prefixes.insert(0, (folder, "/home".to_owned()));
        }
        Ok(Self(prefixes))
    }

    fn flags(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(path, name)| format!("--remap-path-prefix={}={name}", path.display()))
            .collect()
    }

    /// Fails if one of the paths is in `bytes` after all.
    fn check(&self, bytes: &[u8]) -> Result<()> {
        for (path, _) in &self.0 {
            let text = path.as_os_str().as_encoded_bytes();
            // A home such as `/` or `/x` is everywhere and says nothing.
            if text.len() > 3 && bytes.windows(text.len()).any(|window| window == text) {
                bail!("the component contains the path {}", path.display());
            }
        }
        Ok(())
    }
}
