//! `tidegate asyncapi`: the public document, from the transforms that the settings name.

use crate::asyncapi::document;
use crate::registry::{Catalog, configured};
use crate::settings::{self, Flags};
use crate::tasks::Tasks;
use crate::transform::Engine;

#[derive(Debug, clap::Args)]
pub(super) struct AsyncapiArgs {
    #[command(flatten)]
    flags: Flags,
}

pub(super) fn run(args: AsyncapiArgs) -> anyhow::Result<()> {
    let settings = settings::load(args.flags)?;
    let engine = Engine::start(settings.wasm_stack, &Tasks::default())?;
    let configured = super::block_on(async { Ok(configured(&settings, &engine).await?) })?;
    let catalog = Catalog::of(
        configured
            .iter()
            .map(|one| one.component.descriptor.clone()),
    );
    print!("{}", document(&catalog));
    Ok(())
}
