//! Builds the transforms of `docs/authoring.md` from the page's own text: its files, and the
//! lines that it says to type. Tools come from where the examples have theirs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step;

/// Lines that install what is there already.
const INSTALLING: [&str; 5] = [
    "npm install",
    "python3 -m venv",
    "venv/bin/pip",
    "rustup",
    "cp ",
];

/// One part of the page, about one language.
#[derive(Debug, Default, PartialEq)]
struct Section {
    /// Names below the folder, and what stands in them.
    files: Vec<(String, String)>,
    commands: Vec<String>,
}

/// Builds what the page says about `language` in `place`, where the contract is and, by these
/// names and paths, what the page's lines install.
pub(crate) fn build(
    page: &str,
    language: &str,
    place: &Path,
    installed: &[(&str, &Path)],
    environment: &[(&str, &str)],
) -> Result<()> {
    let section = section(page, language).with_context(|| {
        format!("docs/authoring.md has no part \"From nothing, in {language}\"")
    })?;
    if section.files.is_empty() || section.commands.is_empty() {
        bail!("docs/authoring.md has no files or no commands for {language}");
    }
    for (name, text) in &section.files {
        let path = place.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, text).with_context(|| format!("could not write {}", path.display()))?;
    }
    for (name, path) in installed {
        let _ = fs::remove_file(place.join(name));
        symlink(path, place.join(name)).with_context(|| format!("could not link {name}"))?;
    }
    for line in &section.commands {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(place);
        shell.envs(environment.iter().copied());
        step::run(&mut shell)?;
    }
    Ok(())
}

fn section(page: &str, language: &str) -> Option<Section> {
    let heading = format!("\n## From nothing, in {language}\n");
    let (_, text) = page.split_once(&heading)?;
    let text = text.split("\n## ").next().unwrap_or(text);
    let mut section = Section::default();
    // Every other part is between fences.
    for block in text.split("```").skip(1).step_by(2) {
        let (kind, block) = block.split_once('\n')?;
        let first = block.lines().next().unwrap_or_default();
        let name = first.strip_prefix("// ").or(first.strip_prefix("# "));
        match name {
            _ if kind == "sh" => section.commands.extend(
                block
                    .lines()
                    .filter(|line| !INSTALLING.iter().any(|word| line.starts_with(word)))
                    .map(str::to_owned),
            ),
            Some(name) if !name.contains(' ') => {
                section.files.push((name.to_owned(), block.to_owned()));
            }
            _ => {}
        }
    }
    Some(section)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_lines_are_taken_from_the_part_of_their_language() {
        let page = "# Page\n## From nothing, in A\n```sh\nnpm install x\nbuild it\n```\nWords:\n\
                    ```js\n// a.js\ncode\n```\n```text\nan answer\n```\n## From nothing, in B\n";
        let expected = Section {
            files: vec![("a.js".into(), "// a.js\ncode\n".into())],
            commands: vec!["build it".into()],
        };
        assert_eq!(section(page, "A"), Some(expected));
        assert_eq!(section(page, "B"), Some(Section::default()));
        assert_eq!(section(page, "C"), None);
    }
}
