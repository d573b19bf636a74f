//! `tidegate asyncapi`: the public document, from the transforms that the settings name.

use crate::asyncapi::document;
use crate::host::session_limits;
use crate::settings::{self, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct AsyncapiArgs {
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: AsyncapiArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    let catalog = super::catalog(&settings)?;
    let document = document(&catalog, &session_limits(&settings));
    Ok(super::print::print(&document)?)
}
