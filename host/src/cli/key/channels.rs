//! Which channels a new key may name: those that the transforms of the settings have. A
//! pattern that matches nothing would be found out by the key's owner, days later.

use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::catalog::Catalog;
use crate::channel::Pattern;
use crate::settings::{self, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct ChannelArgs {
    /// Channels that it may subscribe to, such as prices:*:1h, comma-separated [default: all]
    #[arg(long, value_name = "PATTERN", value_delimiter = ',')]
    channels: Vec<Pattern>,
    /// The settings whose transforms say which channels there are [default: ./tidegate.toml if
    /// it is there]
    #[arg(long, value_name = "FILE", requires = "channels")]
    config: Option<PathBuf>,
    /// Take channels that those transforms do not have
    #[arg(long, requires = "channels")]
    allow_unknown: bool,
}

impl ChannelArgs {
    /// The patterns, none for all channels.
    ///
    /// # Errors
    /// One of them can match nothing, or it cannot be told.
    pub(super) fn checked(self) -> anyhow::Result<Option<Vec<Pattern>>> {
        let Self {
            channels,
            config,
            allow_unknown,
        } = self;
        if !channels.is_empty() && !allow_unknown {
            let catalog = settings::load(Flags::of_config(config))
                .map_err(anyhow::Error::from)
                .and_then(|settings| super::super::catalog(&settings))
                .context("which channels there are cannot be told; --allow-unknown does not ask")?;
            refuse_dead(&channels, &catalog)?;
        }
        Ok((!channels.is_empty()).then_some(channels))
    }
}

fn refuse_dead(channels: &[Pattern], catalog: &Catalog) -> anyhow::Result<()> {
    let mut dead = channels
        .iter()
        .filter_map(|pattern| catalog.unmatched(pattern));
    let Some(first) = dead.next() else {
        return Ok(());
    };
    let reasons = dead.fold(first, |reasons, more| format!("{reasons}\n  {more}"));
    bail!(
        "{reasons}\nname the settings of the host with --config, or say --allow-unknown for channels \
         that are not there yet"
    )
}
