//! `tidegate metrics`: the page of all metrics, the same for every host.

pub(super) fn run() -> anyhow::Result<()> {
    print!("{}", crate::metrics::document());
    Ok(())
}
