//! What operators, files and hosts themselves ask for, and what is true of it afterwards whatever
//! they believe.

use super::super::canary::{self, CanaryState, Report};
use super::super::desired::{Chooser, Desired, Needs};
use super::super::request::{Request, Rollback, Wish};
use super::scene::{Checked, all, covers, ensure, needs};
use super::world::World;
use crate::pipeline::Verdict;
use crate::transform::RevisionId;

/// How an operator applies a revision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) consent: bool,
    pub(super) probation: bool,
    pub(super) first: bool,
    pub(super) back: bool,
}

impl World {
    pub(super) fn apply(&mut self, number: usize, revision: &RevisionId, terms: Terms) -> Checked {
        let Terms {
            consent, probation, ..
        } = terms;
        let first = terms.first && self.fleet;
        let names = if first {
            vec![self.hosts[number].name.clone()]
        } else {
            Vec::new()
        };
        if self.fleet && !self.sync(number) {
            return Ok(());
        }
        let Some(needs) = self.needs(number, revision) else {
            return Ok(());
        };
        let now = self.hosts[number].up().intent.wanted().choice.revision;
        let back = now.filter(|_| terms.back);
        let wish = Wish {
            revision: revision.clone(),
            chooser: Chooser::Operator,
            needs,
            consent: all(consent),
            probation,
            first: names,
            covers: covers(revision).into_iter().chain(back.clone()).collect(),
            was_there: false,
        };
        if let Some(Ok(())) = self.change(number, &Request::Choose(wish)) {
            let agreed = back.map(|back| (revision.clone(), back));
            self.ledger.agreed.extend(agreed);
            ensure(consent || !needs.wider, || {
                format!("{revision:?} was applied, wider and without consent")
            })?;
            ensure(!first || probation, || {
                "first hosts without a probation".to_owned()
            })?;
            self.granted(number, revision, probation);
        }
        Ok(())
    }

    pub(super) fn granted(&mut self, number: usize, revision: &RevisionId, probation: bool) {
        let detached = self.is_detached(number);
        let ledger = &mut self.ledger;
        ledger.granted.insert(revision.clone());
        if !probation {
            ledger.good.insert(revision.clone());
        }
        if !detached {
            let named = (false, ledger.time, number);
            ledger.revisions.insert(revision.clone(), named);
        }
        for host in &mut self.hosts {
            host.crashes.remove(revision);
        }
        ledger.passed.retain(|(_, passed)| passed != revision);
    }

    /// What taking a revision needs, by what this host wants now.
    pub(super) fn needs(&self, number: usize, revision: &RevisionId) -> Option<Needs> {
        let up = self.hosts[number].up.as_ref()?;
        let chosen = up.intent.wanted().choice.revision?;
        Some(needs(&chosen, revision))
    }

    pub(super) fn is_detached(&self, number: usize) -> bool {
        let up = self.hosts[number].up.as_ref();
        up.is_some_and(|up| up.intent.detached.is_some())
    }

    pub(super) fn file(
        &mut self,
        number: usize,
        revision: &RevisionId,
        was_there: bool,
        folder: bool,
    ) -> Checked {
        if self.fleet && !self.sync(number) {
            return Ok(());
        }
        let Some(needs) = self.needs(number, revision) else {
            return Ok(());
        };
        let wanted = self.hosts[number].up().intent.wanted();
        let wish = Wish {
            revision: revision.clone(),
            chooser: if folder {
                Chooser::Folder
            } else {
                Chooser::Configuration
            },
            needs,
            consent: Needs::default(),
            probation: folder,
            first: Vec::new(),
            covers: covers(revision),
            was_there,
        };
        if let Some(Ok(())) = self.change(number, &Request::Choose(wish)) {
            ensure(!needs.wider, || {
                format!("{revision:?} came by a file, wider and without consent")
            })?;
            let stood = matches!(wanted.choice.chooser, Chooser::Operator | Chooser::Itself);
            ensure(!(was_there && stood), || {
                "a file that was there overrode somebody's choice".to_owned()
            })?;
            let last = self.ledger.revisions.get(revision);
            ensure(!(wanted.is_withdrawn(revision) && last.is_some()), || {
                format!("{revision:?} was withdrawn and came back by a file")
            })?;
            self.ledger.granted.insert(revision.clone());
            for host in &mut self.hosts {
                host.crashes.remove(revision);
            }
            if !folder {
                self.ledger.good.insert(revision.clone());
            }
            self.ledger.passed.retain(|(_, passed)| passed != revision);
        }
        Ok(())
    }

    pub(super) fn roll_back(
        &mut self,
        number: usize,
        to: Option<&RevisionId>,
        consent: bool,
    ) -> Checked {
        let Some(up) = &self.hosts[number].up else {
            return Ok(());
        };
        let wanted = up.intent.wanted();
        let Some(from) = wanted.choice.revision.clone() else {
            return Ok(());
        };
        // Back to what never ran is no way back.
        let ran = |to: &&RevisionId| self.ledger.granted.contains(*to);
        let Some(goes_to) = to.filter(ran).cloned().or_else(|| wanted.rolls_back_to()) else {
            return Ok(());
        };
        let needs = needs(&from, &goes_to);
        let rollback = Request::Rollback(Rollback {
            from: from.clone(),
            to: goes_to.clone(),
            needs,
            consent: all(consent),
            covers: covers(&goes_to),
        });
        let unnamed = to.filter(ran).is_none();
        let stamp = self.stamp();
        let granted = if self.fleet && rollback.is_stop(&wanted) {
            self.act(number, |up| up.intent.stop(rollback, &stamp))
        } else {
            self.change(number, &rollback)
        };
        if granted != Some(Ok(())) {
            return Ok(());
        }
        ensure(consent || !needs.wider, || {
            format!("a rollback to {goes_to:?} widened without consent")
        })?;
        let last = self.ledger.revisions.get(&goes_to);
        ensure(
            !(unnamed
                && !self.is_detached(number)
                && matches!(last, Some((true, _, on)) if *on == number)),
            || format!("a rollback without a name brought {goes_to:?} back"),
        )?;
        for host in &mut self.hosts {
            host.crashes.remove(&goes_to);
        }
        if !self.is_detached(number) {
            let (time, ledger) = (self.ledger.time, &mut self.ledger);
            ledger.revisions.insert(from, (true, time, number));
            if !unnamed {
                ledger.revisions.insert(goes_to, (false, time, number));
            }
        }
        Ok(())
    }

    pub(super) fn pause(&mut self, number: usize, paused: bool) {
        let (request, stamp) = (Request::Pause(paused), self.stamp());
        let done = if paused && self.fleet {
            self.act(number, |up| up.intent.stop(request, &stamp))
        } else {
            self.change(number, &request)
        };
        if done == Some(Ok(())) && !self.is_detached(number) {
            self.ledger.paused = Some((paused, self.ledger.time, number));
        }
    }

    pub(super) fn remove(&mut self, number: usize) {
        let stamp = self.stamp();
        if self.fleet {
            self.act(number, |up| up.intent.stop(Request::Remove, &stamp));
        } else {
            self.change(number, &Request::Remove);
        }
    }

    pub(super) fn verdict(&mut self, number: usize, verdict: &Verdict) {
        let fleet = self.fleet;
        let Some(up) = &self.hosts[number].up else {
            return;
        };
        let Some(probation) = up.intent.probation.clone() else {
            return;
        };
        let runs = up.process.running.as_ref() == Some(&probation.revision);
        if up.process.held || !runs {
            return;
        }
        let before = up.intent.wanted();
        let stamp = self.stamp();
        self.act(number, |up| {
            up.intent.judge(&probation.revision, verdict, fleet, &stamp);
        });
        if before.choice.revision.as_ref() != Some(&probation.revision) {
            return;
        }
        if *verdict == Verdict::Passed {
            let passed = (number, probation.revision.clone());
            self.ledger.passed.insert(passed);
            self.ledger.good.insert(probation.revision);
        } else if matches!(verdict, Verdict::Failed(_)) {
            let withdrawn = (true, self.ledger.time, number);
            self.ledger.revisions.insert(probation.revision, withdrawn);
        }
    }

    /// A host looks at what the first hosts said.
    pub(super) fn judge(&mut self, number: usize, overdue: bool) -> Checked {
        if !self.fleet || self.is_detached(number) || !self.sync(number) {
            return Ok(());
        }
        let wanted = self.hosts[number].up().intent.desired.clone();
        let Some(revision) = wanted.choice.revision.clone() else {
            return Ok(());
        };
        let reports: Vec<Report> = (0..self.hosts.len())
            .filter(|host| self.redis.reach_the_same(number, *host))
            .filter_map(|host| self.report(host, &wanted, &revision))
            .collect();
        let Some(request) = canary::judge(&wanted, &reports, overdue) else {
            return Ok(());
        };
        let first = wanted.choice.first.clone();
        let done = self.change(number, &request);
        if done != Some(Ok(())) {
            return Ok(());
        }
        match request {
            Request::Open(revision) => {
                for (number, host) in self.hosts.iter().enumerate() {
                    let passed = self.ledger.passed.contains(&(number, revision.clone()));
                    ensure(!first.contains(&host.name) || passed, || {
                        format!("opened to all, and {} never passed", host.name)
                    })?;
                }
            }
            _ => {
                let withdrawn = (true, self.ledger.time, number);
                self.ledger.revisions.insert(revision, withdrawn);
            }
        }
        Ok(())
    }

    /// What a host last said; what is not there says nothing.
    pub(super) fn report(
        &self,
        number: usize,
        wanted: &Desired,
        revision: &RevisionId,
    ) -> Option<Report> {
        let host = &self.hosts[number];
        let up = host.up.as_ref()?;
        let passed = self.ledger.passed.contains(&(number, revision.clone()));
        let state = if passed {
            CanaryState::Passed
        } else {
            CanaryState::Waiting
        };
        Some(Report {
            host: host.name.clone(),
            at: up.intent.wanted().choice.at.min(wanted.choice.at),
            state,
            alive: host.reaches_redis,
        })
    }
}
