//! Somebody who writes transforms: a fresh folder in which the commands for authors are typed,
//! beside no host.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;

use crate::Guest;
use crate::binary::{run_with, said};

/// A folder of one's own.
#[derive(Debug)]
pub struct Author {
    folder: TempDir,
}

impl Default for Author {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { folder }
    }
}

impl Author {
    /// One with a project in the folder, whose component is `guest`.
    pub fn with_project(guest: &Guest) -> Self {
        let author = Self::default();
        author.write(
            "tidegate-transform.toml",
            "language = \"rust\"\ncomponent = \"build/ticks.wasm\"\n",
        );
        author.write("build/ticks.wasm", guest.binary());
        author
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, in a folder that is made for it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        let folder = path.parent().unwrap_or(Path::new(""));
        std::fs::create_dir_all(folder).expect("a folder in one's own");
        std::fs::write(&path, content).expect("a file in one's own folder");
        path
    }

    /// Types `tidegate transform WORDS` in the folder.
    pub fn types(&self, words: &[&str]) -> Output {
        let typed = [&["transform"], words].concat();
        run_with(self.folder.path(), &typed, &[])
    }

    /// What is told on standard output where it ends with that code.
    pub fn ends(&self, code: i32, words: &[&str]) -> String {
        let output = self.types(words);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            said(&output)
        );
        String::from_utf8(output.stdout).expect("text")
    }

    /// The same as JSON, which has to be all there is.
    pub fn json(&self, code: i32, words: &[&str]) -> Value {
        let text = self.ends(code, &[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// The one line with which it says that what it was given cannot be used.
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.types(words);
        let line = said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {line}");
        assert_eq!(line.trim_end().lines().count(), 1, "{words:?}: {line}");
        assert!(output.stdout.is_empty(), "{words:?}: {line}");
        line
    }
}
