//! `tidegate key`: makes, lists and revokes API keys in a key file or in Redis, and takes those of a
//! file over into Redis. A running host notices by itself. The form of the file is `gate::keys`'s, the
//! lock that keeps two writers apart `credentials`'s; this is what a person types and reads.

mod channels;
mod import;
mod list;
mod place;

use std::io::{self, Write};
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;

use self::channels::ChannelArgs;
use self::place::{KeyPlace, KeyPlaceArgs};
use super::credentials::{self as records, Revoked};
use super::print;
use super::words::count;
use crate::credentials::{self, SecretText};
use crate::gate::keys::{self, AtLimit, KeyRecord};

/// Makes, lists and revokes API keys.
#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeyCommand {
    /// Make a key and print it, this once, on the last line
    Create(CreateKeyArgs),
    /// Show all keys, without the keys themselves
    List(ListKeysArgs),
    /// End a key and the connections that use it
    Revoke(RevokeKeyArgs),
    /// Take the keys of a file over into Redis; those that are there already stay as they are
    Import(ImportKeysArgs),
}

#[derive(Debug, clap::Args)]
struct CreateKeyArgs {
    #[command(flatten)]
    place: KeyPlaceArgs,
    /// Whose key it is
    #[arg(long, value_parser = parse_name)]
    name: String,
    /// Connections at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 5,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(keys::MAX_CONNECTIONS)))]
    max_connections: u32,
    /// What happens when one more connects
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    at_limit: AtLimit,
    #[command(flatten)]
    channels: ChannelArgs,
    /// How long it lasts, such as 90d [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_life)]
    expires: Option<Duration>,
}

#[derive(Debug, clap::Args)]
struct ListKeysArgs {
    #[command(flatten)]
    place: KeyPlaceArgs,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct RevokeKeyArgs {
    #[command(flatten)]
    place: KeyPlaceArgs,
    /// The key's id, or its name
    #[arg(value_name = "ID|NAME")]
    which: String,
}

#[derive(Debug, clap::Args)]
struct ImportKeysArgs {
    #[command(flatten)]
    place: KeyPlaceArgs,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

fn parse_name(text: &str) -> Result<String, &'static str> {
    let rule = "a name has 1 to 64 characters, no control characters and no space at its ends";
    credentials::is_name(text)
        .then(|| text.to_owned())
        .ok_or(rule)
}

fn parse_life(text: &str) -> Result<Duration, &'static str> {
    let life = humantime::parse_duration(text)
        .ok()
        .filter(|life| life.as_secs() > 0);
    life.ok_or("a time of at least a second with its unit, such as 90d or 12h")
}

/// Does what was asked and tells it on standard output.
pub(super) fn run(args: KeyArgs) -> anyhow::Result<()> {
    let now = Timestamp::now();
    match args.command {
        // Whoever does not see it now never will: that is no quiet end.
        KeyCommand::Create(_) => answer(args, now, &mut io::stdout()),
        _ => answer(args, now, &mut print::stdout()),
    }
}

fn answer(args: KeyArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    match args.command {
        KeyCommand::Create(args) => create(args, now, out),
        KeyCommand::List(args) => list::run(args, now, out),
        KeyCommand::Revoke(args) => revoke(args, now, out),
        KeyCommand::Import(args) => import::run(args, now, out),
    }
}

fn create(args: CreateKeyArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    let created = records::to_the_second(now);
    let expires = args
        .expires
        .map(|life| created.checked_add(life))
        .transpose();
    let expires =
        expires.context("--expires is too far away; leave it out for a key that lasts")?;
    let channels = args.channels.checked()?;
    let (text, sha256) = credentials::generate(keys::PREFIX)?;
    let id = format!("k_{}", credentials::random_base32(5)?);
    let record = KeyRecord {
        id,
        name: args.name,
        sha256,
        max_connections: args.max_connections,
        at_limit: args.at_limit,
        channels,
        created,
        expires,
        revoked: None,
    };
    let place = args.place.place()?;
    place.add(&record, now)?;
    tell_created(&record, &text, &place, out).with_context(|| {
        format!(
            "key {} was made but could not be shown; revoke it and make another",
            record.id
        )
    })
}

fn tell_created(
    record: &KeyRecord,
    text: &SecretText,
    place: &KeyPlace,
    out: &mut impl Write,
) -> io::Result<()> {
    let until = record
        .expires
        .map_or("until it is revoked".to_owned(), |time| {
            format!("until {time}")
        });
    writeln!(
        out,
        "made key {} for {:?} in {place}",
        record.id, record.name,
    )?;
    let one_more = match record.at_limit {
        AtLimit::Refuse => "is refused",
        AtLimit::ReplaceOldest => "replaces the oldest",
    };
    writeln!(
        out,
        "good for {} at a time to {}, {until}; one more {one_more}",
        count(record.max_connections.into(), "connection"),
        list::channels(record, "all channels"),
    )?;
    writeln!(
        out,
        "clients send it as `Authorization: Bearer KEY`, `X-API-Key: KEY` or ?apiKey=KEY, browsers as \
         the subprotocols `tidegate` and `key.KEY`"
    )?;
    writeln!(
        out,
        "it is shown only now, as no more than its digest is kept:\n"
    )?;
    writeln!(out, "{}", text.expose())?;
    out.flush()
}

fn revoke(args: RevokeKeyArgs, now: Timestamp, out: &mut impl Write) -> anyhow::Result<()> {
    match args.place.place()?.revoke(&args.which, now)? {
        Revoked::Now(KeyRecord { id, name, .. }) => writeln!(
            out,
            "revoked key {id} ({name:?}); its connections end within a second"
        ),
        Revoked::Already(KeyRecord { id, name, .. }, time) => {
            writeln!(out, "key {id} ({name:?}) was revoked at {time} already")
        }
    }?;
    Ok(())
}

#[cfg(test)]
mod tests;
