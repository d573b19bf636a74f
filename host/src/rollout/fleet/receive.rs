//! Revisions that come through Redis: fetched, checked here like any other, and kept under what
//! was loaded, whatever their record says.

use std::sync::Arc;

use super::super::deployment::Ready;
use super::super::loader::Trust;
use super::super::prepare::load_kept;
use super::super::push::keep_revision;
use super::super::{Refused, Registry};
use super::Fleet;
use super::components::fetch;
use crate::revision::Revision;
use crate::tasks::blocking;

/// A revision that is here, or comes through Redis and passes this host's own checks.
///
/// # Errors
/// It is not there, or not what its record says.
pub(in crate::rollout) async fn receive_revision(
    registry: &Registry,
    fleet: &Fleet,
    target: &Revision,
) -> Result<Ready, Refused> {
    let store = registry.store()?;
    let refuse = |faults| Refused::check(&target.transform, faults);
    if store.revision(&target.id).is_some() {
        let loaded = load_kept(&registry.loader, &target.transform, &target.id).await;
        return loaded.map_err(|why| refuse(vec![why]));
    }
    let digest = target.component.clone();
    let here = store
        .revisions()
        .iter()
        .any(|kept| kept.component == digest);
    let bytes: Arc<[u8]> = if here {
        let bytes = blocking(move || store.component(&digest)).await;
        bytes.map_err(|error| Refused::State(error.into()))?.into()
    } else {
        fetch(fleet, target).await?.into()
    };
    let loaded = registry
        .loader
        .load(&bytes, Trust::None, &target.settings, &target.limits);
    let loaded = loaded.await.map_err(refuse)?;
    let certificate = target.certificate.clone();
    let revision = Revision {
        certificate: certificate.filter(|of| of.check(&target.component).is_ok()),
        ..Revision::of(&loaded.component, "fleet", &target.by)
    };
    let is_same = (&revision.id, &revision.transform) == (&target.id, &target.transform)
        && revision.surface == target.surface;
    if !is_same {
        let fault = "another revision comes out of it here; give all hosts the same version \
                     of Tidegate";
        return Err(refuse(vec![fault.into()]));
    }
    keep_revision(registry, revision.clone(), bytes).await?;
    Ok(Ready {
        revision: Arc::new(revision),
        component: registry.loader.keep(loaded).await,
    })
}
