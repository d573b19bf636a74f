//! After a change: the watch over the new revision, and the way back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;

use super::report::Returned;
use super::slot::{Left, Ready, figures};
use super::store::Active;
use super::swap::{Kind, Turn};
use super::{Caller, Record, Refused, Registry};
use crate::count::count;
use crate::pipeline::{Live, Probation, Verdict};
use crate::tasks::{Ended, Name, Unasked, blocking};

/// How often the clock of a probation is looked at; failures are judged as they happen.
const EVERY: Duration = Duration::from_millis(200);

/// How long until what could not be done, or written down, is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Who acts where no operator does.
const ITSELF: &str = "tidegate";

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

impl Registry {
    /// Watches a revision until its probation is over, one way or the other, or until
    /// somebody else has `decided`.
    pub(super) fn watch(
        self: &Arc<Self>,
        live: Arc<Live>,
        probation: Arc<Probation>,
        decided: CancellationToken,
        left: Left,
    ) {
        probation.withdraws(live.origin.clone());
        let registry = self.clone();
        let name = Name::of("probation", live.name());
        // Without it a revision that fails would go on; each step can be taken once more.
        self.tasks.spawn(name, Unasked::Restart, move || {
            let (registry, live, probation) = (registry.clone(), live.clone(), probation.clone());
            let (decided, left) = (decided.clone(), left.clone());
            async move {
                tokio::select! {
                    () = decided.cancelled() => {}
                    () = registry.watch_to_its_end(&live, &probation, &left) => {}
                }
                Ended::Asked
            }
        });
    }

    async fn watch_to_its_end(
        self: &Arc<Self>,
        live: &Arc<Live>,
        probation: &Probation,
        left: &Left,
    ) {
        self.judged(live, probation, left).await;
        while let Err(refused) = self.conclude(live, probation).await {
            tracing::error!(transform = live.name(), %refused, "a probation cannot be ended yet");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Waits for a verdict. While the transform is paused, the clock stands; and it goes on
    /// past its time while too few events came: nothing is shown by no events.
    async fn judged(&self, live: &Live, probation: &Probation, left: &Left) -> Verdict {
        let mut tick = tokio::time::interval(EVERY);
        let mut last = Instant::now();
        let mut waited = self.options.probation;
        let missing = Missing(self.metrics.transform(live.name()).probation_missing);
        loop {
            tokio::select! {
                verdict = probation.decided() => return verdict.clone(),
                _ = tick.tick() => {}
            }
            let passed = last.elapsed();
            last = Instant::now();
            let paused = self.with_slot(live.name(), |slot| slot.active.paused);
            let over = !paused.unwrap_or(false) && left.pass(passed);
            let counts = live.tally.counts();
            let events = probation.missing(&counts);
            missing.show(events);
            if over && events > 0 && waited == self.options.probation {
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
        self: &Arc<Self>,
        live: &Arc<Live>,
        probation: &Probation,
    ) -> Result<(), Refused> {
        let changing = self.changing.lock().await;
        let Some(active) = self.still_runs(live) else {
            return Ok(());
        };
        let Some(reason) = probation.verdict() else {
            return self.settle(live, active, probation).await;
        };
        self.take_back(live, active, reason).await?;
        drop(changing);
        // Events go the right way again; what is on disk must follow, however long that takes.
        while let Err(refused) = self.save_all().await {
            tracing::error!(transform = live.name(), %refused, "a return cannot be written down yet");
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    async fn save_all(&self) -> Result<(), Refused> {
        let _changing = self.changing.lock().await;
        let (store, set) = (self.store()?, self.active_set());
        let saved = blocking(move || store.save_active(&set)).await;
        saved.map_err(|error| Refused::State(error.into()))
    }

    /// The revision has stood its probation.
    async fn settle(
        &self,
        live: &Arc<Live>,
        mut active: Active,
        probation: &Probation,
    ) -> Result<(), Refused> {
        let name = live.name();
        active.probation = false;
        self.save(name, Some(active.clone())).await?;
        let left = self.intake.settle(live).done().await;
        blocking(move || drop(left)).await;
        self.metrics.transform(name).probation.set(0);
        if let Some(slot) = self.slots.write().get_mut(name) {
            slot.active = active;
            slot.watched = None;
        }
        let counts = live.tally.counts();
        let failures = probation.failures(&counts);
        let record = Record {
            by: Caller::named(ITSELF),
            action: "settle",
            transform: Some(name.to_owned()),
            revision: Some(live.component.revision.clone()),
            plan: None,
            detail: format!(
                "the probation is over: {}, {} failed, {} failed in the revision before as \
                 well, {} rejected by the component",
                count(counts.events, "event"),
                failures.own(),
                failures.common,
                counts.rejected
            ),
        };
        self.record(record, Ok(())).await
    }

    /// Returns to the revision before, or pauses where there is none.
    async fn take_back(
        self: &Arc<Self>,
        live: &Arc<Live>,
        active: Active,
        reason: &str,
    ) -> Result<(), Refused> {
        let (name, from) = (live.name(), active.revision);
        tracing::error!(transform = name, revision = %from, reason, "revision failed its probation");
        let previous = self.with_slot(name, |slot| slot.previous.clone())?;
        let returned = Returned {
            from: from.clone(),
            to: previous.as_ref().map(|one| one.id().clone()),
            at: Timestamp::now(),
            reason: reason.to_owned(),
            figures: figures(&live.tally.counts()),
            examples: live.tally.examples(),
        };
        let detail = match returned.examples.as_slice() {
            [] => reason.to_owned(),
            examples => format!("{reason}; {}", examples.join("; ")),
        };
        match previous {
            Some(Ready {
                revision,
                component,
            }) => {
                let turn = Turn {
                    by: ITSELF,
                    kind: Kind::Return,
                    revision,
                    component,
                    probation: false,
                };
                self.turn_with(turn, Some(returned)).await?;
            }
            None => {
                if let Some(slot) = self.slots.write().get_mut(name) {
                    slot.active.fail();
                    slot.active.probation = false;
                }
                self.set_paused(name, true).await?;
                if let Some(slot) = self.slots.write().get_mut(name) {
                    slot.returned = Some(returned);
                    slot.watched = None;
                }
            }
        }
        self.metrics.transform(name).probation.set(0);
        let record = Record {
            by: Caller::named(ITSELF),
            action: "return",
            transform: Some(name.to_owned()),
            revision: Some(from),
            plan: None,
            detail,
        };
        self.record(record, Ok(())).await
    }

    /// The place of a revision, unless another has taken it.
    fn still_runs(&self, live: &Arc<Live>) -> Option<Active> {
        let slots = self.slots.read();
        let slot = slots.get(live.name())?;
        Arc::ptr_eq(&slot.live, live).then(|| slot.active.clone())
    }
}
