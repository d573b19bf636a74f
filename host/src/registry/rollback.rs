//! The way back to a revision that ran before: one command, and ahead of what waits.

use std::sync::Arc;

use super::apply::told;
use super::report::Applied;
use super::slot::Ready;
use super::swap::{Kind, Turn};
use super::{Caller, MIN_PREFIX, Record, Refused, Registry, RollbackAsk, shown};

impl Registry {
    /// Returns to the previous revision, or to another one that was active before, now: also
    /// the events that wait go through it.
    ///
    /// # Errors
    /// There is none, it never was active, or something else runs than the one who asks saw:
    /// of two who return at once, the second would bring back what the first has left.
    pub async fn rollback(
        self: &Arc<Self>,
        by: Caller<'_>,
        name: &str,
        ask: RollbackAsk,
    ) -> Result<Applied, Refused> {
        let outcome = async {
            self.store()?;
            let seen = self.seen(name);
            let to = ask.to.as_deref();
            let wanted = match to {
                None => self.before_in_fleet(name).await?,
                Some(_) => None,
            };
            let _changing = self.changing.lock().await;
            if let Some(from) = &ask.from {
                self.still_runs_from(name, from)?;
            }
            let Ready {
                revision,
                component,
            } = match (to, wanted) {
                (Some(beginning), _) => self.ran_before(name, beginning).await?,
                (None, Some(ready)) => ready,
                (None, None) => {
                    let previous = self.with_slot(name, |slot| slot.previous.clone())?;
                    previous.ok_or_else(|| Refused::NoPrevious(name.to_owned()))?
                }
            };
            self.refuse_conflicts(&component)?;
            let turn = Turn {
                by: by.name,
                kind: Kind::Rollback,
                revision,
                component,
                probation: false,
            };
            self.carry_out(turn, seen, None).await
        };
        let outcome = outcome.await;
        let record = Record {
            by,
            action: "rollback",
            transform: Some(shown(name)),
            revision: outcome.as_ref().ok().map(|applied| applied.to.clone()),
            plan: None,
            detail: outcome.as_ref().map_or_else(|_| String::new(), told),
        };
        self.record_stop(record, outcome, |applied| &mut applied.not_yet)
            .await
    }

    /// # Errors
    /// What runs, or shall run by the fleet's order, does not begin with `from`.
    fn still_runs_from(&self, name: &str, from: &str) -> Result<(), Refused> {
        if from.len() < MIN_PREFIX {
            return Err(Refused::NoSuchRevision(from.to_owned()));
        }
        let active = self.with_slot(name, |slot| slot.active.clone())?;
        if !active.revision.as_str().starts_with(from) {
            return Err(Refused::Conflict(format!(
                "{name} runs {} since {}, by {}",
                active.revision, active.since, active.by
            )));
        }
        let fleet = self.fleet.as_ref();
        match fleet.and_then(|fleet| fleet.wants_another(name, &active.revision)) {
            Some(told) => Err(Refused::Conflict(told)),
            None => Ok(()),
        }
    }

    /// A revision that was active here before.
    async fn ran_before(&self, name: &str, beginning: &str) -> Result<Ready, Refused> {
        let (active, previous) =
            self.with_slot(name, |slot| (slot.active.clone(), slot.previous.clone()))?;
        let revision = self.known_revision(beginning)?.revision;
        if revision.id == active.revision {
            return Err(Refused::AlreadyActive(revision.id));
        }
        if revision.transform != name || !active.past.contains(&revision.id) {
            return Err(Refused::NeverActive {
                transform: name.to_owned(),
                revision: revision.id,
            });
        }
        if let Some(ready) = previous.filter(|ready| *ready.id() == revision.id) {
            return Ok(ready);
        }
        let component = self.load_kept(&revision).await?;
        Ok(Ready {
            revision: Arc::new(revision),
            component,
        })
    }
}
