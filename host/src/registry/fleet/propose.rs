//! What an operator asks for, as an order to the whole fleet. Who was faster wins, and the
//! other is told; then this host follows like any other, only at once.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::report::Applied;
use super::super::slot::{Ready, Slot};
use super::super::swap::Turn;
use super::super::{Refused, Registry, Revision};
use super::Fleet;
use super::board::{Known, conflict};
use super::order::{Mark, Order, OrderKind, Stage, canaries};

impl Registry {
    /// Lets a revision take over, here or in the whole fleet. `seen` is the order that the
    /// operator knows of. To be called with `changing` held.
    ///
    /// # Errors
    /// Another was faster, or the revision could not be made ready here: then nothing changes
    /// anywhere.
    pub(in crate::registry) async fn carry_out(
        self: &Arc<Self>,
        turn: Turn<'_>,
        seen: Option<Mark>,
        canary: Option<u8>,
    ) -> Result<Applied, Refused> {
        let Some(fleet) = self.fleet.clone() else {
            return match canary {
                Some(_) => Err(Refused::NoFleet),
                None => self.turn(turn).await,
            };
        };
        let name = turn.revision.transform.clone();
        let current = fleet.read(&name).await?;
        if current.as_ref().map(|known| known.order.mark()) != seen {
            // What was read is newer than what is known here.
            fleet.announced.notify_one();
            return Err(conflict(&name, current.as_deref()));
        }
        let order = self.order_for(&fleet, &turn, current.as_deref(), canary);
        let order = order.await?;
        let store = self.store()?;
        for revision in order.revisions() {
            fleet.offer(&store, revision).await?;
        }
        let from = self.with_slot(&name, |slot| slot.revision.id.clone());
        let known = fleet.replace(current.as_deref(), order).await?;
        let order = &known.order;
        let ready = Ready {
            revision: turn.revision.clone(),
            component: turn.component,
        };
        if order.goes_first(fleet.host()) {
            let acted = self.act(&fleet, order, &order.revision, Some(ready)).await;
            if let Err(refused) = acted {
                fleet.refuse(&name, &refused, 1);
                if let Err(error) = fleet.ask_back(&known, &refused.to_string()).await {
                    tracing::error!(%error, "an order stands that could not be followed here");
                }
                return Err(refused);
            }
        }
        let watched_for = self.options.probation;
        Ok(Applied {
            transform: name,
            from: from.ok(),
            to: turn.revision.id.clone(),
            probation_seconds: (order.probation && !watched_for.is_zero())
                .then_some(watched_for.as_secs_f64()),
            switch_micros: None,
            paused: order.paused,
            not_yet: Vec::new(),
        })
    }

    async fn order_for(
        &self,
        fleet: &Fleet,
        turn: &Turn<'_>,
        current: Option<&Known>,
        canary: Option<u8>,
    ) -> Result<Order, Refused> {
        let here = self.with_slot(&turn.revision.transform, |slot| {
            (slot.revision.clone(), slot.active.paused)
        });
        let here = here.ok();
        let before = match current {
            Some(known) => known.order.settled(),
            None => here.as_ref().map(|(revision, _)| &**revision),
        };
        let number = current.map_or(0, |known| known.order.number) + 1;
        let canary = match canary {
            None => Vec::new(),
            Some(percent) => {
                let alive = fleet.hosts().await?;
                let mut names: Vec<String> = alive.alive().map(|one| one.host.clone()).collect();
                if !names.iter().any(|name| name == fleet.host()) {
                    names.push(fleet.host().to_owned());
                }
                canaries(names, percent, number)
            }
        };
        let known = current.map(|known| &known.order);
        let paused = known.filter(|order| !order.removed).map_or_else(
            || here.as_ref().is_some_and(|(_, paused)| *paused),
            |order| order.paused,
        );
        Ok(Order {
            previous: before
                .filter(|before| before.id != turn.revision.id)
                .cloned(),
            revision: (*turn.revision).clone(),
            stage: if canary.is_empty() {
                Stage::All
            } else {
                Stage::Canary
            },
            canary,
            paused,
            removed: false,
            probation: turn.probation,
            kind: turn.kind.into(),
            number,
            by: turn.by.to_owned(),
            at: Timestamp::now(),
            note: None,
        })
    }

    /// Pauses or resumes a transform on all hosts. To be called with `changing` held.
    ///
    /// # Errors
    /// Redis does not answer, or another was faster.
    pub(in crate::registry) async fn pause_fleet(
        self: &Arc<Self>,
        fleet: &Arc<Fleet>,
        by: &str,
        name: &str,
        paused: bool,
    ) -> Result<(), Refused> {
        let here = self.with_slot(name, |slot| slot.revision.clone())?;
        let current = fleet.read(name).await?;
        let mut order = next(&here, current.as_deref(), by);
        order.paused = paused;
        if !paused {
            // Also a host that gave the revision up takes this as a new order.
            order.at = Timestamp::now();
            by.clone_into(&mut order.by);
        }
        let store = self.store()?;
        for revision in order.revisions() {
            fleet.offer(&store, revision).await?;
        }
        fleet.replace(current.as_deref(), order).await?;
        self.set_paused(name, paused).await
    }

    /// Ends a transform on all hosts whose settings do not name it, but for this one. To be called
    /// with `changing` held.
    ///
    /// # Errors
    /// Redis does not answer, or another was faster.
    pub(in crate::registry) async fn remove_from_fleet(
        &self,
        fleet: &Arc<Fleet>,
        by: &str,
        name: &str,
    ) -> Result<(), Refused> {
        let here = self.with_slot(name, |slot| slot.revision.clone())?;
        let current = fleet.read(name).await?;
        let mut order = next(&here, current.as_deref(), by);
        order.removed = true;
        order.at = Timestamp::now();
        by.clone_into(&mut order.by);
        fleet.replace(current.as_deref(), order).await.map(drop)
    }

    /// What a rollback of the whole fleet returns to, where there is an order that says it.
    pub(in crate::registry) async fn before_in_fleet(
        &self,
        name: &str,
    ) -> Result<Option<Ready>, Refused> {
        let Some(fleet) = &self.fleet else {
            return Ok(None);
        };
        let known = fleet.known(name);
        let Some(previous) = known
            .as_ref()
            .and_then(|known| known.order.previous.as_ref())
        else {
            return Ok(None);
        };
        let running = self.with_slot(name, Slot::running)?;
        if *running.id() == previous.id {
            return Ok(Some(running));
        }
        self.receive(fleet, previous).await.map(Some)
    }
}

/// The next order of a transform, which asks for what the last one did; where there was none, or
/// that ended the transform, for what runs here.
fn next(here: &Revision, current: Option<&Known>, by: &str) -> Order {
    let number = current.map_or(0, |known| known.order.number) + 1;
    match current.filter(|known| !known.order.removed) {
        Some(known) => Order {
            number,
            ..known.order.clone()
        },
        None => Order {
            revision: here.clone(),
            previous: None,
            stage: Stage::All,
            canary: Vec::new(),
            paused: false,
            removed: false,
            probation: false,
            kind: OrderKind::Apply,
            number,
            by: by.to_owned(),
            at: Timestamp::now(),
            note: None,
        },
    }
}
