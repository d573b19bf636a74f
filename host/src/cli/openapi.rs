//! `tidegate openapi`: the document of the admin API, the same for every host.

pub(super) fn run() -> anyhow::Result<()> {
    Ok(super::print::print(&crate::admin::openapi::document())?)
}
