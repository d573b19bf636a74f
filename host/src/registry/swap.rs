//! The one way in which another revision takes over: made ready beside the lanes, written
//! down, then switched between two events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::report::{Applied, Returned};
use super::slot::{Ready, Slot, Watched};
use super::store::{Active, ActiveSet};
use super::{Refused, Registry, Revision};
use crate::pipeline::{Live, Next, Probation};
use crate::tasks::blocking;
use crate::transform::{Component, Instance, RevisionId};

/// How long the upstream may take to confirm a subscription that a revision needs.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);

/// How long the lanes may take until an answer does not wait for them any more. They follow
/// when they have worked off what waits.
const LANE_PATIENCE: Duration = Duration::from_secs(5);

/// How many of the last events a new instance is run on before it meets a live one.
const WARM_UP: usize = 100;

/// A revision that shall take over.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) by: &'a str,
    pub(super) kind: Kind,
    pub(super) revision: Arc<Revision>,
    pub(super) component: Arc<Component>,
    pub(super) probation: bool,
}

/// Why it shall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Apply,
    /// The same component with other settings or limits.
    Settings,
    Rollback,
    /// A rollback of Tidegate's own.
    Return,
}

impl Kind {
    fn label(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Settings => "settings",
            Self::Rollback => "rollback",
            Self::Return => "return",
        }
    }

    /// Whether it goes ahead of the events that wait, and does not wait for the upstream.
    fn is_urgent(self) -> bool {
        matches!(self, Self::Rollback | Self::Return)
    }
}

impl Registry {
    /// Lets a revision take over. To be called with `changing` held.
    pub(super) async fn turn(self: &Arc<Self>, turn: Turn<'_>) -> Result<Applied, Refused> {
        self.turn_with(turn, None).await
    }

    /// As `turn`, with the evidence that a return leaves behind.
    pub(super) async fn turn_with(
        self: &Arc<Self>,
        turn: Turn<'_>,
        returned: Option<Returned>,
    ) -> Result<Applied, Refused> {
        let name = turn.revision.transform.clone();
        self.refuse_what_cannot_last(&turn)?;
        let current = self.with_slot(&name, |slot| slot.active.clone()).ok();
        let mut active = self.after(&turn, current.as_ref());
        let previous = self.stands_ready(&active).await;
        active.previous = previous.as_ref().map(|one| one.id().clone());
        // Only what runs now can stand behind: it has an instance in each lane.
        let runs_now = current.as_ref().map(|active| &active.revision);
        let stands = active.previous.is_some() && active.previous.as_ref() == runs_now;
        let probation = match active.probation {
            true => self.probation_of_next(&name, stands).map(Arc::new),
            false => None,
        };
        let behind = probation.clone().filter(|_| stands);

        let instances = self.ready(&turn.component, active.lanes).await?;
        self.make_lasting(&turn, &active).await?;
        let families: Vec<&str> = turn.component.descriptor.family_names().collect();
        let short = turn.revision.id.short();
        let metrics = self.metrics.revision(&name, short, &families);
        let live = Arc::new(Live::new(turn.component.clone(), metrics));
        let started = Instant::now();
        if current.is_some() {
            let following = self.intake.switch(Next {
                live: live.clone(),
                instances,
                probation: behind,
                urgent: turn.kind.is_urgent(),
            });
            match tokio::time::timeout(LANE_PATIENCE, following.done()).await {
                // Taking instances down costs time that nobody needs to wait for.
                Ok(left) => drop(
                    self.tasks
                        .brief("taking_down", blocking(move || drop(left))),
                ),
                Err(_) => tracing::warn!(transform = name, "a lane has not switched yet"),
            }
        } else if let Err(error) = self.intake.start(&live, active.lanes, false) {
            self.intake.want(&[]);
            self.save(&name, None).await?;
            return Err(Refused::NotReady(error.to_string()));
        }
        let took = started.elapsed();
        let watched_for = active
            .probation
            .then(|| self.options.probation.as_secs_f64());
        let paused = active.paused;
        let from = self.seat(&turn, live, active, previous, probation, returned);
        self.end_shadow_of(&name);
        self.publish_catalog();
        Ok(Applied {
            transform: name,
            from,
            to: turn.revision.id.clone(),
            probation_seconds: watched_for,
            switch_micros: Some(u64::try_from(took.as_micros()).unwrap_or(u64::MAX)),
            paused,
            not_yet: Vec::new(),
        })
    }

    /// The probation of whatever takes over from what runs now, and whether that `stands` behind
    /// it; none where there are none.
    pub(super) fn probation_of_next(&self, transform: &str, stands: bool) -> Option<Probation> {
        let mean = self.with_slot(transform, |slot| slot.live.tally.counts().mean);
        let before = mean.ok().filter(|mean| !mean.is_zero());
        let watched = !self.options.probation.is_zero();
        watched.then(|| Probation::new(self.options.marks, before, stands))
    }

    /// What is not on disk any more would be gone after a restart, and what has just failed
    /// is about to be returned from.
    fn refuse_what_cannot_last(&self, turn: &Turn<'_>) -> Result<(), Refused> {
        let id = &turn.revision.id;
        if turn.kind == Kind::Return {
            return Ok(());
        }
        if self.store()?.revision(id).is_none() {
            return Err(Refused::NoSuchRevision(id.to_string()));
        }
        let name = &turn.revision.transform;
        let failed = self.with_slot(name, |slot| {
            let watched = slot.watched.as_ref();
            watched.is_some_and(|watched| watched.probation.verdict().is_some())
        });
        match failed {
            Ok(true) => Err(Refused::Busy(format!(
                "{name} is being returned from a revision that failed its probation"
            ))),
            _ => Ok(()),
        }
    }

    /// The transform's place as it will be, but for what stands ready.
    fn after(&self, turn: &Turn<'_>, current: Option<&Active>) -> Active {
        let mut active = current.cloned().unwrap_or_else(|| Active {
            revision: turn.revision.id.clone(),
            previous: None,
            past: Vec::new(),
            failed: Vec::new(),
            paused: false,
            applied: true,
            probation: false,
            since: Timestamp::now(),
            by: turn.by.to_owned(),
            lanes: 1,
        });
        if turn.kind == Kind::Return {
            active.fail();
        }
        active.turn_to(turn.revision.id.clone(), turn.by, Timestamp::now());
        active.applied = true;
        active.probation = turn.probation && !self.options.probation.is_zero();
        active
    }

    /// What a rollback would go to: the last that ran before, but for what failed.
    async fn stands_ready(&self, after: &Active) -> Option<Ready> {
        let id = after.last_good()?;
        let loaded = self.slots.read().values().find_map(|slot| {
            let all = [Some(slot.running()), slot.previous.clone()];
            all.into_iter().flatten().find(|one| one.id() == id)
        });
        if loaded.is_some() {
            return loaded;
        }
        let revision = self.store().ok()?.revision(id)?;
        let component = self.load_kept(&revision).await.ok()?;
        Some(Ready {
            revision,
            component,
        })
    }

    /// Subscribes to what the revision needs, and writes down that it runs. A return does not
    /// wait for a disk: that is tried again.
    async fn make_lasting(&self, turn: &Turn<'_>, active: &Active) -> Result<(), Refused> {
        let name = &turn.revision.transform;
        let lasting = async {
            self.subscribe_ahead(turn).await?;
            self.save(name, Some(active.clone())).await
        };
        let Err(refused) = lasting.await else {
            return Ok(());
        };
        if turn.kind == Kind::Return {
            tracing::error!(transform = name, %refused, "a return is not written down yet");
            return Ok(());
        }
        self.intake.want(&[]);
        if matches!(refused, Refused::State(_)) {
            // It may have got to the disk all the same.
            let running = self.with_slot(name, |slot| slot.active.clone()).ok();
            let _ = self.save(name, running).await;
        }
        Err(refused)
    }

    /// Instances that have seen events already, one for each lane.
    async fn ready(
        &self,
        component: &Arc<Component>,
        lanes: usize,
    ) -> Result<Vec<Instance>, Refused> {
        let (name, component) = (&component.descriptor.name, component.clone());
        let mut events = self.intake.recent(name);
        let metrics = self.metrics.transform(name);
        let made = blocking(move || {
            let component = &*component;
            events.retain(|event| component.wants(&event.channel));
            let last = &events[events.len().saturating_sub(WARM_UP)..];
            let one = |_| {
                let mut instance = Instance::new(component, &metrics)?;
                instance.warm(component, component.samples())?;
                // A fault on a live event is for the probation to judge.
                match instance.warm(component, last.iter().map(|event| &**event)) {
                    Ok(()) => Ok(instance),
                    Err(_) => Instance::new(component, &metrics),
                }
            };
            (0..lanes).map(one).collect::<Result<Vec<_>, _>>()
        });
        made.await
            .map_err(|fault| Refused::NotReady(fault.to_string()))
    }

    /// Has the upstream subscribe to what the revision needs before it takes over.
    async fn subscribe_ahead(&self, turn: &Turn<'_>) -> Result<(), Refused> {
        let needed = &turn.component.globs();
        self.intake.want(needed);
        if turn.kind.is_urgent() {
            return Ok(());
        }
        let subscribed = self.intake.subscribed(needed);
        let in_time = tokio::time::timeout(SUBSCRIBE_PATIENCE, subscribed).await;
        in_time.map_err(|_| {
            Refused::NotReady(format!(
                "its upstream channels were not subscribed within {SUBSCRIBE_PATIENCE:?}; \
                 see whether Redis is there and lets its user subscribe to them"
            ))
        })
    }

    /// Writes the active set with one transform changed, or without it.
    pub(super) async fn save(&self, name: &str, active: Option<Active>) -> Result<(), Refused> {
        let Some(store) = self.loader.store.clone() else {
            return Ok(());
        };
        let mut set = self.active_set();
        match active {
            Some(active) => set.transforms.insert(name.to_owned(), active),
            None => set.transforms.remove(name),
        };
        let saved = blocking(move || store.save_active(&set)).await;
        saved.map_err(|error| Refused::State(error.into()))
    }

    pub(super) fn active_set(&self) -> ActiveSet {
        let slots = self.slots.read();
        let one = |(name, slot): (&String, &Slot)| (name.clone(), slot.active.clone());
        ActiveSet {
            transforms: slots.iter().map(one).collect(),
        }
    }

    /// Notes who runs now, and lets everyone know who looks at it.
    fn seat(
        self: &Arc<Self>,
        turn: &Turn<'_>,
        live: Arc<Live>,
        active: Active,
        previous: Option<Ready>,
        probation: Option<Arc<Probation>>,
        returned: Option<Returned>,
    ) -> Option<RevisionId> {
        let name = live.name().to_owned();
        let watched = probation.map(|probation| {
            let (watched, decided) = Watched::new(probation.clone(), self.options.probation);
            self.watch(live.clone(), probation, decided, watched.left.clone());
            watched
        });
        let metrics = self.metrics.transform(&name);
        metrics.swapped(turn.kind.label()).inc();
        metrics.probation.set(watched.is_some().into());
        let slot = Slot {
            live,
            revision: turn.revision.clone(),
            previous,
            active,
            watched,
            returned,
            configured: false,
        };
        let mut slots = self.slots.write();
        let mut before = slots.remove(&name);
        let from = before.as_ref().map(|slot| slot.revision.id.clone());
        self.pass_on(&slot, before.as_ref());
        tracing::info!(
            transform = name,
            from = from.as_ref().map(tracing::field::display),
            to = %slot.revision.id,
            version = slot.revision.version,
            by = turn.by,
            kind = turn.kind.label(),
            probation = slot.watched.is_some(),
            "revision took over"
        );
        let earlier = before.as_mut().and_then(|slot| slot.returned.take());
        let slot = Slot {
            returned: slot.returned.or(earlier),
            configured: before.is_some_and(|slot| slot.configured),
            ..slot
        };
        slots.insert(name, slot);
        from
    }

    /// What is known by the revision, or by its family, goes over to the new one.
    fn pass_on(&self, now: &Slot, before: Option<&Slot>) {
        let name = now.live.name();
        self.metrics.running(
            name,
            Some(now.revision.label()),
            before.map(|slot| slot.revision.label()),
        );
        let Some(before) = before else { return };
        let stays = now.in_use();
        for gone in before
            .in_use()
            .filter(|one| !stays.clone().any(|id| id == *one))
        {
            self.metrics.forget_revision(name, gone.short());
        }
        let own = &now.component().descriptor;
        for gone in before.component().descriptor.family_names() {
            if own.family(gone).is_none() {
                self.hub.set_paused(gone, false);
            }
        }
        let earlier = &before.component().descriptor;
        for new in own.family_names() {
            if earlier.family(new).is_none() {
                self.hub.set_paused(new, now.active.paused);
            }
        }
    }

    /// Lets clients see the channels of what runs now.
    pub(super) fn publish_catalog(&self) {
        let slots = self.slots.read();
        let descriptors = slots
            .values()
            .map(|slot| slot.component().descriptor.clone());
        self.catalog.replace(descriptors);
    }
}
