//! `tidegate metrics`: the page of all metrics, the same for every host.

pub(super) fn run() -> anyhow::Result<()> {
    Ok(super::print::print(&crate::metrics::document())?)
}
