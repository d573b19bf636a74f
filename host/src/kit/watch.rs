//! Whether anything of a project has changed, so that it is tried again: by looking, as a mounted
//! volume gives no notifications. What a file has in it counts: somebody may save it while a build
//! runs, which may touch files itself. Folders that tools fill are passed over, and what a host leaves
//! that is tried in the project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{PROJECT_FILE, Project, Target};
use crate::files::FileStamp;

/// How often it looks. A change is taken when two looks in a row see the same.
const EVERY: Duration = Duration::from_millis(200);

/// How many files are looked at, and how deep folders are.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 12;

/// A file of more bytes is told from the one before by its stamp alone.
const MAX_READ: u64 = 1 << 20;

/// Folders of a project that its author does not write in; those with a dot before their names
/// neither.
const OF_TOOLS: [&str; 6] = [
    "target",
    "build",
    "dist",
    "node_modules",
    "venv",
    "__pycache__",
];

/// What says which names at the top of a project are left out of its history, as what a host leaves
/// that is tried there: a line each, with a `/` before it and perhaps one behind it, or a `*`.
const LEFT_OUT: &str = ".gitignore";

/// A file as it was at a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LookedAt {
    stamp: FileStamp,
    /// SHA-256 of what it had in it; none where that was not read.
    digest: Option<[u8; 32]>,
}

/// The files of a project, or a component alone.
pub(super) type Looked = BTreeMap<PathBuf, LookedAt>;

/// What a project was when it was tried last.
#[derive(Debug)]
pub struct ProjectWatch {
    target: Target,
    seen: Looked,
}

impl ProjectWatch {
    pub fn on(target: &Target) -> Self {
        Self {
            seen: look(target, &Looked::new()),
            target: target.clone(),
        }
    }

    /// Looks at this from now on: what a project's file says can change too.
    pub fn follow(&mut self, target: &Target) {
        self.target = target.clone();
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Whether a source was written after the component, or there is none yet.
    pub fn is_behind(&self) -> bool {
        let built = self.seen.get(&self.target.file);
        let built = built.map(|component| component.stamp.modified);
        let mut sources = self.seen.iter();
        sources.any(|(file, source)| {
            is_source(&self.target, file) && Some(source.stamp.modified) > built
        })
    }

    /// Takes the component as a build has left it. Whatever else has changed meanwhile is a change.
    pub fn component_was_built(&mut self) {
        self.seen.remove(&self.target.file);
        note(&self.target.file, &Looked::new(), &mut self.seen);
    }

    /// Returns once something has changed and stands still: whether it takes a build, as a source
    /// has changed, or is one of those that were not built the last time.
    pub async fn changed(&mut self) -> bool {
        let mut last = look(&self.target, &self.seen);
        loop {
            tokio::time::sleep(EVERY).await;
            let now = look(&self.target, &last);
            let stands = now == last;
            last = now;
            let changed = changed(&self.seen, &last);
            if stands && !changed.is_empty() {
                let mut changed = changed.iter();
                let of_sources = changed.any(|file| is_source(&self.target, file));
                self.seen = last;
                return of_sources || self.is_behind();
            }
        }
    }
}

/// Files with something else in them, new ones, and those that are gone.
fn changed<'a>(before: &'a Looked, now: &'a Looked) -> Vec<&'a Path> {
    let differs = |file: &Path| match (before.get(file), now.get(file)) {
        (Some(before), Some(now)) => match (before.digest, now.digest) {
            (None, None) => before.stamp != now.stamp,
            (before, now) => before != now,
        },
        _ => true,
    };
    let gone = before.keys().filter(|file| !now.contains_key(*file));
    let files = now.keys().chain(gone).map(PathBuf::as_path);
    files.filter(|file| differs(file)).collect()
}

/// Whether a build reads the file.
fn is_source(target: &Target, file: &Path) -> bool {
    let samples = target.project.as_ref().map(Project::samples_folder);
    file != target.file && samples.is_none_or(|folder| !file.starts_with(folder))
}

/// What a build reads of a project before it comes to modules in Python, as far as that can change.
pub(super) fn beside_modules(target: &Target) -> Looked {
    let mut files = look(target, &Looked::new());
    let is_module = |file: &Path| file.extension().is_some_and(|extension| extension == "py");
    let is_stated = |file: &Path| file.file_name().is_some_and(|name| name == PROJECT_FILE);
    files.retain(|file, _| is_source(target, file) && !is_module(file) && !is_stated(file));
    files
}

/// What is there now. What has the stamp that it had `before` is not read again.
fn look(target: &Target, before: &Looked) -> Looked {
    let mut now = Looked::new();
    note(&target.file, before, &mut now);
    if let Some(project) = &target.project {
        let left_out = std::fs::read_to_string(project.folder.join(LEFT_OUT));
        let left_out = left_out.unwrap_or_default();
        let is_left_out = |name: &str| is_left_out(&left_out, name);
        walk(&project.folder, MAX_DEPTH, &is_left_out, before, &mut now);
    }
    now
}

/// Whether a list of what is left out has this name at the top of a project.
fn is_left_out(list: &str, name: &str) -> bool {
    let names = list
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix('/'));
    let mut names = names.map(|line| line.strip_suffix('/').unwrap_or(line));
    names.any(|left_out| match left_out.strip_suffix('*') {
        Some(begins) => !begins.is_empty() && name.starts_with(begins),
        None => name == left_out,
    })
}

fn walk(
    folder: &Path,
    deeper: usize,
    is_left_out: &dyn Fn(&str) -> bool,
    before: &Looked,
    now: &mut Looked,
) {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_passed_over =
            name.starts_with('.') || OF_TOOLS.contains(&&*name) || is_left_out(&name);
        if is_passed_over || now.len() >= MAX_FILES {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && deeper > 0 => {
                walk(&entry.path(), deeper - 1, &|_| false, before, now);
            }
            Ok(kind) if kind.is_file() => note(&entry.path(), before, now),
            _ => {}
        }
    }
}

fn note(file: &Path, before: &Looked, now: &mut Looked) {
    let Ok(found) = file.metadata() else { return };
    let stamp = FileStamp::of(&found);
    let as_before = before.get(file).filter(|known| known.stamp == stamp);
    let looked_at = as_before.cloned().unwrap_or_else(|| LookedAt {
        digest: match found.len() <= MAX_READ {
            true => std::fs::read(file)
                .map(|bytes| Sha256::digest(bytes).into())
                .ok(),
            false => None,
        },
        stamp,
    });
    now.insert(file.to_owned(), looked_at);
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn write(&self, name: &str, text: &str) {
            let file = self.0.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            // Another file each time, as most editors do, and so never the same stamp.
            crate::files::replace(&file, text.as_bytes()).unwrap();
        }

        fn with_project() -> (Self, Target) {
            let folder = Self(tempfile::tempdir().unwrap());
            let project = "language = \"rust\"\ncomponent = \"build/a.wasm\"\n";
            folder.write("tidegate-transform.toml", project);
            let target = Target::find(Some(folder.0.path())).unwrap();
            (folder, target)
        }
    }

    #[test]
    fn what_an_author_writes_is_seen_and_what_tools_write_is_not() {
        let (folder, target) = Folder::with_project();
        let left_out = "/host.log\n/keys.json*\n/state/\n/samples/recorded-*.json\n# /src\n";
        folder.write(".gitignore", left_out);
        let mut before = look(&target, &Looked::new());
        for (name, is_seen) in [
            ("src/lib.rs", true),
            ("samples/a.json", true),
            ("build/a.wasm", true),
            ("build/other", false),
            ("target/release/a", false),
            (".git/index", false),
            ("host.log", false),
            ("keys.json.lock", false),
            ("state/audit", false),
            ("src/state/mod.rs", true),
        ] {
            folder.write(name, "x");
            let now = look(&target, &before);
            let found = changed(&before, &now);
            assert_eq!(!found.is_empty(), is_seen, "{name}");
            let of_sources = found.iter().any(|file| is_source(&target, file));
            assert_eq!(of_sources, name.starts_with("src/"), "{name}");
            before = now;
        }
        folder.write("src/lib.rs", "x");
        let now = look(&target, &before);
        assert_ne!(now, before, "it was written");
        assert!(changed(&before, &now).is_empty(), "with the same in it");
        std::fs::remove_file(folder.0.path().join("src/lib.rs")).unwrap();
        let later = look(&target, &now);
        assert_eq!(changed(&now, &later).len(), 1, "it is gone");
    }

    #[tokio::test]
    async fn what_is_saved_while_a_build_runs_is_a_change_and_what_the_build_made_is_none() {
        let (folder, target) = Folder::with_project();
        folder.write("src/lib.rs", "1");
        let mut watch = ProjectWatch::on(&target);
        assert!(watch.is_behind(), "there is no component yet");
        folder.write("src/lib.rs", "2");
        assert!(watch.changed().await);
        // The build.
        folder.write("src/lib.rs", "3");
        folder.write("build/a.wasm", "made of 2");
        watch.component_was_built();
        assert!(watch.changed().await, "3 was not built");
        folder.write("build/a.wasm", "made of 3");
        watch.component_was_built();
        assert!(!watch.is_behind());
        let quiet = tokio::time::timeout(4 * EVERY, watch.changed()).await;
        assert!(quiet.is_err(), "nothing is left to do");
    }
}
