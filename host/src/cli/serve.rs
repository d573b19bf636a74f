//! `tidegate serve`: the host on a real Redis.

use std::io::{IsTerminal, Write};

use comfy_table::{Table, presets};
use tracing_subscriber::EnvFilter;

use crate::gate::keys;
use crate::host::{Host, Keys, Source};
use crate::registry::Registry;
use crate::settings::{self, Flags, LogFormat, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Check all settings, keys and transforms, and end
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    let keys_file = settings.required_keys_file()?.to_owned();
    if args.check {
        let known = keys::read(&keys_file)?.len();
        let host = Host::prepare(settings)?;
        println!("{}", transforms(host.registry()));
        println!("{known} keys. All settings are good.");
        return Ok(());
    }
    log_to_stderr(&settings);
    let host = Host::prepare(settings)?;
    super::block_on(
        host.run(Source::Redis, Keys::File(keys_file), |addresses, _| {
            // A closed standard output is no reason not to serve.
            let mut out = std::io::stdout();
            let _ = writeln!(
                out,
                "public ws://{}/public/v1/stream\nadmin http://{}",
                addresses.public, addresses.admin
            );
            let _ = out.flush();
        }),
    )
}

pub(super) fn log_to_stderr(settings: &Settings) {
    let filter = EnvFilter::builder()
        .with_env_var("TIDEGATE_LOG")
        .with_default_directive(tracing::Level::INFO.into())
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => log.json().init(),
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
    }
}

fn transforms(registry: &Registry) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header([
        "TRANSFORM",
        "VERSION",
        "CHANNELS",
        "COMPONENT",
        "SHA-256",
    ]);
    for live in registry.live() {
        let descriptor = &live.component.descriptor;
        let digest = &live.component.digest[..12];
        table.add_row([
            &descriptor.name,
            &descriptor.version.to_string(),
            &descriptor.channel_form(),
            &live.origin,
            digest,
        ]);
    }
    table
}
