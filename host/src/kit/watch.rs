//! Whether anything of a project has changed, so that it is tried again: by looking, as a mounted
//! volume gives no notifications. Folders that tools fill are passed over.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Project, Target};

/// How often it looks. A change is taken when two looks in a row see the same.
const EVERY: Duration = Duration::from_millis(200);

/// How many files are looked at, and how deep folders are.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 12;

/// Folders of a project that its author does not write in; those with a dot before their names
/// neither.
const OF_TOOLS: [&str; 5] = ["target", "build", "node_modules", "venv", "__pycache__"];

/// What tells one state of a file from another without reading it.
type SourceStamp = (u64, i64, i64);

/// What a project, or a component alone, was when it was looked at last.
#[derive(Debug)]
pub struct ProjectWatch {
    target: Target,
    seen: BTreeMap<PathBuf, SourceStamp>,
}

impl ProjectWatch {
    pub fn on(target: &Target) -> Self {
        Self {
            seen: look(target),
            target: target.clone(),
        }
    }

    /// Takes what is there now as what was seen: a build writes files too.
    pub fn look_again(&mut self) {
        self.seen = look(&self.target);
    }

    /// Returns once something has changed and stands still: whether it is more than samples and
    /// the component itself.
    pub async fn changed(&mut self) -> bool {
        let mut last = look(&self.target);
        loop {
            tokio::time::sleep(EVERY).await;
            let now = look(&self.target);
            let stands = now == last;
            last = now;
            if stands && last != self.seen {
                let before = std::mem::replace(&mut self.seen, last);
                return is_of_sources(&self.target, &before, &self.seen);
            }
        }
    }
}

type Looked = BTreeMap<PathBuf, SourceStamp>;

fn is_of_sources(target: &Target, before: &Looked, now: &Looked) -> bool {
    let samples = target.project.as_ref().map(Project::samples_folder);
    let is_source = |file: &PathBuf| {
        let is_sample = samples
            .as_ref()
            .is_some_and(|folder| file.starts_with(folder));
        *file != target.file && !is_sample
    };
    let mut files = before.keys().chain(now.keys());
    files.any(|file| is_source(file) && before.get(file) != now.get(file))
}

fn look(target: &Target) -> BTreeMap<PathBuf, SourceStamp> {
    let mut seen = BTreeMap::new();
    note(&target.file, &mut seen);
    if let Some(project) = &target.project {
        walk(&project.folder, MAX_DEPTH, &mut seen);
    }
    seen
}

fn walk(folder: &Path, deeper: usize, seen: &mut BTreeMap<PathBuf, SourceStamp>) {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_passed_over = name.starts_with('.') || OF_TOOLS.contains(&&*name);
        if is_passed_over || seen.len() >= MAX_FILES {
            continue;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && deeper > 0 => walk(&entry.path(), deeper - 1, seen),
            Ok(kind) if kind.is_file() => note(&entry.path(), seen),
            _ => {}
        }
    }
}

fn note(file: &Path, seen: &mut BTreeMap<PathBuf, SourceStamp>) {
    if let Ok(found) = file.metadata() {
        let stamp = (found.size(), found.mtime(), found.mtime_nsec());
        seen.insert(file.to_owned(), stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_author_writes_is_seen_and_what_tools_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write(
            "tidegate-transform.toml",
            "language = \"rust\"\ncomponent = \"build/a.wasm\"\n",
        );
        let target = Target::find(Some(folder.path())).unwrap();
        let mut before = look(&target);
        for (name, is_seen) in [
            ("src/lib.rs", true),
            ("samples/a.json", true),
            ("build/a.wasm", true),
            ("build/other", false),
            ("target/release/a", false),
            (".git/index", false),
        ] {
            write(name, "x");
            let after = look(&target);
            assert_eq!(before != after, is_seen, "{name}");
            let is_source = name == "src/lib.rs";
            assert_eq!(is_of_sources(&target, &before, &after), is_source, "{name}");
            before = after;
        }
    }
}
