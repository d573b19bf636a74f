//! Packages that a language's own client fetches, from whichever registry it is set up with: what
//! is fetched and for what is said before, and what to do next where that fails.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step;

/// A client of a registry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RegistryClient {
    Cargo,
    Npm,
    Pip,
}

/// What is fetched: packages with their versions, and what needs them.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) packages: &'a str,
    pub(crate) needed_by: &'a str,
}

impl RegistryClient {
    fn name(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::Pip => "pip",
        }
    }

    /// How to see whom it asks, and how to have it ask somebody else.
    fn registry(self) -> &'static str {
        match self {
            Self::Cargo => {
                "the registry that it asks is what `[source]` in Cargo's config.toml names, if \
                 anything; set that, or `[http] proxy`"
            }
            Self::Npm => {
                "the registry that it asks is what `npm config get registry` prints; set another \
                 with `npm config set registry`, or a proxy with `npm config set https-proxy`"
            }
            Self::Pip => {
                "the index that it asks is what `pip config list` and PIP_INDEX_URL name, if \
                 anything; set another with `pip config set global.index-url`, or a proxy in \
                 HTTPS_PROXY"
            }
        }
    }

    fn failure(self, wanted: &Wanted<'_>) -> String {
        format!(
            "{} could not fetch {}, which {} needs; why stands above. Where nothing answered, see \
             that this machine reaches it: {}. Then run this task again; what is there already is \
             not fetched anew",
            self.name(),
            wanted.packages,
            wanted.needed_by,
            self.registry()
        )
    }
}

/// Runs a client that fetches something.
pub(crate) fn run(
    client: RegistryClient,
    command: &mut Command,
    wanted: &Wanted<'_>,
) -> Result<()> {
    eprintln!(
        "    {} fetches {} for {}; where nothing answers, it takes minutes to say so",
        client.name(),
        wanted.packages,
        wanted.needed_by
    );
    step::run(command).with_context(|| client.failure(wanted))
}

/// The packages that a file of a project asks for, by name and version: `package.json`, or the
/// requirements of pip. The file itself where it names none.
pub(crate) fn named_in(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let packages = [of_npm(&text), of_pip(&text)].concat();
    match packages.is_empty() {
        true => format!("what {} names", file.display()),
        false => packages.join(", "),
    }
}

fn of_npm(text: &str) -> Vec<String> {
    let after = text.split_once("ependencies\": {").map(|(_, after)| after);
    let pairs = after.and_then(|after| after.split('}').next());
    let pairs = pairs.into_iter().flat_map(|pairs| pairs.split(','));
    pairs
        .filter_map(|pair| {
            let (name, version) = pair.split_once(':')?;
            let bare = |text: &str| text.trim().trim_matches('"').to_owned();
            Some(format!("{} {}", bare(name), bare(version)))
        })
        .collect()
}

fn of_pip(text: &str) -> Vec<String> {
    let pinned = text.lines().filter_map(|line| line.split_once("=="));
    pinned
        .map(|(name, rest)| {
            let version = rest.split_whitespace().next().unwrap_or_default();
            format!("{} {version}", name.trim())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_as_their_files_have_them() {
        let npm = "{\n \"name\": \"x\",\n \"devDependencies\": {\n  \"@a/b\": \"1.2.3\",\n  \"c\": \"4\"\n }\n}";
        assert_eq!(of_npm(npm), ["@a/b 1.2.3", "c 4"]);
        assert_eq!(
            of_pip("a-b==1.2.3 \\\n    --hash=sha256:x\nc==4"),
            ["a-b 1.2.3", "c 4"]
        );
        for none in ["", "{}", "\"devDependencies\": {"] {
            assert!(of_npm(none).is_empty() && of_pip(none).is_empty(), "{none}");
        }
        assert_eq!(named_in(Path::new("nowhere.txt")), "what nowhere.txt names");
    }

    #[test]
    fn a_failure_says_what_for_what_and_what_to_do() {
        let wanted = Wanted {
            packages: "a 1",
            needed_by: "the example in Python",
        };
        for client in [
            RegistryClient::Cargo,
            RegistryClient::Npm,
            RegistryClient::Pip,
        ] {
            let failure = client.failure(&wanted);
            for word in [
                client.name(),
                "a 1",
                "the example in Python",
                "proxy",
                "again",
            ] {
                assert!(
                    failure.to_lowercase().contains(&word.to_lowercase()),
                    "{failure}"
                );
            }
        }
    }
}
