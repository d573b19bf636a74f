//! Debian's packages: installing some, and unpacking one from a newer Debian than this
//! machine's. Servers, proxies and credentials are the ones that apt itself is set up with.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step;

/// Where a package that is too new for this machine's Debian is looked for, nearest first.
const NEWER_SUITES: [&str; 2] = ["trixie-backports", "sid"];

/// Debian's own keys, where its packages keep them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Installs packages, as root or through sudo.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    let is_root = step::output(Command::new("id").arg("-u"))?.trim() == "0";
    let apt = || {
        let mut command = Command::new(if is_root { "env" } else { "sudo" });
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    let installed = step::run(apt().arg("update")).and_then(|()| {
        let options = ["install", "--yes", "--no-install-recommends"];
        step::run(apt().args(options).args(packages))
    });
    installed.with_context(|| {
        let packages = packages.join(" ");
        format!("these Debian packages are needed: {packages}; install them by hand and try again")
    })
}

/// Unpacks the first package found whose version begins with `version` into `folder`. Nothing
/// is installed, and apt's own lists stay as they are.
pub(crate) fn unpack_from_newer_suite(name: &str, version: &str, folder: &Path) -> Result<()> {
    let archive = archive()?;
    for suite in NEWER_SUITES {
        let work = tempfile::tempdir()?;
        let apt = Apt::of_suite(&archive, suite, work.path())?;
        if let Err(error) = step::run(apt.command("apt-get").arg("update")) {
            eprintln!("    {suite}: {error:#}");
            continue;
        }
        let listed = step::output(apt.command("apt-cache").args(["madison", name]))?;
        let Some(found) = matching(&listed, version) else {
            eprintln!("    {suite} has no {name} {version}");
            continue;
        };
        step::run(
            apt.command("apt-get")
                .args(["download", &format!("{name}={found}")]),
        )?;
        for entry in fs::read_dir(work.path())? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "deb") {
                return step::run(Command::new("dpkg").arg("-x").arg(file).arg(folder));
            }
        }
        bail!("apt downloaded no package");
    }
    bail!(
        "no suite of {} has {name} {version}",
        NEWER_SUITES.join(", ")
    );
}

/// The address of the Debian archive that this machine installs from.
fn archive() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .map(|value| value.trim_matches('"'))
        .context("not a Debian: /etc/os-release has no VERSION_CODENAME")?;
    // Printed from the configuration alone, in whichever format that is, before any update.
    let printed = step::output(Command::new("apt-get").args(["update", "--print-uris"]))?;
    archive_of(&printed, codename)
        .map(str::to_owned)
        .with_context(|| format!("apt is set up with no archive of {codename}"))
}

/// The archive among `apt-get update --print-uris`'s answer that has exactly this suite;
/// updates and security have suites of their own.
fn archive_of<'a>(printed: &'a str, codename: &str) -> Option<&'a str> {
    let end = format!("/dists/{codename}/InRelease");
    let addresses = printed.lines().filter_map(|line| line.split('\'').nth(1));
    let mut archives = addresses.filter_map(|address| address.strip_suffix(&end));
    archives.next()
}

/// The version in `apt-cache madison`'s answer that is `version` with a packaging suffix.
fn matching<'a>(listed: &'a str, version: &str) -> Option<&'a str> {
    listed
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|found| {
            found
                .strip_prefix(version)
                .is_some_and(|suffix| suffix.starts_with(['+', '-', '~']))
        })
}

/// apt, looking at one suite and keeping what it learns in a folder of its own.
struct Apt<'a> {
    folder: &'a Path,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn of_suite(archive: &str, suite: &str, folder: &'a Path) -> Result<Self> {
        let signed_by = if Path::new(KEYRING).is_file() {
            format!("[signed-by={KEYRING}] ")
        } else {
            String::new()
        };
        let sources = folder.join("suite.list");
        fs::write(&sources, format!("deb {signed_by}{archive} {suite} main\n"))?;
        for name in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(folder.join(name))?;
        }
        let at = |name: &str| folder.join(name).display().to_string();
        let options = vec![
            format!("Dir::Etc::SourceList={}", sources.display()),
            "Dir::Etc::SourceParts=/dev/null".to_owned(),
            format!("Dir::State::Lists={}", at("lists")),
            format!("Dir::Cache={}", at("cache")),
            // The user that apt downloads as may not write to a folder of ours.
            "APT::Sandbox::User=root".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ];
        Ok(Self { folder, options })
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder);
        for option in &self.options {
            command.args(["-o", option]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_is_the_one_of_the_suite_itself() {
        let printed = "'http://a.test/debian/dists/bookworm-updates/InRelease' a_InRelease 0 \n\
                       'http://b.test/debian/dists/bookworm/InRelease' b_InRelease 0 \n";
        assert_eq!(
            archive_of(printed, "bookworm"),
            Some("http://b.test/debian")
        );
        assert_eq!(archive_of(printed, "trixie"), None);
    }

    #[test]
    fn a_version_is_matched_whole() {
        let listed = " rust-src | 1.95.10-1 | http://x sid/main amd64 Packages\n \
                      rust-src | 1.95.1+dfsg1-1~bpo13+1 | http://x sid/main amd64 Packages\n";
        assert_eq!(matching(listed, "1.95.1"), Some("1.95.1+dfsg1-1~bpo13+1"));
        assert_eq!(matching(listed, "1.95.10"), Some("1.95.10-1"));
        assert_eq!(matching(listed, "1.95"), None);
        assert_eq!(matching("", "1.95.0"), None);
    }
}
