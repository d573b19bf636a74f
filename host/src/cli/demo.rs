//! `tidegate demo`: everything real but the upstream, with a key that is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;

use super::serve::with_log;
use crate::gate::keys::{self, AtLimit, KeyRecord};
use crate::host::{EventSource, Host, KeySource, ListenAddresses};
use crate::rollout::Registry;
use crate::settings::{Secret, Settings};
use crate::upstream::demo::EXAMPLE_CHANNEL;

const KEY: &str = "demo";

#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Where clients connect
    #[arg(long, env = "TIDEGATE_LISTEN", value_name = "ADDRESS", default_value_t = Settings::default().listen)]
    listen: SocketAddr,
    /// Where health and metrics answer
    #[arg(long, env = "TIDEGATE_ADMIN_LISTEN", value_name = "ADDRESS", default_value_t = Settings::default().admin_listen)]
    admin_listen: SocketAddr,
}

pub(super) fn run(args: &DemoArgs) -> ExitCode {
    // The folder is gone when the demo ends, by whatever signal it listens to.
    let state = tempfile::Builder::new().prefix("tidegate-demo-").tempdir();
    let state = match state {
        Ok(state) => state,
        Err(error) => return super::ended(Err(error.into())),
    };
    let settings = Settings {
        listen: args.listen,
        admin_listen: args.admin_listen,
        admin_token: Some(Secret::from(KEY.to_owned())),
        state_dir: Some(state.path().to_owned()),
        ..Settings::default()
    };
    let key = KeyRecord {
        id: KEY.into(),
        name: KEY.into(),
        sha256: keys::digest(KEY),
        max_connections: 100,
        at_limit: AtLimit::default(),
        channels: None,
        created: Timestamp::now(),
        expires: None,
        revoked: None,
    };
    with_log(&settings.clone(), |life| async {
        let host = Host::prepare(settings, life).await?;
        host.run(EventSource::Demo, KeySource::Fixed(vec![key]), welcome)
            .await
    })
}

/// What is said on standard output once it listens.
fn welcome(addresses: ListenAddresses, registry: &Registry) -> String {
    let ListenAddresses { public, admin } = addresses;
    let mut text = format!(
        "public ws://{public}/public/v1/stream\nadmin http://{admin}\nkey {KEY}\n\nchannels, `*` for any value:\n"
    );
    for family in registry.catalog().families() {
        text.push_str(&format!("  {}\n", family.channel_form()));
        for parameter in &family.parameters {
            text.push_str(&format!("      {}\n", parameter.rule()));
        }
    }
    let url = if public == Settings::default().listen {
        String::new()
    } else {
        format!(" --url ws://{public}/public/v1/stream")
    };
    text.push_str(&format!(
        "\nwatch one, in another terminal:\n  {} tail{url} {EXAMPLE_CHANNEL}\n",
        program()
    ));
    text
}

/// How this program is called from a shell: by name where the shell would find it.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else {
        return "tidegate".into();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join("tidegate"))
        .find_map(|file| file.canonicalize().ok());
    if found.as_deref() == Some(&exe) {
        return "tidegate".into();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let shown = exe
        .strip_prefix(&here)
        .map_or_else(|_| exe.clone(), |inside| PathBuf::from(".").join(inside));
    quoted(&shown)
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains(|c: char| !(c.is_alphanumeric() || "/._-".contains(c))) {
        format!("'{text}'")
    } else {
        text
    }
}
