//! What the lanes of a transform do to come to what is wanted: hold, switch, end. In memory, under
//! the lock of the deployments.

use std::sync::Arc;

use super::Registry;
use super::change::Aftermath;
use super::deployment::{Deployment, Ready, Running, Watched};
use super::probation::watch_probation;
use super::shadow::end_shadow_of;
use crate::pipeline::{Live, Next, Probation, Stands};
use crate::transform::RevisionId;
use crate::wanted::desired::{Chooser, Desired};
use crate::wanted::reconcile::Backing;

pub(super) fn hold_lanes(
    registry: &Registry,
    name: &str,
    deployment: &mut Deployment,
    held: bool,
    left: &mut Aftermath,
) {
    deployment.held = held;
    let Some(running) = &deployment.running else {
        return;
    };
    // A client that was told `paused` gets nothing until it is told `live`; it is told
    // `paused` when the lanes have followed.
    if !held {
        for family in running.live.families() {
            registry.hub.set_paused(family, false);
        }
    }
    left.following.push(registry.intake.pause(name, held));
}

pub(super) fn switch_lanes(
    registry: &Arc<Registry>,
    name: &str,
    deployment: &mut Deployment,
    to: &RevisionId,
    behind: Option<&Backing>,
    left: &mut Aftermath,
) {
    let Some(ready) = deployment.ready(to).cloned() else {
        return;
    };
    let wanted = deployment.intent.wanted();
    let before = deployment.running.take();
    deployment.intent.switched(to);
    let live = live_of(registry, before.as_ref(), &ready);
    // What stands in for a revision on probation is on none itself.
    let probation = deployment.intent.probation.as_ref();
    let is_watched = probation.is_some_and(|probation| probation.revision == *to);
    let behind = behind
        .filter(|_| is_watched)
        .and_then(|behind| Some((deployment.ready(&behind.revision)?, behind.answers)))
        .map(|(ready, answers)| (live_of(registry, before.as_ref(), ready), answers));
    let stands = match behind {
        Some((_, true)) => Stands::Answers,
        Some((_, false)) => Stands::Asked,
        None => Stands::Nothing,
    };
    let behind = behind.map(|(live, _)| live);
    let probation = is_watched.then(|| {
        let ran = before.as_ref().map(|before| &*before.live);
        Arc::new(probation_after(registry, ran, stands))
    });
    if before.is_none() {
        let may_go_first = behind.as_ref().filter(|_| stands == Stands::Answers);
        let first = may_go_first.unwrap_or(&live);
        let started = registry
            .intake
            .start(first, deployment.lanes, deployment.held);
        if let Err(error) = started {
            deployment.note_failing(to.clone(), error.to_string());
            return;
        }
    }
    if before.is_some() || behind.is_some() {
        let warm = deployment.warm.take();
        let ran = before.as_ref().map(|before| &before.revision.id);
        left.following.push(
            registry.intake.switch(Next {
                live: live.clone(),
                instances: warm
                    .filter(|(id, _)| id == to)
                    .map_or_else(Vec::new, |(_, instances)| instances),
                behind: behind.clone().zip(probation.clone()),
                urgent: ran.is_some_and(|ran| wanted.is_withdrawn(ran)),
            }),
        );
    }
    let watched = probation.map(|probation| {
        let (watched, decided) = Watched::new(probation.clone(), registry.options.probation);
        watch_probation(
            registry,
            live.clone(),
            probation,
            decided,
            watched.left.clone(),
        );
        watched
    });
    let running = Running {
        live,
        revision: ready.revision,
        behind,
        watched,
    };
    announce(
        registry,
        name,
        &running,
        before.as_ref(),
        &wanted,
        deployment.held,
    );
    deployment.running = Some(running);
    left.ran = before;
}

/// The revision at work, with all that is counted of it, where it already is.
fn live_of(registry: &Registry, before: Option<&Running>, ready: &Ready) -> Arc<Live> {
    let behind = before.and_then(|before| before.behind.as_ref());
    let at_work = before.map(|before| &before.live).into_iter().chain(behind);
    let mut same = at_work.filter(|live| live.component.revision == *ready.id());
    same.next().cloned().unwrap_or_else(|| {
        let descriptor = &ready.component.descriptor;
        let families: Vec<&str> = descriptor.family_names().collect();
        let short = ready.id().short();
        let metrics = registry
            .metrics
            .revision(&descriptor.name, short, &families);
        Arc::new(Live::new(ready.component.clone(), metrics))
    })
}

/// The probation of what takes over from what `ran`.
pub(super) fn probation_after(
    registry: &Registry,
    ran: Option<&Live>,
    stands: Stands,
) -> Probation {
    let mean = ran.map(|ran| ran.tally.counts().mean);
    let before = mean.filter(|mean| !mean.is_zero());
    Probation::new(registry.options.marks, before, stands)
}

/// Lets everyone know who looks at it.
fn announce(
    registry: &Registry,
    name: &str,
    now: &Running,
    before: Option<&Running>,
    wanted: &Desired,
    held: bool,
) {
    let kind = before.map(|before| kind_of(wanted, now, before));
    let metrics = registry.metrics.transform(name);
    if let Some(kind) = kind {
        metrics.swapped(kind).inc();
    }
    metrics.probation.set(now.watched.is_some().into());
    registry.metrics.running(
        name,
        Some(now.revision.label()),
        before.map(|before| before.revision.label()),
    );
    let own = &now.component().descriptor;
    let earlier = before.map(|before| &before.component().descriptor);
    for gone in earlier
        .into_iter()
        .flat_map(|earlier| earlier.family_names())
    {
        if own.family(gone).is_none() {
            registry.hub.set_paused(gone, false);
        }
    }
    for new in own.family_names() {
        if earlier.is_none_or(|earlier| earlier.family(new).is_none()) {
            registry.hub.set_paused(new, held);
        }
    }
    tracing::info!(
        transform = name,
        from = before.map(|before| tracing::field::display(&before.revision.id)),
        to = %now.revision.id,
        version = now.revision.version,
        by = wanted.choice.by,
        kind,
        probation = now.watched.is_some(),
        "revision took over"
    );
    end_shadow_of(registry, name);
}

/// The lanes of a removed transform end, and its channels are gone.
pub(super) fn end_lanes(
    registry: &Registry,
    name: &str,
    deployment: &mut Deployment,
    left: &mut Aftermath,
) {
    let Some(running) = deployment.running.take() else {
        return;
    };
    registry.intake.stop(name);
    end_shadow_of(registry, name);
    for family in running.live.families() {
        registry.hub.set_paused(family, false);
    }
    registry
        .metrics
        .running(name, None, Some(running.revision.label()));
    let metrics = registry.metrics.transform(name);
    for gauge in [metrics.probation, metrics.out] {
        gauge.set(0);
    }
    deployment.held = true;
    tracing::info!(transform = name, revision = %running.revision.id, "transform was removed");
    left.ran = Some(running);
}

/// What is counted as what.
fn kind_of(wanted: &Desired, now: &Running, before: &Running) -> &'static str {
    let is_withdrawn = wanted.is_withdrawn(&before.revision.id);
    if is_withdrawn && wanted.choice.chooser == Chooser::Itself {
        "return"
    } else if is_withdrawn {
        "rollback"
    } else if before.revision.component == now.revision.component {
        "settings"
    } else {
        "apply"
    }
}
