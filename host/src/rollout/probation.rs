//! After a change: the watch over the new revision, and the way back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;

use super::Registry;
use super::change::change_deployment;
use super::decide::stamp;
use super::deployment::ProbationClock;
use super::prepare::ITSELF;
use super::report::{Figures, Returned};
use crate::count::count;
use crate::pipeline::{Live, Probation, Verdict};
use crate::tasks::{TaskEnd, TaskName, Unasked, blocking};

/// How often the clock of a probation is looked at; failures are judged as they happen.
const EVERY: Duration = Duration::from_millis(200);

/// The gauge of the events that are missing, at zero again however the wait for them ends.
struct Missing(IntGauge);

impl Missing {
    fn show(&self, events: u64) {
        self.0.set(i64::try_from(events).unwrap_or(i64::MAX));
    }
}

impl Drop for Missing {
    fn drop(&mut self) {
        self.0.set(0);
    }
}

/// Watches a revision until its probation is over, one way or the other, or until
/// somebody else has `decided`.
pub(super) fn watch_probation(
    registry: &Arc<Registry>,
    live: Arc<Live>,
    probation: Arc<Probation>,
    decided: CancellationToken,
    left: ProbationClock,
) {
    probation.withdraws(live.origin.clone());
    let tasks = &registry.tasks;
    let registry = registry.clone();
    let name = TaskName::of("probation", live.name());
    // Without it a revision that fails would go on; each step can be taken once more.
    tasks.spawn(name, Unasked::Restart, move || {
        let (registry, live, probation) = (registry.clone(), live.clone(), probation.clone());
        let (decided, left) = (decided.clone(), left.clone());
        async move {
            tokio::select! {
                () = decided.cancelled() => {}
                () = watch_to_its_end(&registry, &live, &probation, &left) => {}
            }
            TaskEnd::Asked
        }
    });
}

async fn watch_to_its_end(
    registry: &Arc<Registry>,
    live: &Arc<Live>,
    probation: &Probation,
    left: &ProbationClock,
) {
    let verdict = judged(registry, live, probation, left).await;
    conclude(registry, live, probation, &verdict).await;
}

/// Waits for a verdict. While nothing goes through, the clock stands; and it goes on past
/// its time while too few events came: nothing is shown by no events.
async fn judged(
    registry: &Registry,
    live: &Live,
    probation: &Probation,
    left: &ProbationClock,
) -> Verdict {
    let mut tick = tokio::time::interval(EVERY);
    let mut last = Instant::now();
    let mut waited = registry.options.probation;
    let missing = Missing(registry.metrics.transform(live.name()).probation_missing);
    loop {
        tokio::select! {
            verdict = probation.decided() => return verdict.clone(),
            _ = tick.tick() => {}
        }
        let passed = last.elapsed();
        last = Instant::now();
        let held = registry.with(live.name(), |deployment| deployment.held);
        let over = !held.unwrap_or(false) && left.pass(passed);
        let counts = live.tally.counts();
        let events = probation.missing(&counts);
        missing.show(events);
        if over && events > 0 && waited == registry.options.probation {
            tracing::warn!(
                transform = live.name(),
                missing = events,
                "a probation goes on past its time: too few events came to tell"
            );
        }
        if over {
            waited += passed;
        }
        probation.end(&counts, over, waited);
    }
}

/// Does what the verdict says, unless another revision has taken over meanwhile.
async fn conclude(
    registry: &Arc<Registry>,
    live: &Arc<Live>,
    probation: &Probation,
    verdict: &Verdict,
) {
    let (name, revision) = (live.name(), &live.component.revision);
    let reason = verdict.reason();
    let (stamp, in_fleet) = (stamp(ITSELF), registry.fleet.is_some());
    let judged = change_deployment(registry, name, |deployment| {
        let running = deployment.running.as_mut();
        let own = running.filter(|running| Arc::ptr_eq(&running.live, live))?;
        // It ends this very task when it is dropped, and there is something left to do.
        let watched = own.watched.take();
        own.behind = own.behind.take().filter(|_| *verdict != Verdict::Passed);
        deployment.intent.judge(revision, verdict, in_fleet, &stamp);
        if let Some(reason) = reason {
            let wanted = deployment.intent.wanted();
            let to = wanted.choice.revision.filter(|to| to != revision);
            deployment.returned = Some(Returned {
                from: revision.clone(),
                to,
                at: stamp.at,
                reason: reason.to_owned(),
                figures: Figures::of(&live.tally.counts()),
                examples: live.tally.examples(),
            });
        }
        Some((deployment.returned.clone(), watched))
    });
    let Ok((Some((returned, _watched)), _changed)) = judged else {
        return;
    };
    registry.metrics.transform(name).probation.set(0);
    if let Some(fleet) = &registry.fleet {
        fleet.look_soon();
    }
    match reason {
        None => settle(registry, live, probation).await,
        Some(reason) => note_return(registry, live, reason, returned).await,
    }
}

/// The revision has stood its probation.
async fn settle(registry: &Registry, live: &Arc<Live>, probation: &Probation) {
    let left = registry.intake.settle(live).done().await;
    blocking(move || drop(left)).await;
    let counts = live.tally.counts();
    let failures = probation.failures(&counts);
    let detail = format!(
        "the probation is over: {}, {} failed, {} failed in the revision before as well, {} \
         rejected by the component",
        count(counts.events, "event"),
        failures.own(),
        failures.common,
        counts.rejected
    );
    let revision = live.component.revision.clone();
    registry
        .trail
        .write_own("settle", live.name(), Some(revision), &detail)
        .await;
}

/// The revision was taken back.
async fn note_return(registry: &Registry, live: &Live, reason: &str, returned: Option<Returned>) {
    let (name, from) = (live.name(), &live.component.revision);
    tracing::error!(transform = name, revision = %from, reason, "revision failed its probation");
    let is_held = returned
        .as_ref()
        .is_some_and(|returned| returned.to.is_none());
    let held = "nothing goes out: no revision that shows as little is known to be good";
    let mut detail = vec![reason.to_owned()];
    detail.extend(is_held.then(|| held.to_owned()));
    detail.extend(returned.into_iter().flat_map(|returned| returned.examples));
    let detail = detail.join("; ");
    registry
        .trail
        .write_own("return", name, Some(from.clone()), &detail)
        .await;
}
