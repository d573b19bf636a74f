//! Makes revisions ready beside the lanes: from the state folder, or from the fleet. What does
//! not work is tried again for as long as it is needed.

use std::sync::Arc;
use std::time::Duration;

use super::change::change_deployment;
use super::claims::why_taken;
use super::deployment::Ready;
use super::fleet::receive_revision;
use super::loader::{Loader, Trust};
use super::push::check_record;
use super::{Refused, Registry};
use crate::revision::Revision;
use crate::revision::claims::Claims;
use crate::tasks::{Tasks, blocking};
use crate::transform::{Component, Instance, RevisionId};
use crate::wanted::reconcile::needed;

/// How long until what could not be made ready is tried again: the first time, and at most.
const RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(15);

/// How long a probation in a fleet waits until it is written down that it begins.
const DISK_PATIENCE: Duration = Duration::from_secs(2);

/// How many of the last events a new instance is run on before it meets a live one.
const WARM_UP: usize = 100;

/// Who acts where no operator does.
pub(super) const ITSELF: &str = "tidegate";

/// Begins to make a revision ready that `preparing` has been told of.
pub(super) fn prepare_revision(registry: &Arc<Registry>, name: &str, revision: &RevisionId) {
    let preparing = Preparing {
        registry: registry.clone(),
        name: name.to_owned(),
        revision: revision.clone(),
        is_over: false,
    };
    // It costs nobody else anything, so nobody waits for it.
    drop(registry.tasks.brief("prepare", async move {
        preparing.until_ready().await;
    }));
}

async fn load_anywhere(
    registry: &Registry,
    name: &str,
    revision: &RevisionId,
) -> Result<Ready, String> {
    // Where its record is known, nothing is loaded that may not run.
    if let Some(record) = registry.record_of(name, revision) {
        is_free(registry, name, revision, &Claims::from(&record.surface))?;
    }
    let ready = registry.with(name, |deployment| deployment.ready(revision).cloned());
    if let Ok(Some(ready)) = ready {
        return Ok(ready);
    }
    let ready = match &registry.fleet {
        None => load_kept(&registry.loader, name, revision).await?,
        Some(fleet) => match fleet.record(name, revision) {
            Some(record) => receive_revision(registry, fleet, &record)
                .await
                .map_err(|refused| faults_of(&refused))?,
            None => load_kept(&registry.loader, name, revision).await?,
        },
    };
    is_free(
        registry,
        name,
        revision,
        &Claims::from(&*ready.component.descriptor),
    )?;
    Ok(ready)
}

/// # Errors
/// Another transform has what this one claims.
fn is_free(
    registry: &Registry,
    name: &str,
    id: &RevisionId,
    claims: &Claims,
) -> Result<(), String> {
    let taken = why_taken(registry, &registry.deployments.lock(), name, id, claims);
    taken.map_or(Ok(()), Err)
}

/// Writes down that the probation of what is wanted begins here, where it does, before
/// anything of it runs.
async fn write_beginning(registry: &Arc<Registry>, name: &str) {
    let host = registry.host();
    let begun = change_deployment(registry, name, |deployment| deployment.begin(host));
    let Ok((Some(choice), _)) = begun else {
        return;
    };
    let change = registry.keeper.number();
    if registry.loader.store.is_some()
        && let Err(why) = registry.keeper.wait(change, DISK_PATIENCE).await
    {
        // A host whose disk is full follows its fleet all the same.
        tracing::error!(
            transform = name,
            why,
            "a probation begins, and that is not written down yet"
        );
    }
    // A transform that is gone has none.
    let _noted = change_deployment(registry, name, |deployment| deployment.begun = Some(choice));
}

/// Instances that have seen events already, one for each lane.
pub(super) async fn warm(
    registry: &Registry,
    component: &Arc<Component>,
    lanes: usize,
) -> Result<Vec<Instance>, Refused> {
    let (name, component) = (&component.descriptor.name, component.clone());
    let mut events = registry.intake.recent(name);
    let metrics = registry.metrics.transform(name);
    let warmed = blocking(move || {
        let component = &*component;
        events.retain(|event| component.wants(&event.channel));
        let last = &events[events.len().saturating_sub(WARM_UP)..];
        let instance = |_| {
            let mut instance = Instance::new(component, &metrics)?;
            instance.warm(component, component.samples())?;
            // A fault on a live event is for the probation to judge.
            match instance.warm(component, last.iter().map(|event| &**event)) {
                Ok(()) => Ok(instance),
                Err(_) => Instance::new(component, &metrics),
            }
        };
        (0..lanes).map(instance).collect::<Result<Vec<_>, _>>()
    });
    warmed
        .await
        .map_err(|fault| Refused::NotReady(fault.to_string()))
}

/// Writes down that something else runs than what is wanted.
pub(super) async fn note_fallback(
    registry: &Registry,
    name: &str,
    failing: RevisionId,
    why: String,
) {
    let detail = format!("it is wanted, and cannot be made ready; that is tried again: {why}");
    registry
        .trail
        .write_own("fallback", name, Some(failing), &detail)
        .await;
}

/// A revision that is being made ready, for as long as that takes: nobody else begins with it
/// meanwhile, and somebody can afterwards, however it ended.
struct Preparing {
    registry: Arc<Registry>,
    name: String,
    revision: RevisionId,
    /// `preparing` has been told.
    is_over: bool,
}

impl Drop for Preparing {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let mut deployments = self.registry.deployments.lock();
        if let Some(deployment) = deployments.get_mut(&self.name) {
            deployment.preparing.remove(&self.revision);
        }
    }
}

impl Preparing {
    async fn until_ready(mut self) {
        let Self {
            registry,
            name,
            revision,
            is_over,
        } = &mut self;
        let (name, revision) = (&**name, &*revision);
        let (mut retry, mut said) = (RETRY, None);
        loop {
            let (loader, of) = (registry.clone(), (name.to_owned(), revision.clone()));
            let load = async move { load_anywhere(&loader, &of.0, &of.1).await };
            let loaded = apart(&registry.tasks, load).await;
            let is_ready = loaded.is_ok();
            if is_ready && registry.fleet.is_some() {
                write_beginning(registry, name).await;
            }
            if let Err(why) = &loaded
                && said.as_ref() != Some(why)
            {
                said = Some(why.clone());
                tracing::error!(transform = name, %revision, why, "a revision cannot be made ready");
            }
            let needed = change_deployment(registry, name, |deployment| {
                let wanted = deployment.intent.wanted();
                let is_needed = needed(&wanted, registry.host()).any(|needed| needed == revision);
                match loaded {
                    Ok(ready) => deployment.add_ready(ready),
                    Err(why) if is_needed => deployment.note_failing(revision.clone(), why),
                    Err(_) => {}
                }
                if is_ready || !is_needed {
                    *is_over = true;
                    deployment.preparing.remove(revision);
                }
                is_needed
            });
            // A transform that is gone needs nothing.
            let is_needed = needed.is_ok_and(|(is_needed, _)| is_needed);
            if is_ready || !is_needed {
                return;
            }
            tokio::time::sleep(retry).await;
            retry = (retry * 2).min(MAX_RETRY);
        }
    }
}

/// Does it in a task of its own: should it panic, that is a reason as any other, and it can be
/// tried again.
async fn apart<T: Send + 'static>(
    tasks: &Tasks,
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let done = tasks.brief("load", work).await;
    done.unwrap_or_else(|_| Err("its preparation ended unasked; the log says why".to_owned()))
}

fn faults_of(refused: &Refused) -> String {
    match refused.faults() {
        [] => refused.to_string(),
        faults => faults.join("; "),
    }
}

/// A revision of this transform in the state folder.
///
/// # Errors
/// Why it cannot be used.
pub(super) async fn load_kept(
    loader: &Loader,
    name: &str,
    id: &RevisionId,
) -> Result<Ready, String> {
    let store = loader.store.clone().ok_or("there is no state folder")?;
    let revision = store.revision(id);
    let revision = revision.ok_or("it is not in the state folder; push it again")?;
    if revision.transform != name {
        return Err(format!("it is of the transform {}", revision.transform));
    }
    let digest = revision.component.clone();
    let bytes = blocking(move || store.component(&digest)).await;
    let bytes = bytes.map_err(|error| error.to_string())?.into();
    let component = load_record(loader, &bytes, &revision).await?;
    Ok(Ready {
        revision,
        component,
    })
}

/// The component of a record, which says of it what it says itself.
///
/// # Errors
/// All that is wrong, in one sentence.
async fn load_record(
    loader: &Loader,
    bytes: &Arc<[u8]>,
    record: &Revision,
) -> Result<Arc<Component>, String> {
    let loaded = loader.load(bytes, Trust::None, &record.settings, &record.limits);
    let loaded = loaded.await.map_err(|faults| faults.join("; "))?;
    check_record(record, &loaded.component)?;
    Ok(loader.keep(loaded).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[tokio::test]
    async fn a_preparation_that_panics_is_told_as_one_that_failed() {
        let tasks = Tasks::new(&Metrics::new());
        assert_eq!(apart(&tasks, async { Ok(1) }).await, Ok(1));
        let ended = apart::<()>(&tasks, async { panic!("on purpose") }).await;
        assert!(ended.is_err_and(|why| why.contains("ended unasked")));
    }
}
