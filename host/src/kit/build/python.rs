//! Python: `componentize-py` over the module `app`. Two builds differ: the interpreter's memory is
//! taken after it has started, with a seed for its hash tables and with addresses that follow
//! from it, and the tool has no way to fix it.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{Artifact, missing, run, works};
use crate::kit::Unusable;

const TOOL: &str = "componentize-py";

const INSTALL: &str =
    "python3 -m venv venv && venv/bin/pip install --require-hashes -r requirements.txt";

pub(super) async fn build(folder: &Path, aside: &Path) -> Result<Artifact, Unusable> {
    let own = folder.join("venv/bin").join(TOOL);
    let tool = match own.is_file() {
        true => own,
        false if works(TOOL).await => PathBuf::from(TOOL),
        false => return Err(missing(TOOL, folder, INSTALL)),
    };
    let file = aside.join("component.wasm");
    let mut command = Command::new(tool);
    command
        .args(["--quiet", "--wit-path", "wit", "--world", "transform"])
        .args(["componentize", "--output"])
        .arg(&file)
        .arg("app");
    run(command.current_dir(folder)).await?;
    Ok(Artifact {
        file,
        said: String::new(),
    })
}
