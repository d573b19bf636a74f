//! `tidegate serve`: the host on a real Redis.

use std::path::Path;
use std::process::ExitCode;

use comfy_table::{Table, presets};
use jiff::Timestamp;
use serde_json::json;

use super::{redis_rights, say};

use crate::admin::tokens::TokenRecord;
use crate::credentials::{self, Credential, FileError};
use crate::gate::keys::KeyRecord;
use crate::gate::keys::unmatched::{Dead, unmatched};
use crate::host::{Addresses, Host, Keys, Life, Source};
use crate::log::{self, Log};
use crate::registry::{Catalog, Configured, Registry, configured};
use crate::settings::{self, Flags, LogFormat, Settings};
use crate::tasks::Tasks;
use crate::transform::Engine;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Check all settings, keys, tokens and transforms, and end
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: ServeArgs) -> ExitCode {
    let ServeArgs { check, flags } = args;
    let read = settings::load(flags.clone()).and_then(|settings| {
        let keys_file = settings.required_keys_file()?.to_owned();
        Ok((settings, keys_file))
    });
    let (settings, keys_file) = match read {
        Ok(read) => read,
        // Where lines of JSON are asked for, this is the first and the last of them.
        Err(error) if !check && settings::log_format(flags) == LogFormat::Json => {
            say(&log::json_error(&error.to_string()));
            return ExitCode::FAILURE;
        }
        Err(error) => return super::ended(Err(error.into())),
    };
    if check {
        return super::ended(say_what_was_checked(&settings, &keys_file));
    }
    with_log(&settings.clone(), |life| async {
        let announce = announcement(settings.log_format);
        let host = Host::prepare(settings, life).await?;
        host.run(Source::Redis, Keys::File(keys_file), announce)
            .await
    })
}

fn say_what_was_checked(settings: &Settings, keys_file: &Path) -> anyhow::Result<()> {
    let keys = credentials::read::<KeyRecord>(keys_file);
    let keys = keys.map_err(FileError::advised::<KeyRecord>)?;
    let tokens = settings.admin_tokens_file.as_deref().map(admin_tokens);
    let tokens = tokens.transpose()?.unwrap_or_default();
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let all = super::block_on(async { Ok(configured(settings, &engine).await?) })?;
    println!("{}", transforms(&all));
    print!("{}", redis_rights::text(settings, &all));
    for key in dead_keys(&keys, &all) {
        let Dead {
            key_id,
            key_name,
            reasons,
        } = key;
        println!(
            "warning: key {key_id} ({key_name:?}): {}",
            reasons.join("; ")
        );
    }
    let now = Timestamp::now();
    let in_force = keys.iter().filter(|key| key.in_force(now)).count();
    println!(
        "{} keys, {in_force} in force{tokens}. All settings are good.",
        keys.len()
    );
    Ok(())
}

/// The addresses, on standard output: for people in two lines, for machines in one.
fn announcement(format: LogFormat) -> impl FnOnce(Addresses, &Registry) -> String {
    move |Addresses { public, admin }, _| {
        let (public, admin) = (
            format!("ws://{public}/public/v1/stream"),
            format!("http://{admin}"),
        );
        match format {
            LogFormat::Text => format!("public {public}\nadmin {admin}\n"),
            LogFormat::Json => format!("{}\n", json!({"public": public, "admin": admin})),
        }
    }
}

/// Runs a host with the log that the settings ask for. What ends it is the log's last line.
pub(super) fn with_log<F>(settings: &Settings, live: impl FnOnce(Life) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let life = Life::default();
    let started = Log::start(
        settings.log_format,
        settings.log_queue_size,
        &life.metrics,
        &life.tasks,
    );
    let log = match started {
        Ok(log) => log,
        Err(error) => return super::ended(Err(error.into())),
    };
    match super::block_on(live(life)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.last_words(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Keys for channels that there would not be.
fn dead_keys(keys: &[KeyRecord], all: &[Configured]) -> Vec<Dead> {
    let descriptors = all.iter().map(|one| one.component.descriptor.clone());
    let catalog = Catalog::of(descriptors);
    unmatched(keys, Timestamp::now(), |pattern| catalog.unmatched(pattern))
}

/// How many admin tokens the file lists, in words.
fn admin_tokens(file: &Path) -> anyhow::Result<String> {
    let known = credentials::read::<TokenRecord>(file);
    let known = known.map_err(FileError::advised::<TokenRecord>)?.len();
    Ok(format!(", {known} admin tokens"))
}

fn transforms(all: &[Configured]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "TRANSFORM",
        "VERSION",
        "CHANNELS",
        "COMPONENT",
        "SHA-256",
    ]);
    for one in all {
        let descriptor = &one.component.descriptor;
        let digest = &one.component.digest[..12];
        table.add_row([
            &descriptor.name,
            &descriptor.version.to_string(),
            &descriptor.channel_form(),
            &one.origin,
            digest,
        ]);
    }
    table
}
