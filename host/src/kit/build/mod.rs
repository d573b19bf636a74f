//! `transform build`: the component of a project, made by the usual tools of its language. They are
//! looked for first, what they make is inspected as a host would, and only then does it take
//! the place of the one before.

mod ahead;
mod javascript;
mod python;
mod rust;

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::process::Command;

pub use self::ahead::BuildSeries;
use super::{Language, Project, Unusable};
use crate::files;
use crate::tasks::blocking;
use crate::transform::Inspected;

/// A component that was built.
#[derive(Debug, Serialize)]
pub struct Built {
    pub component: PathBuf,
    pub size_bytes: u64,
    /// SHA-256, in hex: what a host knows the component by.
    pub digest: String,
    pub imports: Vec<String>,
    /// What the tools had to say all the same, such as warnings.
    #[serde(skip)]
    pub said: String,
}

/// Builds what the project says. A dropped call takes its tools with it and leaves nothing.
///
/// # Errors
/// A tool is missing, with the command that installs it; the tools refuse the sources, in their own
/// words; or they made no component that a host would take.
pub async fn build(project: &Project) -> Result<Built, Unusable> {
    let folder = project.folder.canonicalize();
    let folder = folder.map_err(|cause| refused(&project.folder, &cause))?;
    let aside = aside()?;
    let artifact = match project.language {
        Language::Rust => rust::build(&folder).await,
        Language::JavaScript => javascript::build(&folder, aside.path()).await,
        Language::Python => python::build(&folder, aside.path()).await,
    };
    let Artifact { file, said } = artifact?;
    let project = project.clone();
    blocking(move || hand_over(&project, &file, said)).await
}

/// Where tools work. Not in the project, where it would stay if somebody ended them in the middle.
fn aside() -> Result<TempDir, Unusable> {
    let aside = tempfile::Builder::new().prefix("tidegate-build-").tempdir();
    aside.map_err(|cause| refused(&std::env::temp_dir(), &cause))
}

/// Puts what was made in its place, if it is a component that a host would take.
fn hand_over(project: &Project, file: &Path, said: String) -> Result<Built, Unusable> {
    let bytes: Arc<[u8]> = fs::read(file)
        .map_err(|cause| refused(file, &cause))?
        .into();
    let inspected = Inspected::of(Arc::clone(&bytes), std::slice::from_ref(&project.limits));
    let inspected = inspected.map_err(Unusable::Refused)?;
    let component = &project.component;
    replace(component, &bytes).map_err(|cause| refused(component, &cause))?;
    Ok(Built {
        component: component.clone(),
        size_bytes: bytes.len() as u64,
        digest: format!("{:x}", Sha256::digest(&bytes)),
        imports: inspected.imports().to_vec(),
        said,
    })
}

/// What the tools made, wherever they put it.
struct Artifact {
    file: PathBuf,
    said: String,
}

/// The file may be read by all whom the user's mask lets read it: it is no secret.
fn replace(component: &Path, bytes: &[u8]) -> io::Result<()> {
    let place = component.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(place)?;
    let mut copy = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(place)?;
    copy.write_all(bytes)?;
    copy.as_file().sync_all()?;
    copy.persist(component)?;
    files::sync_folder(place)
}

fn refused(path: &Path, cause: &io::Error) -> Unusable {
    Unusable::path("use", path, cause)
}

/// A tool that is not there, and the command that brings it.
fn missing(tool: &str, folder: &Path, install: &str) -> Unusable {
    Unusable::Given(format!(
        "{tool} is missing; in {}, run `{install}`",
        folder.display()
    ))
}

/// Whether a program is there and tells its version.
async fn works(program: &str) -> bool {
    let output = run(Command::new(program).arg("--version")).await;
    output.is_ok()
}

/// Runs a tool to its end, and shows all that it says where that is no good end.
async fn run(command: &mut Command) -> Result<Output, Unusable> {
    let output = end_of(command).await?;
    succeeded(command, &output, &[&output.stderr, &output.stdout])?;
    Ok(output)
}

/// Runs a tool to its end. What it says is kept, because progress is shown meanwhile.
async fn end_of(command: &mut Command) -> Result<Output, Unusable> {
    let output = command.kill_on_drop(true).output().await;
    output.map_err(|cause| cannot_run(command, &cause))
}

fn cannot_run(command: &Command, cause: &io::Error) -> Unusable {
    let (name, advice) = (name(command), files::advice(cause));
    Unusable::Machine(format!("cannot run {name}: {cause}; {advice}"))
}

/// What of `said` is for people is shown where the tool failed.
fn succeeded(command: &Command, output: &Output, said: &[&[u8]]) -> Result<(), Unusable> {
    if output.status.success() {
        return Ok(());
    }
    let said = said.iter().map(|said| String::from_utf8_lossy(said));
    let said = said.map(|said| said.trim_end().to_owned());
    let said: Vec<String> = said.filter(|said| !said.is_empty()).collect();
    Err(Unusable::Unbuilt(format!(
        "{}\n{} ended with {}: the component that was there stays as it was",
        said.join("\n"),
        name(command),
        output.status
    )))
}

fn name(command: &Command) -> String {
    let program = command.as_std().get_program();
    program.to_string_lossy().into_owned()
}
