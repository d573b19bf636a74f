//! `tidegate asyncapi`: the public document, from the transforms that the settings name.

use crate::asyncapi::document;
use crate::registry::Registry;
use crate::settings::{self, Flags};
use crate::transform::Engine;

#[derive(Debug, clap::Args)]
pub(super) struct AsyncapiArgs {
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: AsyncapiArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    let registry = Registry::load(&Engine::start(settings.wasm_stack)?, &settings.transforms)?;
    print!("{}", document(registry.catalog()));
    Ok(())
}
