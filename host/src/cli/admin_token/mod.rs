//! `tidegate admin-token`: makes, lists and revokes the tokens of the admin API in a file. A
//! running host notices by itself. What a token may do is `admin::tokens`'s.

mod list;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::Timestamp;

use super::credentials::{self as records, Revoked};
use super::print;
use crate::admin::tokens::{self, TokenRecord, TokenRole};
use crate::credentials::{self, SecretText};

/// Makes, lists and revokes admin tokens.
#[derive(Debug, clap::Args)]
pub(super) struct AdminTokenArgs {
    #[command(subcommand)]
    command: AdminTokenCommand,
}

#[derive(Debug, clap::Subcommand)]
enum AdminTokenCommand {
    /// Make a token and print it, this once, on the last line
    Create(CreateTokenArgs),
    /// Show all tokens, without the tokens themselves
    List(ListTokensArgs),
    /// End a token
    Revoke(RevokeTokenArgs),
}

#[derive(Debug, clap::Args)]
struct TokensFileArg {
    /// The token file
    #[arg(long, env = "TIDEGATE_ADMIN_TOKENS_FILE", value_name = "FILE")]
    admin_tokens_file: PathBuf,
}

#[derive(Debug, clap::Args)]
struct CreateTokenArgs {
    #[command(flatten)]
    file: TokensFileArg,
    /// Whose token it is, as the audit log shall say
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// What it may do
    #[arg(long, value_enum)]
    role: TokenRole,
}

#[derive(Debug, clap::Args)]
struct ListTokensArgs {
    #[command(flatten)]
    file: TokensFileArg,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RevokeTokenArgs {
    #[command(flatten)]
    file: TokensFileArg,
    /// The token's id, or its name
    #[arg(value_name = "ID|NAME")]
    which: String,
}

fn parse_name(text: &str) -> Result<String, &'static str> {
    let rule = "a name has 1 to 64 characters, no control characters and no space at its ends; \
                admin, configuration, fleet, tidegate and watch mean others in the audit log";
    tokens::is_name(text).then(|| text.to_owned()).ok_or(rule)
}

/// Does what was asked and tells it on standard output.
pub(super) fn run(args: AdminTokenArgs) -> anyhow::Result<()> {
    let now = Timestamp::now();
    match args.command {
        // Whoever does not see it now never will: that is no quiet end.
        AdminTokenCommand::Create(_) => answer(args, now, &mut io::stdout()),
        _ => answer(args, now, &mut print::stdout()),
    }
}

fn answer(args: AdminTokenArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    match args.command {
        AdminTokenCommand::Create(args) => create(args, now, out),
        AdminTokenCommand::List(args) => list::run(&args, out),
        AdminTokenCommand::Revoke(args) => revoke(&args, now, out),
    }
}

fn create(args: CreateTokenArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    let (text, sha256) = credentials::generate(tokens::PREFIX)?;
    let record = TokenRecord {
        id: format!("t_{}", credentials::random_base32(5)?),
        name: args.name,
        role: args.role,
        sha256,
        created: records::to_the_second(now),
        revoked: None,
    };
    let path = &args.file.admin_tokens_file;
    records::add(path, &record, now)?;
    tell_created(&record, &text, path, out).with_context(|| {
        format!(
            "token {} was made but could not be shown; revoke it and make another",
            record.id
        )
    })
}

fn tell_created(
    record: &TokenRecord,
    text: &SecretText,
    path: &Path,
    out: &mut impl Write,
) -> io::Result<()> {
    let TokenRecord { id, name, role, .. } = record;
    let rights = match role {
        TokenRole::View => "look at all but the inputs of shadows on the admin listener",
        TokenRole::Operate => "look at everything on the admin listener and change what runs",
    };
    writeln!(
        out,
        "made admin token {id} for {name:?} in {}",
        path.display()
    )?;
    writeln!(
        out,
        "its role is {role}: it may {rights}, until it is revoked"
    )?;
    writeln!(
        out,
        "`tidegate transform` and `tidegate sessions` take it from TIDEGATE_ADMIN_TOKEN, HTTP as `Authorization: Bearer TOKEN`"
    )?;
    writeln!(
        out,
        "it is shown only now, as the file keeps no more than its digest:\n"
    )?;
    writeln!(out, "{}", text.expose())?;
    out.flush()
}

fn revoke(args: &RevokeTokenArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    match records::revoke::<TokenRecord>(&args.file.admin_tokens_file, &args.which, now)? {
        Revoked::Now(TokenRecord { id, name, .. }) => writeln!(
            out,
            "revoked admin token {id} ({name:?}); running hosts refuse it within a second"
        ),
        Revoked::Already(TokenRecord { id, name, .. }, time) => writeln!(
            out,
            "admin token {id} ({name:?}) was revoked at {time} already"
        ),
    }?;
    Ok(())
}

#[cfg(test)]
mod tests;
