//! `tidegate asyncapi`: the public document, from the transforms that the settings name.

use crate::asyncapi::document;
use crate::settings::{self, Flags};

#[derive(Debug, clap::Args)]
pub(super) struct AsyncapiArgs {
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: AsyncapiArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    print!("{}", document(&super::catalog(&settings)?));
    Ok(())
}
