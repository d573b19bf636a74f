//! `tidegate serve`: the host on a real Redis.

use std::process::ExitCode;

use serde_json::json;

use super::credentials as records;
use super::print::complain;
use crate::admin::tokens::TokenRecord;
use crate::causes::advised;
use crate::gate::keys::KeyRecord;
use crate::host::{EventSource, Host, KeySource, Life, ListenAddresses};
use crate::log::{self, ProcessLog};
use crate::rollout::Registry;
use crate::settings::{self, Flags, LogFormat, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Try everything that can be tried without starting, tell all that is wrong, and end
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: ServeArgs) -> ExitCode {
    let ServeArgs { check, flags } = args;
    if check {
        let checked = settings::load(flags).map_err(Into::into);
        return super::ended(checked.and_then(|settings| super::check::run(&settings)));
    }
    let (settings, keys) = match read(flags.clone()) {
        Ok(read) => read,
        // Where lines of JSON are asked for, this is the first and the last of them.
        Err(error) if settings::log_format(flags) == LogFormat::Json => {
            complain(log::json_error(&advised(&error)).trim_end());
            return ExitCode::FAILURE;
        }
        Err(error) => return super::ended(Err(error)),
    };
    with_log(&settings.clone(), |life| async {
        let announce = announcement(settings.log_format);
        let host = Host::prepare(settings, life).await?;
        host.run(EventSource::Redis, keys, announce).await
    })
}

/// Reads the settings, and the files that nothing goes without: now, because a component may take a
/// minute to compile.
fn read(flags: Flags) -> anyhow::Result<(Settings, KeySource)> {
    let settings = settings::load(flags)?;
    let keys = match settings.required_keys_file()? {
        Some(file) => {
            records::read::<KeyRecord>(file)?;
            KeySource::File(file.to_owned())
        }
        None if settings.has_keys_in_redis() => KeySource::Redis,
        None => KeySource::Fixed(Vec::new()),
    };
    if let Some(file) = &settings.admin_tokens_file {
        records::read::<TokenRecord>(file)?;
    }
    Ok((settings, keys))
}

/// Writes the addresses to standard output: for people in two lines, for machines in one.
fn announcement(format: LogFormat) -> impl FnOnce(ListenAddresses, &Registry) -> String {
    move |ListenAddresses { public, admin }, _| {
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
    let started = ProcessLog::start(
        settings.log_format,
        settings.log_queue_size,
        &life.metrics,
        &life.tasks,
    );
    let log = match started {
        Ok(log) => log,
        Err(error) => return super::ended(Err(error.into())),
    };
    warn_of_unread_variables();
    match super::block_on(live(life)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.last_words(&advised(&error));
            ExitCode::FAILURE
        }
    }
}

/// A misspelt variable would otherwise be a default that nobody chose.
fn warn_of_unread_variables() {
    for settings::Unread { name, nearest } in settings::unread(std::env::vars_os()) {
        tracing::warn!(
            variable = name,
            nearest,
            "no part of Tidegate reads this variable; is it misspelt?"
        );
    }
}
