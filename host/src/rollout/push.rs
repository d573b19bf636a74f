//! How a component becomes a revision: checked, named, kept.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::examine::examine;
use super::report::{Checked, Import, Pushed};
use super::{Caller, PushRequest, Record, Refused, Registry};
use crate::revision::Revision;
use crate::tasks::blocking;
use crate::transform::{Component, gets};

/// Digits of a refused component's digest in the audit log.
const DIGEST_DIGITS: usize = 12;

/// Says what is wrong with a component, or which revision it would be. Keeps nothing.
///
/// # Errors
/// All that is wrong with it.
pub async fn check(
    registry: &Registry,
    by: Caller<'_>,
    component: Vec<u8>,
    request: PushRequest,
) -> Result<Checked, Refused> {
    let bytes = blocking(move || component.into()).await;
    let outcome = examine(registry, &bytes, &request).await;
    let checked = outcome.map(|loaded| checked(&loaded.component, "upload", by.name));
    let revision = checked.as_ref().ok().map(|checked| &checked.revision);
    let record = Record {
        by,
        action: "check",
        transform: transform_of(
            &checked,
            |checked| &checked.revision.transform,
            request.transform,
        ),
        revision: None,
        plan: None,
        detail: revision.map_or_else(String::new, |revision| {
            format!("version {} is good, and was not kept", revision.version)
        }),
    };
    registry.record(record, checked).await
}

/// Checks a component and keeps it as a revision.
///
/// # Errors
/// All that is wrong with it; then nothing is kept.
pub async fn push(
    registry: &Registry,
    by: Caller<'_>,
    origin: &str,
    component: Vec<u8>,
    request: PushRequest,
) -> Result<Pushed, Refused> {
    let (bytes, digest) = blocking(move || {
        let digest = Sha256::digest(&component);
        (component.into(), data_encoding::HEXLOWER.encode(&digest))
    })
    .await;
    let pushed = push_unrecorded(registry, by, origin, bytes, &request).await;
    let what = format!("{origin}, component {}", &digest[..DIGEST_DIGITS]);
    record_push(
        registry,
        by,
        "push",
        request.transform.clone(),
        &what,
        pushed,
    )
    .await
}

/// The component that runs, with other settings or limits, as a revision.
///
/// # Errors
/// All that is wrong with them.
pub async fn reconfigure(
    registry: &Registry,
    by: Caller<'_>,
    name: &str,
    request: PushRequest,
) -> Result<Pushed, Refused> {
    let outcome = async {
        let store = registry.store()?;
        let running = registry.with_running(name, |running| running.revision.clone())?;
        let digest = running.component.clone();
        let bytes = blocking(move || store.component(&digest).map(Arc::from)).await;
        let bytes = bytes.map_err(|error| Refused::State(error.into()))?;
        let request = PushRequest {
            transform: Some(name.to_owned()),
            // It says itself which settings and limits it is of.
            certificate: running.certificate.clone(),
            ..request
        };
        push_unrecorded(registry, by, "settings", bytes, &request).await
    };
    let outcome = outcome.await;
    record_push(registry, by, "settings", Some(name.to_owned()), "", outcome).await
}

async fn record_push(
    registry: &Registry,
    by: Caller<'_>,
    action: &'static str,
    asked: Option<String>,
    what: &str,
    outcome: Result<Pushed, Refused>,
) -> Result<Pushed, Refused> {
    let pushed = outcome.as_ref().ok();
    let record = Record {
        by,
        action,
        transform: transform_of(&outcome, |pushed| &pushed.revision.transform, asked),
        revision: pushed.map(|pushed| pushed.revision.id.clone()),
        plan: None,
        detail: pushed.map_or_else(
            || what.to_owned(),
            |pushed| {
                let known = if pushed.new { "new" } else { "known already" };
                format!("version {}, {known}", pushed.revision.version)
            },
        ),
    };
    registry.record(record, outcome).await
}

async fn push_unrecorded(
    registry: &Registry,
    by: Caller<'_>,
    origin: &str,
    bytes: Arc<[u8]>,
    request: &PushRequest,
) -> Result<Pushed, Refused> {
    registry.store()?;
    registry.trail.ready().await?;
    let loaded = examine(registry, &bytes, request).await?;
    let revision = Revision {
        certificate: request.certificate.clone(),
        ..Revision::of(&loaded.component, origin, by.name)
    };
    let (revision, new) = keep_revision(registry, revision, bytes).await?;
    // The plan that comes next needs no compiler.
    let component = registry.loader.keep(loaded).await;
    Ok(Pushed {
        revision: revision.shown(),
        new,
        imports: imports_of(&component),
    })
}

/// Keeps a revision on disk, and prunes the oldest for it. Gives the revision as it is kept,
/// and whether it is new.
pub(super) async fn keep_revision(
    registry: &Registry,
    revision: Revision,
    bytes: Arc<[u8]>,
) -> Result<(Revision, bool), Refused> {
    let store = registry.store()?;
    let protected = registry.plans.lock().targets();
    let (keep, kept) = (registry.options.keep, revision.clone());
    let (new, count) = blocking(move || {
        let new = store.add(&kept, &bytes)?;
        let mut protected = protected;
        protected.insert(kept.id.clone());
        // What is kept too long costs some space, and the next push tries again.
        if let Err(error) = store.prune(keep, &protected) {
            tracing::warn!(%error, "old revisions cannot be removed");
        }
        Ok((new, store.revisions().len()))
    })
    .await
    .map_err(|error: crate::state::StoreError| Refused::State(error.into()))?;
    registry
        .metrics
        .revisions
        .set(i64::try_from(count).unwrap_or(i64::MAX));
    let revision = match registry.store()?.revision(&revision.id) {
        Some(first) if !new => Revision::clone(&first),
        _ => revision,
    };
    Ok((revision, new))
}

/// Whose a component is: of the one that was taken or refused, where it said so, or as `asked`.
fn transform_of<T>(
    outcome: &Result<T, Refused>,
    name: impl FnOnce(&T) -> &String,
    asked: Option<String>,
) -> Option<String> {
    match outcome {
        Ok(taken) => Some(name(taken).clone()),
        Err(Refused::Check { transform, .. }) => transform.clone().or(asked),
        Err(_) => asked,
    }
}

/// Whether a record says of a component what the component says of itself: plans judge by the
/// record, and what is enforced is the component's own.
///
/// # Errors
/// A sentence for whoever keeps the record.
pub(super) fn check_record(record: &Revision, component: &Component) -> Result<(), String> {
    let own = Revision::of(component, &record.origin, &record.by);
    let same = (&own.id, &own.transform, &own.version)
        == (&record.id, &record.transform, &record.version)
        && (&own.surface, &own.upstream_patterns) == (&record.surface, &record.upstream_patterns)
        && own.settings_schema == record.settings_schema;
    match same {
        true => Ok(()),
        false => {
            Err("its record says something else than the component itself; push it again".into())
        }
    }
}

/// What a component imports, with what it gets.
pub fn imports_of(component: &Component) -> Vec<Import> {
    let imports = component.imports.iter();
    imports
        .map(|name| Import {
            name: name.clone(),
            gets: gets(name).unwrap_or_default().into(),
        })
        .collect()
}

/// What is answered about a component that would run.
pub fn checked(component: &Component, origin: &str, by: &str) -> Checked {
    Checked {
        revision: Revision::of(component, origin, by).shown(),
        imports: imports_of(component),
        log: component.log.clone(),
    }
}
