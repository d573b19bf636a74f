//! Comes to what the fleet wants, one transform after the other: the component is fetched,
//! checked here, and switched to like any other; what fails is turned back for everyone.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::loader::Trust;
use super::super::push::check_record;
use super::super::slot::Ready;
use super::super::swap::{Kind, Turn};
use super::super::{Caller, Record, Refused, Registry, Revision};
use super::Fleet;
use super::board::Known;
use super::hosts::Outcome;
use super::order::{Order, Stage};
use crate::tasks::blocking;
use crate::transform::RevisionId;

/// How often a revision may not become ready until it counts as refused.
const TRIES: u32 = 3;

/// Characters of a reason that others are told.
const MAX_REASON: usize = 400;

/// Who acts where no operator does.
const ITSELF: &str = "tidegate";

/// What this host made of an order. One that has failed is not tried again.
#[derive(Debug, Clone)]
pub(super) struct Acted {
    /// Which order, and what it asked of this host.
    at: Timestamp,
    target: RevisionId,
    /// The order's number when this host last came to it.
    pub(super) number: u64,
    since: Timestamp,
    tries: u32,
    pub(super) outcome: Outcome,
}

impl Registry {
    /// Does what the fleet wants, whenever somebody has looked, for as long as the host runs.
    pub(super) async fn follow(self: Arc<Self>, fleet: Arc<Fleet>) {
        loop {
            fleet.looked.notified().await;
            let orders = fleet.orders.read().clone();
            for (name, known) in orders {
                Box::pin(self.converge(&fleet, &name, &known)).await;
            }
        }
    }

    async fn converge(self: &Arc<Self>, fleet: &Arc<Fleet>, name: &str, known: &Known) {
        let order = &known.order;
        if order.removed {
            return self.follow_removal(name, order).await;
        }
        let Some(target) = order.target(fleet.host()) else {
            return;
        };
        fleet.begin(order, target);
        self.observe(fleet, name);
        if fleet.gave_up(name) {
            return self.turn_back(fleet, known).await;
        }
        let ready = if self.runs(name, &target.id) {
            None
        } else {
            match self.receive(fleet, target).await {
                Ok(ready) => Some(ready),
                Err(refused) => return self.refuse_order(fleet, order, refused).await,
            }
        };
        let _changing = self.changing.lock().await;
        // Meanwhile an operator may have asked for something else, or this host returned.
        self.observe(fleet, name);
        if fleet.mark(name) != Some(order.mark()) || fleet.gave_up(name) {
            return;
        }
        match self.act(fleet, order, target, ready).await {
            Ok(false) => {}
            Ok(true) => self.note_order(order, target, Ok(())).await,
            Err(refused) => self.refuse_order(fleet, order, refused).await,
        }
    }

    /// Ends a transform that the fleet has ended, unless the settings of this host name it.
    async fn follow_removal(&self, name: &str, order: &Order) {
        let _changing = self.changing.lock().await;
        if self.with_slot(name, |slot| slot.configured).unwrap_or(true) {
            return;
        }
        let outcome = self.take_out(&order.by, name).await.map(drop);
        if let Err(refused) = &outcome {
            tracing::warn!(transform = name, %refused, "the fleet's order cannot be followed yet");
            return;
        }
        self.note_order(order, &order.revision, outcome).await;
    }

    /// Turns to an order's target, and pauses or resumes as it says; true where something
    /// changed. To be called with `changing` held.
    pub(super) async fn act(
        self: &Arc<Self>,
        fleet: &Fleet,
        order: &Order,
        target: &Revision,
        ready: Option<Ready>,
    ) -> Result<bool, Refused> {
        let name = &target.transform;
        fleet.begin(order, target);
        let mut changed = false;
        if !self.runs(name, &target.id) {
            let Some(ready) = ready else {
                return Err(Refused::Busy(format!("{name} is being changed")));
            };
            self.refuse_conflicts(&ready.component)?;
            let meant = order.goes_first(fleet.host());
            let turn = Turn {
                by: &order.by,
                kind: if meant {
                    order.kind.into()
                } else {
                    Kind::Apply
                },
                revision: ready.revision,
                component: ready.component,
                probation: order.probation && meant,
            };
            self.turn(turn).await?;
            changed = true;
        }
        if self.with_slot(name, |slot| slot.active.paused)? != order.paused {
            self.set_paused(name, order.paused).await?;
            changed = true;
        }
        fleet.came_to(order);
        self.observe(fleet, name);
        Ok(changed)
    }

    pub(super) fn runs(&self, name: &str, revision: &RevisionId) -> bool {
        let runs = self.with_slot(name, |slot| slot.active.revision == *revision);
        runs.unwrap_or(false)
    }

    /// Notes how the revision of an order is doing here.
    pub(super) fn observe(&self, fleet: &Fleet, name: &str) {
        let mut acted = fleet.acted.lock();
        let Some(acted) = acted.get_mut(name).filter(|acted| !acted.gave_up()) else {
            return;
        };
        let seen = self.with_slot(name, |slot| {
            let returned = slot.returned.as_ref();
            let returned = returned.filter(|one| one.from == acted.target && one.at >= acted.since);
            match returned {
                Some(returned) => Outcome::Failed(short(&returned.reason)),
                None if slot.active.revision != acted.target => Outcome::Waiting,
                None if slot.watched.is_some() => Outcome::Probation,
                None => Outcome::Passed,
            }
        });
        acted.outcome = seen.unwrap_or(Outcome::Waiting);
    }

    /// A revision that is here, or comes through Redis and passes this host's own checks.
    pub(super) async fn receive(&self, fleet: &Fleet, target: &Revision) -> Result<Ready, Refused> {
        let loaded = self.with_slot(&target.transform, |slot| {
            let previous = slot.previous.clone();
            previous.filter(|one| *one.id() == target.id)
        });
        if let Ok(Some(ready)) = loaded {
            return Ok(ready);
        }
        let store = self.store()?;
        if let Some(revision) = store.revision(&target.id) {
            let component = self.load_kept(&revision).await?;
            return Ok(Ready {
                revision,
                component,
            });
        }
        let digest = target.component.clone();
        let here = store.revisions().iter().any(|one| one.component == digest);
        let bytes: Arc<[u8]> = if here {
            let bytes = blocking(move || store.component(&digest)).await;
            bytes.map_err(|error| Refused::State(error.into()))?.into()
        } else {
            fleet.fetch(target).await?.into()
        };
        let loaded = self
            .loader
            .load(&bytes, Trust::None, &target.settings, &target.limits);
        let refuse = |faults| Refused::check(&target.transform, faults);
        let loaded = loaded.await.map_err(refuse)?;
        if check_record(target, &loaded.component).is_err() {
            let fault = "another revision comes out of it here; give all hosts the same version \
                         of Tidegate";
            return Err(refuse(vec![fault.into()]));
        }
        let revision = Revision {
            origin: "fleet".into(),
            at: Timestamp::now(),
            ..target.clone()
        };
        {
            let _changing = self.changing.lock().await;
            self.keep_revision(revision.clone(), bytes).await?;
        }
        Ok(Ready {
            revision: Arc::new(revision),
            component: self.loader.keep(loaded).await,
        })
    }

    /// Notes why an order could not be followed here. What may pass is tried again.
    async fn refuse_order(&self, fleet: &Fleet, order: &Order, refused: Refused) {
        let name = &order.revision.transform;
        let first = match &refused {
            Refused::Check { .. } => fleet.refuse(name, &refused, 1),
            Refused::NotReady(_) => fleet.refuse(name, &refused, TRIES),
            _ => fleet.refuse(name, &refused, u32::MAX),
        };
        if first {
            tracing::warn!(transform = name, %refused, "the fleet's order cannot be followed yet");
        }
        if fleet.gave_up(name)
            && let Some(target) = order.target(fleet.host())
        {
            self.note_order(order, target, Err(refused)).await;
        }
    }

    async fn note_order(&self, order: &Order, target: &Revision, outcome: Result<(), Refused>) {
        let record = Record {
            by: Caller::named(&order.by),
            action: "fleet",
            transform: Some(target.transform.clone()),
            revision: Some(target.id.clone()),
            plan: None,
            detail: format!("order {} of the fleet", order.number),
        };
        // Whoever asked was answered by another host.
        let _ = self.record(record, outcome).await;
    }

    /// Has the whole fleet return from what failed here.
    async fn turn_back(&self, fleet: &Fleet, known: &Known) {
        let order = &known.order;
        let Some(outcome) = fleet.outcome(&order.revision.transform) else {
            return;
        };
        let wanted = order.goes_first(fleet.host())
            && match outcome {
                // Where all others run it well, the fault is here.
                Outcome::Refused(_) => order.stage == Stage::Canary && order.previous.is_some(),
                _ => order.previous.is_some() || !order.paused,
            };
        if wanted {
            // What another host was faster with, or Redis did not take, is seen in two seconds.
            let _ = fleet.ask_back(known, &String::from(outcome)).await;
        }
    }
}

impl Fleet {
    /// Asks for the revision before, in the name of nobody.
    pub(super) async fn ask_back(&self, known: &Known, why: &str) -> Result<(), Refused> {
        let note = format!("{}: {}", self.host(), short(why));
        let back = known.order.turned_back(note, ITSELF, Timestamp::now());
        self.replace(Some(known), back).await?;
        tracing::error!(
            transform = known.order.revision.transform,
            revision = %known.order.revision.id,
            why,
            "the whole fleet returns from this revision"
        );
        Ok(())
    }

    /// Takes up an order, unless it is taken up already.
    pub(super) fn begin(&self, order: &Order, target: &Revision) {
        let mut all = self.acted.lock();
        let same = all
            .get(&target.transform)
            .is_some_and(|acted| acted.at == order.at && acted.target == target.id);
        if !same {
            let acted = Acted {
                at: order.at,
                target: target.id.clone(),
                number: order.number,
                since: Timestamp::now(),
                tries: 0,
                outcome: Outcome::Waiting,
            };
            all.insert(target.transform.clone(), acted);
        }
    }

    fn came_to(&self, order: &Order) {
        if let Some(acted) = self.acted.lock().get_mut(&order.revision.transform) {
            acted.number = order.number;
        }
    }

    pub(super) fn outcome(&self, name: &str) -> Option<Outcome> {
        let acted = self.acted.lock();
        acted.get(name).map(|acted| acted.outcome.clone())
    }

    fn gave_up(&self, name: &str) -> bool {
        self.acted.lock().get(name).is_some_and(Acted::gave_up)
    }

    /// Counts a refusal, which is for good after so many; true for the first.
    pub(super) fn refuse(&self, name: &str, refused: &Refused, tries: u32) -> bool {
        let mut all = self.acted.lock();
        let Some(acted) = all.get_mut(name) else {
            return false;
        };
        acted.tries = acted.tries.saturating_add(1);
        if acted.tries >= tries {
            let why = match refused.faults() {
                [] => refused.to_string(),
                faults => faults.join("; "),
            };
            acted.outcome = Outcome::Refused(short(&why));
        }
        acted.tries == 1
    }
}

impl Acted {
    fn gave_up(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_) | Outcome::Refused(_))
    }
}

fn short(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}
