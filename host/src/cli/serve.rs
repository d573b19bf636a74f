//! `tidegate serve`: the host on a real Redis.

use std::io::{IsTerminal, Write};
use std::path::Path;

use comfy_table::{Table, presets};
use tracing_subscriber::EnvFilter;

use crate::admin::tokens::TokenRecord;
use crate::credentials;
use crate::gate::keys::KeyRecord;
use crate::host::{Addresses, Host, Keys, Source};
use crate::registry::{Configured, Registry, configured};
use crate::settings::{self, Flags, LogFormat, Settings};
use crate::transform::Engine;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// Check all settings, keys, tokens and transforms, and end
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    let keys_file = settings.required_keys_file()?.to_owned();
    if args.check {
        let known = credentials::read::<KeyRecord>(&keys_file)?.len();
        let tokens = settings.admin_tokens_file.as_deref().map(admin_tokens);
        let tokens = tokens.transpose()?.unwrap_or_default();
        let engine = Engine::start(settings.wasm_stack)?;
        let all = super::block_on(async { Ok(configured(&settings, &engine).await?) })?;
        println!("{}", transforms(&all));
        println!("{known} keys{tokens}. All settings are good.");
        return Ok(());
    }
    log_to_stderr(&settings);
    let announce = |addresses: Addresses, _: &Registry| {
        // A closed standard output is no reason not to serve.
        let mut out = std::io::stdout();
        let _ = writeln!(
            out,
            "public ws://{}/public/v1/stream\nadmin http://{}",
            addresses.public, addresses.admin
        );
        let _ = out.flush();
    };
    super::block_on(async {
        let host = Host::prepare(settings).await?;
        host.run(Source::Redis, Keys::File(keys_file), announce)
            .await
    })
}

/// How many admin tokens the file lists, in words.
fn admin_tokens(file: &Path) -> anyhow::Result<String> {
    let known = credentials::read::<TokenRecord>(file)?.len();
    Ok(format!(", {known} admin tokens"))
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
