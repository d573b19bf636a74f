//! What a Tidegate of a test shall be like: settings as flags, transforms as tables of a
//! generated `tidegate.toml`. Starting it is `tidegate`'s.

use std::fmt::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::wall_clock::WallClock;

/// The operator's token of a host with a state folder.
pub const OPERATOR: &str = "token-of-an-operator-in-tests";

/// A `[[transform]]` table.
#[derive(Debug, Clone)]
pub struct Transform {
    component: String,
    lines: Vec<String>,
    settings: Vec<String>,
}

impl Transform {
    /// One that the binary brings along: `candle` or `signal`.
    pub fn builtin(name: &str) -> Self {
        Self::of(&format!("builtin:{name}"))
    }

    /// One from a file.
    pub fn file(path: &Path) -> Self {
        Self::of(&path.to_string_lossy())
    }

    fn of(component: &str) -> Self {
        Self {
            component: component.to_owned(),
            lines: Vec::new(),
            settings: Vec::new(),
        }
    }

    /// A key of the table, its value as TOML writes it.
    pub fn set(mut self, key: &str, toml: &str) -> Self {
        self.lines.push(format!("{key} = {toml}"));
        self
    }

    /// One of the component's own settings.
    pub fn setting(mut self, key: &str, toml: &str) -> Self {
        self.settings.push(format!("{key} = {toml}"));
        self
    }

    fn toml(&self) -> String {
        format!(
            "[[transform]]\ncomponent = {:?}\n{}\nsettings = {{ {} }}\n",
            self.component,
            self.lines.join("\n"),
            self.settings.join(", ")
        )
    }
}

/// Everything that a start needs.
#[derive(Debug)]
pub struct Setup {
    pub(crate) folder: TempDir,
    settings: Vec<(String, String)>,
    transforms: Vec<Transform>,
    toml: String,
    pub(crate) environment: Vec<(String, String)>,
    keys: bool,
    pub(crate) wait_ready: bool,
    /// Where standard error goes, if it is not collected.
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) open_files: Option<u64>,
    /// A folder that nobody may write to is one for this host too, also where root runs it.
    pub(crate) obeys_file_rights: bool,
}

impl Setup {
    pub fn new(redis_url: &str) -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            settings: Vec::new(),
            transforms: Vec::new(),
            toml: String::new(),
            environment: Vec::new(),
            keys: true,
            wait_ready: true,
            stderr: None,
            open_files: None,
            obeys_file_rights: false,
        }
        .setting("redis-url", redis_url)
        .setting("listen", "127.0.0.1:0")
        .setting("admin-listen", "127.0.0.1:0")
    }

    /// A setting by its flag; the last value of a name counts.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Harms a component of the state folder, and takes what was compiled: it cannot be loaded again.
    pub fn harm_component(&self, digest: &str) {
        let folder = self.state_folder();
        let path = folder.join(format!("components/{digest}.wasm"));
        let mut bytes = std::fs::read(&path).expect("a file of the state");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, &bytes).expect("a file of the state");
        for entry in std::fs::read_dir(folder.join("compiled")).expect("a folder") {
            std::fs::remove_dir_all(entry.expect("an entry").path()).expect("a cache");
        }
    }

    /// Gives no file of keys.
    pub fn without_keys(mut self) -> Self {
        self.keys = false;
        self
    }

    /// Makes the folder `put-here` in the start's folder, and watches it.
    pub fn watching(self) -> Self {
        let folder = self.path("put-here");
        std::fs::create_dir(&folder).expect("a folder in one's own");
        self.setting("watch", &folder.to_string_lossy())
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A host whose wall clock is this.
    pub fn clock(self, clock: &WallClock) -> Self {
        let variables = clock.environment().into_iter();
        variables.fold(self, |setup, (name, value)| setup.env(name, &value))
    }

    pub fn admin_token(self, token: &str) -> Self {
        self.env("TIDEGATE_SERVE_ADMIN_TOKEN", token)
    }

    /// Keeps revisions in a folder beside its settings, and lets operators in.
    pub fn state_dir(self) -> Self {
        let folder = self.state_folder().display().to_string();
        self.setting("state-dir", &folder).admin_token(OPERATOR)
    }

    /// Where `state_dir` keeps them.
    pub fn state_folder(&self) -> PathBuf {
        self.path("state")
    }

    /// A transform; without any, the host runs its own two.
    pub fn transform(mut self, transform: Transform) -> Self {
        self.transforms.push(transform);
        self
    }

    /// Without any transform that was named before.
    pub fn without_transforms(mut self) -> Self {
        self.transforms.clear();
        self
    }

    /// Has the host obey the rights of files as anybody would, also where root runs it.
    pub fn obeying_file_rights(mut self) -> Self {
        self.obeys_file_rights = true;
        self
    }

    /// Lines for the top of the file.
    pub fn toml(mut self, text: &str) -> Self {
        self.toml.push_str(text);
        self.toml.push('\n');
        self
    }

    /// Does not wait for `/readyz`: for hosts that cannot be ready.
    pub fn not_ready(mut self) -> Self {
        self.wait_ready = false;
        self
    }

    /// Gives it this standard error.
    pub fn stderr(mut self, to: OwnedFd) -> Self {
        self.stderr = Some(to);
        self
    }

    /// May never have more files open than this, as `ulimit -n` would have it.
    pub fn open_files(mut self, count: u64) -> Self {
        self.open_files = Some(count);
        self
    }

    /// A file of this name in the start's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn keys_file(&self) -> PathBuf {
        self.path("keys.json")
    }

    /// Writes the file and gives the arguments after the command's name.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut text = self.toml.clone();
        for transform in &self.transforms {
            writeln!(text, "{}", transform.toml()).expect("a String takes all");
        }
        let file = self.path("tidegate.toml");
        std::fs::write(&file, text).expect("a file in one's own folder");
        let mut arguments = vec!["--config".to_owned(), file.display().to_string()];
        if self.keys {
            let file = self.keys_file().display().to_string();
            arguments.extend(["--keys-file".to_owned(), file]);
        }
        for (name, value) in &self.settings {
            arguments.extend([format!("--{name}"), value.clone()]);
        }
        arguments
    }
}
