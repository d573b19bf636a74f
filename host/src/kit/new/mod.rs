//! `transform new`: a small project that builds and passes as it is, written from a template of
//! this binary. It is there as a whole or not at all, and nothing that exists is written over.

mod templates;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::templates::{NAME, Template};
use super::{Language, Unusable};
use crate::transform::EventPattern;

/// The longest name, in characters: what is made of it must not be longer than a contract's names.
const MAX_NAME: usize = 48;

/// A project that was begun.
#[derive(Debug)]
pub struct Begun {
    pub folder: PathBuf,
    /// Paths in the folder.
    pub files: Vec<String>,
    /// The command that installs the tools of its language, in the folder.
    pub install: &'static str,
}

/// Makes a project of this name in the folder `place`, which listens to the upstream channels of
/// that pattern, or to those that the template says.
///
/// # Errors
/// The name cannot be that of a transform, or the pattern that of its channels; something has the
/// name already, or the folder takes nothing.
pub fn begin(
    language: Language,
    name: &str,
    upstream: Option<&str>,
    place: &Path,
) -> Result<Begun, Unusable> {
    let template = Template::of(language);
    check_name(name, template)?;
    upstream.map_or(Ok(()), check_upstream)?;
    let folder = place.join(name);
    if folder.symlink_metadata().is_ok() {
        return Err(taken(&folder));
    }
    let written = write(template.files(name, upstream), place, &folder);
    let files = written.map_err(|cause| match cause.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty => taken(&folder),
        _ => Unusable::path("make", &folder, &cause),
    })?;
    Ok(Begun {
        folder,
        files,
        install: template.install,
    })
}

fn taken(folder: &Path) -> Unusable {
    Unusable::Given(format!(
        "{} is there already, and nothing is written over: take another name, or move it away",
        folder.display()
    ))
}

fn check_name(name: &str, template: &Template) -> Result<(), Unusable> {
    let mut letters = name.chars();
    let is_name = letters
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && letters.all(|next| next.is_ascii_lowercase() || next.is_ascii_digit() || next == '-')
        && name.len() <= MAX_NAME;
    if !is_name {
        return Err(Unusable::Given(format!(
            "{name:?} is no name of a transform: it begins with a letter from a to z and goes on with \
             such letters, digits and hyphens, at most {MAX_NAME} in all; such as order-books"
        )));
    }
    // A lock file tells packages apart by their names.
    if template.packages().any(|package| package == name) {
        return Err(Unusable::Given(format!(
            "{name} is the name of a package that the project is built with: take another"
        )));
    }
    Ok(())
}

/// What a template does with its channel: it takes a symbol of it. The rest stands in sources and in
/// JSON as it is.
fn check_upstream(pattern: &str) -> Result<(), Unusable> {
    let parsed: Result<EventPattern, String> = pattern.parse();
    parsed.map_err(Unusable::Given)?;
    let is_plain = |sign: char| sign.is_ascii_graphic() && !"\"'`\\".contains(sign);
    if !pattern.contains("{symbol}") || !pattern.chars().all(is_plain) {
        return Err(Unusable::Given(format!(
            "the upstream pattern {pattern:?}: a project begins with one that has {{symbol}} in it, in \
             letters and signs of ASCII without quotes, such as feed:{{exchange}}:trades:{{symbol}}"
        )));
    }
    Ok(())
}

/// Writes all of it to the side, and then gives it its place.
fn write(
    files: impl Iterator<Item = (&'static str, String)>,
    place: &Path,
    folder: &Path,
) -> io::Result<Vec<String>> {
    let aside = tempfile::Builder::new().prefix(".tmp-").tempdir_in(place)?;
    // A folder of its own, because the one around it is for its owner only.
    let whole = aside.path().join(NAME);
    let mut names = Vec::new();
    for (path, text) in files {
        let file = whole.join(path);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text)?;
        names.push(path.to_owned());
    }
    fs::rename(&whole, folder)?;
    Ok(names)
}

#[cfg(test)]
mod tests;
