//! Python: `componentize-py` over the module `app`. Two builds differ: the interpreter's memory is
//! taken after it has started, with a seed for its hash tables and with addresses that follow
//! from it, and the tool has no way to fix it.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{Artifact, cannot_run, missing, refused, run, succeeded, works};
use crate::kit::Unusable;

const TOOL: &str = "componentize-py";

/// The tool of a project, in its folder.
pub(super) const PROGRAM: &str = "venv/bin/componentize-py";

const INSTALL: &str =
    "python3 -m venv venv && venv/bin/pip install --require-hashes -r requirements.txt";

/// What stands before the project's own `app`, waits until a file says to go on, and takes itself
/// away. It uses what the interpreter has anyway, so that its memory is as without it. It gives up
/// after half an hour, as whoever began it may be gone.
const GATE: &str = r#"import posix, sys, time
for _ in range(90_000):
    if "go" in posix.listdir("/0"):
        break
    time.sleep(0.02)
else:
    raise SystemExit("nobody asked for this build")
sys.path.remove("/0")
sys.path_importer_cache.clear()
del sys.modules[__name__], posix, time
import app
"#;

pub(super) async fn build(folder: &Path, aside: &Path) -> Result<Artifact, Unusable> {
    let own = folder.join(PROGRAM);
    let tool = match own.is_file() {
        true => own,
        false if works(TOOL).await => PathBuf::from(TOOL),
        false => return Err(missing(TOOL, folder, INSTALL)),
    };
    let file = aside.join("component.wasm");
    run(command(&tool, folder, aside, &file).arg("app")).await?;
    Ok(Artifact {
        file,
        said: String::new(),
    })
}

/// What it makes for itself meanwhile stands in `aside`, too, and goes with that.
fn command(tool: &Path, folder: &Path, aside: &Path, file: &Path) -> Command {
    let mut command = Command::new(tool);
    command
        .env("TMPDIR", aside)
        .args(["--quiet", "--wit-path", "wit", "--world", "transform"])
        .args(["componentize", "--output"])
        .arg(file)
        .current_dir(folder);
    command
}

/// The tool at work, or waiting to read the modules of the project. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct WaitingTool {
    command: Command,
    // It goes before the folder that it writes to.
    child: Option<Child>,
    aside: TempDir,
}

impl WaitingTool {
    /// # Errors
    /// The project has no such tool of its own, or the machine does not take another process.
    pub(super) fn begin(folder: &Path, aside: TempDir) -> Result<Self, Unusable> {
        let gate = aside.path().join("gate");
        std::fs::create_dir(&gate)
            .and_then(|()| std::fs::write(gate.join("app.py"), GATE))
            .map_err(|cause| refused(&gate, &cause))?;
        let (tool, file) = (folder.join(PROGRAM), aside.path().join("component.wasm"));
        let mut command = command(&tool, folder, aside.path(), &file);
        // The gate is the first of these, and so what the tool calls `/0`.
        command.arg("-p").arg(&gate).args(["-p", ".", "app"]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn();
        let child = child.map_err(|cause| cannot_run(&command, &cause))?;
        Ok(Self {
            command,
            child: Some(child),
            aside,
        })
    }

    /// Whether it has not ended by itself.
    pub(super) fn waits(&mut self) -> bool {
        let ended = self.child.as_mut().map(Child::try_wait);
        matches!(ended, Some(Ok(None)))
    }

    /// Lets it read the modules, and waits for its end. What it has made is there for as long as
    /// this is.
    ///
    /// # Errors
    /// As a build.
    pub(super) async fn finish(&mut self) -> Result<Artifact, Unusable> {
        let go = self.aside.path().join("gate/go");
        std::fs::write(&go, "").map_err(|cause| refused(&go, &cause))?;
        if let Some(child) = self.child.take() {
            let output = child.wait_with_output().await;
            let output = output.map_err(|cause| cannot_run(&self.command, &cause))?;
            succeeded(&self.command, &output, &[&output.stderr, &output.stdout])?;
        }
        Ok(Artifact {
            file: self.aside.path().join("component.wasm"),
            said: String::new(),
        })
    }
}
