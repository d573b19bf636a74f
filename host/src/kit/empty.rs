//! An empty component of a language, which shows what the language costs before anything is written
//! in it. That of Rust, which has no engine in it, comes with this binary; the others would be as
//! large as their engines, and are built by a project's own tools, and so with its own engine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Language, Project, Unusable, build};
use crate::files;
use crate::tasks::blocking;

const RUST: &[u8] = include_bytes!("../../../transforms/dist/kit/empty.wasm");

const CONTRACT: &str = include_str!("../../../wit/transform.wit");

/// What a project is copied to, with another source in it.
struct Source {
    /// Where the template of the language has its transform.
    file: &'static str,
    text: &'static str,
    /// Files that say how a project is built.
    taken: &'static [&'static str],
    /// The folder of its tools.
    tools: &'static str,
    /// Files that say how it is built, and which versions of its tools there are.
    versions: &'static [&'static str],
}

const JAVASCRIPT: Source = Source {
    file: "stream.js",
    text: include_str!("../../../transforms/templates/empty/stream.js"),
    taken: &["package.json"],
    tools: "node_modules",
    versions: &["package.json", "node_modules/.package-lock.json"],
};

const PYTHON: Source = Source {
    file: "app.py",
    text: include_str!("../../../transforms/templates/empty/app.py"),
    taken: &[],
    tools: "venv",
    versions: &["requirements.txt"],
};

/// The empty component for a project. What is built is kept in the folder `cache`, the last of each
/// language.
///
/// # Errors
/// The tools of the project do not build it.
pub(super) async fn empty(project: &Project, cache: Option<&Path>) -> Result<Arc<[u8]>, Unusable> {
    let source = match project.language {
        Language::Rust => return Ok(RUST.into()),
        Language::JavaScript => &JAVASCRIPT,
        Language::Python => &PYTHON,
    };
    let kept = cache.map(|folder| kept_file(folder, source, &project.folder));
    if let Some(bytes) = kept.as_ref().and_then(|kept| fs::read(kept).ok()) {
        return Ok(bytes.into());
    }
    let place = tempfile::Builder::new().prefix("tidegate-empty-").tempdir();
    let place = place.map_err(|cause| Unusable::path("use", &std::env::temp_dir(), &cause))?;
    let copied = copy(source, &project.folder, place.path());
    copied.map_err(|cause| Unusable::path("use", place.path(), &cause))?;
    let copy = Project {
        folder: place.path().to_owned(),
        component: place.path().join("build/empty.wasm"),
        ..project.clone()
    };
    let built = build(&copy).await?;
    blocking(move || {
        let bytes = fs::read(&built.component);
        let bytes = bytes.map_err(|cause| Unusable::path("read", &built.component, &cause))?;
        if let Some(kept) = kept {
            // Without it the next run takes longer, and that is all.
            let _ = keep(&kept, source, &bytes);
        }
        Ok(bytes.into())
    })
    .await
}

fn copy(source: &Source, project: &Path, place: &Path) -> io::Result<()> {
    fs::write(place.join(source.file), source.text)?;
    fs::create_dir(place.join("wit"))?;
    fs::write(place.join("wit/transform.wit"), CONTRACT)?;
    for name in source.taken {
        fs::copy(project.join(name), place.join(name))?;
    }
    let tools = project.join(source.tools);
    if tools.is_dir() {
        std::os::unix::fs::symlink(tools.canonicalize()?, place.join(source.tools))?;
    }
    Ok(())
}

/// The file that it is kept in, named by all that it depends on.
fn kept_file(cache: &Path, source: &Source, project: &Path) -> PathBuf {
    let mut digest = Sha256::new();
    for part in [source.text, CONTRACT] {
        digest.update(Sha256::digest(part));
    }
    for name in source.versions {
        let content = fs::read(project.join(name)).unwrap_or_default();
        digest.update(Sha256::digest(content));
    }
    let digest = HEXLOWER.encode(&digest.finalize());
    let folder = cache.join("empty");
    folder.join(format!("{}-{digest}.wasm", source.file))
}

/// Keeps it in the place of the one before.
fn keep(file: &Path, source: &Source, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(source.file) {
            fs::remove_file(entry.path())?;
        }
    }
    files::replace(file, bytes)
}
