//! `tidegate audit verify`: whether the audit log is as it was written. It reads files and asks no
//! host, so that it works where the log was moved to, too.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::print::print;
use crate::count::count;
use crate::state::audit::chain::{BEGINS, Chain, hash_of};

/// The longest line that is read, in bytes: far beyond any that is written.
const MAX_LINE: u64 = 1 << 20;

/// Verifies the audit log of a state folder.
#[derive(Debug, clap::Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: AuditCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AuditCommand {
    /// Tell the first line that does not fit to the one before it
    Verify(VerifyArgs),
}

#[derive(Debug, clap::Args)]
struct VerifyArgs {
    /// The files of the log, oldest first: those that were moved away, then audit.jsonl
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A hash that was kept elsewhere: there must be a line that has it
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

pub(super) fn run(args: &AuditArgs) -> anyhow::Result<()> {
    let AuditCommand::Verify(args) = &args.command;
    let mut chain = Chain::default();
    let mut found = args.head.is_none();
    for file in &args.files {
        found |= verify(&mut chain, file, args.head.as_deref())?;
    }
    if let Some(head) = &args.head
        && !found
    {
        bail!(
            "no line has the hash {head}: lines were removed from the end, or all of them were \
             written anew; compare with what the host's log and its collector have"
        );
    }
    Ok(print(&summary(&chain))?)
}

/// Takes all lines of a file, and says whether one of them has the hash that is looked for.
fn verify(chain: &mut Chain, file: &Path, head: Option<&str>) -> anyhow::Result<bool> {
    let shown = file.display();
    let cannot_read = || format!("cannot read {shown}");
    let mut lines = BufReader::new(File::open(file).with_context(cannot_read)?);
    let (mut found, mut number) = (false, 0_u64);
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        if read.with_context(cannot_read)? == 0 {
            return Ok(found);
        }
        number += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        if let Err(wrong) = chain.take(line) {
            bail!("{shown}, line {number}: {wrong}");
        }
        found |= head.is_some_and(|head| hash_of(line) == head);
    }
}

fn summary(chain: &Chain) -> String {
    let mut summary = match chain.begins.as_deref() {
        None => "no line is chained, so there is nothing to verify".to_owned(),
        Some(begins) => {
            let lines = count(chain.chained, "line");
            match begins {
                BEGINS => format!("{lines} as written, from the beginning of the chain"),
                _ => format!(
                    "{lines} as written; the file before the first is not among those given"
                ),
            }
        }
    };
    if chain.unchained > 0 {
        let lines = count(chain.unchained, "line");
        summary += &format!("\n{lines} of an earlier version, which cannot be verified");
    }
    if chain.torn > 0 {
        summary += &format!(
            "\n{} torn by a crash or a full disk",
            count(chain.torn, "line")
        );
    }
    if let Some(head) = &chain.head {
        summary += &format!("\nhead {head}");
    }
    summary + "\n"
}
