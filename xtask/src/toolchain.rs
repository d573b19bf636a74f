//! The Rust standard library for WebAssembly, found or fetched.
//!
//! Three ways, in order: it is there; rustup brings it; or its source comes as a Debian
//! package (see `apt`) and cargo compiles it along with the guests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{apt, step};

/// What the guests are compiled to: WebAssembly that expects nothing of its host.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// How the guests get their standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardLibrary {
    /// Compiled, in the toolchain.
    Compiled,
    /// As source in the toolchain, for cargo to compile.
    Source,
}

impl StandardLibrary {
    /// Variables by which any cargo compiles it along with a guest, where it has to.
    pub(crate) fn environment(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Compiled => &[],
            Self::Source => &[
                ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort"),
                ("RUSTC_BOOTSTRAP", "1"),
            ],
        }
    }
}

/// Sees to it that there is a standard library for the guests.
pub(crate) fn standard_library() -> Result<StandardLibrary> {
    let sysroot = sysroot()?;
    if has_compiled(&sysroot) {
        eprintln!("    {TARGET} is installed");
        return Ok(StandardLibrary::Compiled);
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    match step::run(&mut rustup) {
        // rustup may serve another toolchain than the one that compiles, so look.
        Ok(()) if has_compiled(&sysroot) => return Ok(StandardLibrary::Compiled),
        Ok(()) => eprintln!("    rustup's toolchain is not the one in use"),
        Err(error) => eprintln!("    {error:#}"),
    }
    let source = library_source(&sysroot);
    if !source.join("library/std/Cargo.toml").is_file() {
        fetch_source(&source)?;
    }
    eprintln!("    the standard library will be compiled from its source");
    Ok(StandardLibrary::Source)
}

/// The folder of the toolchain in use.
pub(crate) fn sysroot() -> Result<PathBuf> {
    let printed = step::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(printed.trim()))
}

/// Where a toolchain keeps the standard library's source, if it has it.
pub(crate) fn library_source(sysroot: &Path) -> PathBuf {
    sysroot.join("lib/rustlib/src/rust")
}

fn has_compiled(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib")
        .is_dir()
}

fn fetch_source(place: &Path) -> Result<()> {
    let printed = step::output(Command::new("rustc").arg("--version"))?;
    let version = printed
        .split_whitespace()
        .nth(1)
        .context("`rustc --version` names no version")?;
    eprintln!("    looking for Debian's rust-src {version}");
    let unpacked = tempfile::tempdir()?;
    apt::unpack_from_newer_suite("rust-src", version, unpacked.path()).context(
        "no standard library for WebAssembly: neither `rustup target add \
         wasm32-unknown-unknown` nor Debian's rust-src worked; install either by hand",
    )?;
    let library = unpacked
        .path()
        .join(format!("usr/src/rustc-{version}/library"));
    fs::create_dir_all(place).with_context(|| format!("could not make {}", place.display()))?;
    // Only the library: the compiler's own source in that package is ten times as much.
    step::run(Command::new("cp").arg("-r").arg(library).arg(place))
}
