//! JavaScript: the script `build` of the project's `package.json`, which is told where to put the
//! component. Two builds differ in some bytes: the engine's memory is taken after it has started,
//! with seeds for its hash tables and the time in it, and its tools have no way to fix them.

use std::path::Path;

use tokio::process::Command;

use super::{Artifact, missing, run, works};
use crate::kit::Unusable;

pub(super) async fn build(folder: &Path, aside: &Path) -> Result<Artifact, Unusable> {
    for tool in ["node", "npm"] {
        if !works(tool).await {
            return Err(missing(tool, folder, "apt-get install nodejs npm"));
        }
    }
    if !folder.join("node_modules").is_dir() {
        let install = match folder.join("package-lock.json").is_file() {
            true => "npm ci",
            false => "npm install",
        };
        return Err(missing("node_modules", folder, install));
    }
    let file = aside.join("component.wasm");
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", "build", "--", "-o"])
        .arg(&file);
    run(npm.current_dir(folder)).await?;
    Ok(Artifact {
        file,
        said: String::new(),
    })
}
