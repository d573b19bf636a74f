//! `tidegate demo`: everything real but the upstream, with a key that is ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::print::complain;
use super::serve::with_log;
use super::transform::open_events;
use crate::causes::whole;
use crate::channel::Channel;
use crate::gate::keys::{self, AtLimit, KeyRecord};
use crate::host::{EventSource, Host, KeySource, ListenAddresses};
use crate::kit::{self, Target, Unusable};
use crate::rollout::Registry;
use crate::settings::{ComponentSource, Secret, Settings, TransformSettings};
use crate::transform::Family;
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
    /// A component or a project of one's own, instead of the built-in ones
    #[arg(long, value_name = "PATH", requires = "events")]
    transform: Option<PathBuf>,
    /// Its events, a line of JSON each, which come again and again
    #[arg(long, value_name = "FILE", requires = "transform")]
    events: Option<PathBuf>,
    /// How many of them come in a second
    #[arg(long, value_name = "N", default_value_t = 10, requires = "transform",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
}

/// What is shown: the built-in transforms, or one of somebody's own.
struct DemoShow {
    transforms: Vec<TransformSettings>,
    source: EventSource,
}

impl DemoShow {
    fn of(args: &DemoArgs) -> Result<Self, Unusable> {
        let (Some(path), Some(file)) = (&args.transform, &args.events) else {
            return Ok(Self {
                transforms: Vec::new(),
                source: EventSource::Demo,
            });
        };
        let target = Target::find(Some(path))?;
        let there = super::block_on(async { Ok(kit::component_of(&target).await) });
        there.map_err(|error| Unusable::Machine(whole(&error)))??;
        let events = kit::read_events(open_events(file)?)?;
        if events.is_empty() {
            let what = format!("{} has no event", file.display());
            return Err(Unusable::Given(what));
        }
        let pause = Duration::from_secs(1) / args.rate;
        Ok(Self {
            transforms: vec![TransformSettings {
                component: ComponentSource::File(target.file),
                settings: target.settings,
                lanes: 1,
                limits: target.limits,
            }],
            source: EventSource::Replay(events.into(), pause),
        })
    }
}

pub(super) fn run(args: &DemoArgs) -> ExitCode {
    let DemoShow { transforms, source } = match DemoShow::of(args) {
        Ok(show) => show,
        Err(unusable) => {
            complain(&format!("error: {unusable}"));
            return ExitCode::from(2);
        }
    };
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
        transforms,
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
        host.run(source, KeySource::Fixed(vec![key]), welcome).await
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
        "\nwatch one, in another terminal:\n  {} tail{url} {}\n",
        program(),
        example(registry)
    ));
    text
}

/// A channel on which something happens: of the built-in feed one that is busy, of another
/// component all of its first family.
fn example(registry: &Registry) -> String {
    let families = registry.catalog().families();
    let form = |family: &Arc<Family>| {
        let parameters = family.parameters.iter().map(|_| ":*").collect::<String>();
        quoted(Path::new(&format!("{}{parameters}", family.name)))
    };
    let channel: Result<Channel, _> = EXAMPLE_CHANNEL.parse();
    let is_there = channel.is_ok_and(|channel| {
        let pattern = channel.as_pattern();
        families
            .iter()
            .any(|family| family.check_channel(pattern).is_ok())
    });
    match families.first() {
        Some(first) if !is_there => form(first),
        _ => EXAMPLE_CHANNEL.to_owned(),
    }
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
