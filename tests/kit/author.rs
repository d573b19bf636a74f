//! Somebody who writes transforms: a fresh folder in which the commands for authors are typed,
//! beside no host.

use std::fs::File;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::Guest;
use crate::binary::{ended, repository, said, tidegate, without_settings};

/// Where what the guests of this repository are compiled with is already.
pub const COMPILED: &str = "transforms/target";

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

    /// A project in this language, as `transform new` begins it, with the tools that the examples
    /// have.
    pub fn begins(&self, language: &str, name: &str) -> PathBuf {
        self.ends(0, &["new", "--language", language, name]);
        let project = self.path(name);
        let tools = match language {
            "javascript" => "node_modules",
            "python" => "venv",
            _ => return project,
        };
        let examples = repository().join("target/examples");
        let installed = examples.join(language).join(tools);
        assert!(
            installed.is_dir(),
            "run `cargo xtask examples`, which installs {}",
            installed.display()
        );
        symlink(installed, project.join(tools)).expect("a link in one's own folder");
        project
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

    /// `tidegate transform WORDS` in the folder. What is compiled is kept in it too.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(tidegate());
        command.arg("transform").args(words);
        self.settle(&mut command);
        command
    }

    /// Has a command run in the folder.
    pub fn settle(&self, command: &mut Command) {
        without_settings(command);
        command
            .current_dir(self.folder.path())
            .env("XDG_CACHE_HOME", self.path(".cache"))
            .env("CARGO_TARGET_DIR", repository().join(COMPILED));
    }

    /// Types it and waits for its end.
    pub fn types(&self, words: &[&str]) -> Output {
        let mut command = self.command(words);
        command.stdin(Stdio::null());
        command.output().expect("the binary can be started")
    }

    /// The same with something on its standard input.
    pub fn pipes(&self, words: &[&str], input: &str) -> Output {
        let input_file = self.write(".input", input);
        let input_file = File::open(input_file).expect("it was just written");
        let mut command = self.command(words);
        command.stdin(input_file);
        command.output().expect("the binary can be started")
    }

    /// What is told on standard output where it ends with that code.
    pub fn ends(&self, code: i32, words: &[&str]) -> String {
        ended(self.types(words), code, words)
    }

    /// The same as JSON, which has to be all there is.
    pub fn json(&self, code: i32, words: &[&str]) -> Value {
        let text = self.ends(code, &[words, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{words:?}: {error}: {text}"))
    }

    /// The one line with which it says that what it was given cannot be used. What it says of a work
    /// that takes long, on a busy machine, is passed over.
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.types(words);
        let line = said(&output);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {line}");
        let lines = line.trim_end().lines();
        let lines = lines.filter(|line| !line.ends_with(" …")).count();
        assert_eq!(lines, 1, "{words:?}: {line}");
        assert!(output.stdout.is_empty(), "{words:?}: {line}");
        line
    }
}
