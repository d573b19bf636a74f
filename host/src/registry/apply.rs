//! What an operator orders: carry out a plan.

use std::sync::Arc;

use super::consent;
use super::report::Applied;
use super::swap::{Kind, Turn};
use super::{Caller, Consent, Record, Refused, Registry, shown};

impl Registry {
    /// Carries out a plan.
    ///
    /// # Errors
    /// Something moved since the plan, a consent is missing, or the revision could not be
    /// made ready. What ran before runs on.
    pub async fn apply(
        self: &Arc<Self>,
        by: Caller<'_>,
        plan: &str,
        consent: Consent,
    ) -> Result<Applied, Refused> {
        let made = self.plans.lock().find(plan);
        let planned = made.as_ref().ok().map(|made| made.plan.clone());
        let consents = consent.told();
        let outcome = async {
            let made = made?;
            self.trail.ready().await?;
            if let (Some(fleet), Ok(store)) = (&self.fleet, self.store()) {
                // What takes long is done while others may still change something.
                let revision = store.revision(&made.plan.to);
                let gone = || Refused::NoSuchRevision(made.plan.to.to_string());
                fleet.offer(&store, &*revision.ok_or_else(gone)?).await?;
            }
            let (revision, component) = self.load_planned(&made).await?;
            let _changing = self.changing.lock().await;
            self.still_holds(&made)?;
            if let Some(missing) = consent::missing(&made.plan.needs, &consent) {
                return Err(missing);
            }
            let same_component = self.with_slot(&made.plan.transform, |slot| {
                slot.revision.component == revision.component
            });
            let turn = Turn {
                by: by.name,
                kind: match same_component {
                    Ok(true) => Kind::Settings,
                    _ => Kind::Apply,
                },
                revision,
                component,
                probation: consent.probation,
            };
            self.carry_out(turn, made.seen, consent.canary).await
        };
        let outcome = outcome.await;
        let record = Record {
            by,
            action: "apply",
            transform: planned.as_ref().map(|one| one.transform.clone()),
            revision: planned.as_ref().map(|one| one.to.clone()),
            plan: Some(shown(plan)),
            detail: with_consents(outcome.as_ref().ok(), consents),
        };
        self.record(record, outcome).await
    }
}

pub(super) fn told(applied: &Applied) -> String {
    match &applied.from {
        Some(from) => format!("{} after {from}", applied.to),
        None => format!("{}, the first", applied.to),
    }
}

/// What was applied, if it was, and the consents that were given.
fn with_consents(applied: Option<&Applied>, consents: String) -> String {
    let mut parts: Vec<String> = applied.map(told).into_iter().collect();
    parts.extend((!consents.is_empty()).then_some(consents));
    parts.join("; ")
}
