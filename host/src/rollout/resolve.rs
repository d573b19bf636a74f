//! What a host starts with: what is wanted by what it kept and by its settings, and what of that
//! stands ready.
//!
//! What somebody chose stays until somebody chooses something else; all else follows the
//! settings, which widen nothing unless `start-allow` says so. What cannot be loaded is said,
//! worked around, and tried again.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::change::{Deployments, kept_set};
use super::decide::{refused, stamp};
use super::deployment::{Deployment, Ready};
use super::loader::Loader;
use super::prepare::{ITSELF, load_kept};
use super::start::{AT_ONCE, Configured, StartError, load_configured, loader, refuse_conflicts};
use crate::metrics::Metrics;
use crate::revision::Revision;
use crate::revision::needs::{covers, measures, needs_from};
use crate::settings::{Allow, Role, Settings};
use crate::state::{CacheLimits, FoundSet, KeptTransform, Store};
use crate::tasks::blocking;
use crate::transform::{Engine, RevisionId};
use crate::wanted::desired::{CONFIGURATION, Chooser, Desired, Failed, Needs};
use crate::wanted::intent::Intent;
use crate::wanted::reconcile::needed;
use crate::wanted::request::{Request, Wish};

/// How much compiled code is kept that no revision names.
pub(super) fn room_of(settings: &Settings) -> CacheLimits {
    CacheLimits {
        refused: settings.refused_code_size,
        reusable: settings.reusable_code_size,
    }
}

/// What a host starts with.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) loader: Loader,
    pub(super) deployments: Deployments,
    /// What is to be written down about the start.
    pub(super) notes: Vec<Note>,
}

/// Something that the start decided.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) action: &'static str,
    pub(super) transform: String,
    pub(super) revision: RevisionId,
    pub(super) detail: String,
}

/// Opens the state folder, and works out what is wanted and what of that stands ready.
pub(super) async fn resolve(
    settings: &Settings,
    engine: &Engine,
    metrics: &Metrics,
    in_fleet: bool,
) -> Result<Resolved, StartError> {
    // An edge host runs no transform, whatever settings it shares with others.
    let is_edge = settings.role == Role::Edge;
    let state_dir = settings.state_dir.clone().filter(|_| !is_edge);
    let (store, found) = match state_dir {
        Some(folder) => {
            let (key, room) = (engine.key(), room_of(settings));
            let opened = blocking(move || Store::open(&folder, &key, room)).await?;
            for damage in &opened.found.damage {
                tracing::error!(damage, "the state folder is not as it was left");
            }
            (Some(Arc::new(opened.store)), opened.found)
        }
        None => (None, FoundSet::default()),
    };
    let loader = loader(settings, engine, store, metrics);
    let configured = match is_edge {
        true => Vec::new(),
        false => load_configured(&loader, &settings.transforms).await?,
    };
    refuse_conflicts(
        configured
            .iter()
            .map(|named| (&*named.component, &*named.origin)),
    )?;
    let mut kept = found.set.transforms;
    let (mut deployments, mut notes) = (Deployments::new(), Vec::new());
    for named in configured {
        let name = named.component.descriptor.name.clone();
        let mut deployment = from_settings(
            &named,
            kept.remove(&name),
            &loader,
            settings.start_allow,
            in_fleet,
            &mut notes,
        );
        deployment.lost = found.lost;
        if found.lost && !in_fleet {
            let pause = Request::Pause(true);
            // A pause is always granted.
            let _ = deployment.intent.ask(&pause, &stamp(ITSELF));
        }
        let revision = Arc::new(Revision::of(&named.component, &named.origin, CONFIGURATION));
        deployment.add_ready(Ready {
            revision,
            component: named.component,
        });
        deployments.insert(name, deployment);
    }
    for (name, mut kept) in kept {
        let wanted = kept.intent.wanted();
        if wanted.choice.chooser == Chooser::Configuration && !in_fleet {
            // What only the settings named is not wanted any more; what was decided of it stays.
            if !wanted.is_decided() {
                continue;
            }
            if wanted.choice.revision.is_some() {
                // It is always granted.
                let _ = kept.intent.ask(&Request::Unname, &stamp(CONFIGURATION));
            }
        } else if wanted.choice.revision.is_some() {
            tracing::info!(
                transform = name,
                "the settings do not name this transform; it runs because somebody applied it, \
                 until `tidegate transform remove` ends that"
            );
        }
        deployments.insert(name, Deployment::new(kept, None, in_fleet));
    }
    for (name, deployment) in &mut deployments {
        count_start(name, &mut deployment.intent, in_fleet, &mut notes);
    }
    write_starts_down(loader.store.as_ref(), &mut deployments).await;
    make_ready(&loader, &mut deployments).await;
    Ok(Resolved {
        loader,
        deployments,
        notes,
    })
}

/// A transform that the settings name, of which somebody may have chosen something else since.
fn from_settings(
    named: &Configured,
    kept: Option<KeptTransform>,
    loader: &Loader,
    allow: Allow,
    in_fleet: bool,
    notes: &mut Vec<Note>,
) -> Deployment {
    let record = Revision::of(&named.component, &named.origin, CONFIGURATION);
    let (name, id) = (&record.transform, &record.id);
    let fresh = || KeptTransform {
        intent: Intent::new(Desired::configured(id.clone(), Timestamp::now())),
        lanes: named.lanes,
    };
    let remembered = kept.is_some();
    let mut deployment = Deployment::new(kept.unwrap_or_else(fresh), Some(id.clone()), in_fleet);
    deployment.remembered = remembered;
    deployment.lanes = named.lanes;
    let choice = deployment.intent.wanted().choice;
    if choice.revision.as_ref() == Some(id) {
        return deployment;
    }
    let runs = choice.revision.as_ref();
    if choice.chooser != Chooser::Configuration || in_fleet {
        tracing::info!(
            transform = name,
            runs = runs.map(tracing::field::display),
            configured = %id,
            "what was chosen before stays in place of the configured revision; \
             `tidegate transform follow-config` ends that"
        );
        return deployment;
    }
    let kept = |id: &RevisionId| loader.store.as_ref()?.revision(id);
    let wanted = deployment.intent.wanted();
    let needs = match runs {
        // It did not run, so nobody sees more of it than of anything that settings add.
        None => Needs::default(),
        Some(_) => needs_from(&measures(&wanted, None), Some(&record), kept),
    };
    let wish = Wish {
        revision: id.clone(),
        chooser: Chooser::Configuration,
        needs,
        consent: Needs {
            wider: allow != Allow::None,
            breaking: allow == Allow::Breaking,
            ..Needs::default()
        },
        probation: false,
        first: Vec::new(),
        covers: covers(&wanted, &record, kept),
        was_there: true,
    };
    let asked = deployment
        .intent
        .ask(&Request::Choose(wish), &stamp(CONFIGURATION));
    let (action, detail) = match asked {
        Ok(()) => (
            "configure",
            "the settings name another revision than before".to_owned(),
        ),
        Err(refusal) => {
            let why = refused(name, &deployment.intent.wanted(), &refusal).to_string();
            tracing::error!(
                transform = name,
                configured = %id,
                why,
                "the configured revision is not taken; what ran before stays. start-allow says \
                 what the settings may change"
            );
            (
                "configure",
                format!("the configured revision is not taken: {why}"),
            )
        }
    };
    notes.push(Note {
        action,
        transform: name.clone(),
        revision: id.clone(),
        detail,
    });
    deployment
}

/// Notes that the process starts: a revision on probation may be what ended it.
fn count_start(name: &str, intent: &mut Intent, in_fleet: bool, notes: &mut Vec<Note>) {
    let tried = intent
        .probation
        .as_ref()
        .map(|probation| probation.revision.clone());
    intent.start(in_fleet, &stamp(ITSELF));
    let wanted = intent.wanted();
    let failed = wanted
        .failed
        .filter(|failed| Some(&failed.revision) == tried.as_ref());
    if let Some(Failed { revision, why }) = failed {
        tracing::error!(transform = name, %revision, why, "revision failed its probation");
        notes.push(Note {
            action: "return",
            transform: name.to_owned(),
            revision,
            detail: why,
        });
    }
}

/// Makes the counts of starts lasting before anything is loaded or run: what ends the process at
/// once is counted all the same.
async fn write_starts_down(store: Option<&Arc<Store>>, deployments: &mut Deployments) {
    let is_counted = deployments
        .values()
        .any(|deployment| deployment.intent.probation.is_some());
    let Some(store) = store.filter(|_| is_counted).cloned() else {
        return;
    };
    let set = kept_set(deployments);
    if let Err(error) = blocking(move || store.save(&set)).await {
        // The keeper tries again once the host runs.
        tracing::error!(%error, "that a probation went through a start is not written down yet");
        return;
    }
    for deployment in deployments.values_mut() {
        let probation = deployment.intent.probation.as_ref();
        deployment.begun = probation.map(|probation| probation.choice);
    }
}

/// Loads what is needed, several beside each other. What cannot be loaded is tried again when
/// the host runs.
async fn make_ready(loader: &Loader, deployments: &mut Deployments) {
    let mut missing = Vec::new();
    for (name, deployment) in &*deployments {
        let wanted = deployment.intent.wanted();
        // Which hosts go first is asked later: here the name of this one is not known yet.
        let chosen = wanted.choice.revision.iter();
        let needed: BTreeSet<&RevisionId> = chosen.chain(needed(&wanted, "")).collect();
        let needed = needed
            .into_iter()
            .filter(|id| deployment.ready(id).is_none());
        missing.extend(needed.map(|id| (name.clone(), id.clone())));
    }
    let loads = stream::iter(missing).map(async |(name, id)| {
        let loaded = load_kept(loader, &name, &id).await;
        (name, id, loaded)
    });
    let loaded: Vec<_> = loads.buffered(AT_ONCE).collect().await;
    for (name, id, loaded) in loaded {
        let Some(deployment) = deployments.get_mut(&name) else {
            continue;
        };
        match loaded {
            Ok(ready) => deployment.add_ready(ready),
            Err(why) => {
                tracing::error!(
                    transform = name,
                    revision = %id,
                    why,
                    "this revision cannot be used now; that is tried again"
                );
                deployment.note_failing(id, why);
            }
        }
    }
}
