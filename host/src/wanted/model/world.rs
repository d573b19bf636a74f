//! One to three hosts that do what the core decides, one step of a history after the other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::super::desired::{Desired, Stamp};
use super::super::intent::Intent;
use super::super::reconcile::{Action, Backing, Process, reconcile};
use super::super::request::{Refusal, Request};
use super::requests::Terms;
use super::scene::{Checked, Ledger, ModelHost, Redis, Up, ensure, revision};
use super::steps::Step;
use crate::transform::RevisionId;

#[derive(Debug)]
pub(super) struct World {
    pub(super) hosts: Vec<ModelHost>,
    pub(super) redis: Redis,
    pub(super) fleet: bool,
    pub(super) ledger: Ledger,
    pub(super) next_id: u64,
}

impl World {
    pub(super) fn new(hosts: usize) -> Self {
        let first = revision(0);
        let desired = Desired::configured(first.clone(), Timestamp::UNIX_EPOCH);
        let host = |number| ModelHost {
            name: format!("h{number}"),
            disk: Intent::new(desired.clone()),
            disk_full: false,
            up: None,
            reaches_redis: true,
            broken: BTreeSet::new(),
            unsaved_since: None,
            crashes: BTreeMap::new(),
        };
        let mut world = Self {
            hosts: (0..hosts).map(host).collect(),
            redis: Redis::new(),
            fleet: hosts > 1,
            ledger: Ledger::default(),
            next_id: 1,
        };
        world.ledger.granted.insert(first.clone());
        world.ledger.good.insert(first);
        for number in 0..hosts {
            world.start(number);
        }
        world
    }

    /// # Errors
    /// What must never be so, and is.
    pub(super) fn take(&mut self, step: &Step) -> Checked {
        self.ledger.time += 1;
        let count = self.hosts.len();
        match *step {
            Step::Apply {
                host,
                revision: number,
                consent,
                probation,
                first,
                back,
            } => {
                let terms = Terms {
                    consent,
                    probation,
                    first,
                    back,
                };
                self.apply(host % count, &revision(number), terms)?;
            }
            Step::File {
                host,
                revision: number,
                was_there,
                folder,
            } => self.file(host % count, &revision(number), was_there, folder)?,
            Step::Rollback { host, to, consent } => {
                self.roll_back(host % count, to.map(revision).as_ref(), consent)?;
            }
            Step::Remove { host } => self.remove(host % count),
            Step::Pause { host, paused } => self.pause(host % count, paused),
            Step::Verdict { host, ref verdict } => self.verdict(host % count, verdict),
            Step::Look { host } => self.look(host % count)?,
            Step::Judge { host, overdue } => self.judge(host % count, overdue)?,
            Step::Kill { host } => self.kill(host % count),
            Step::Start { host } => self.start(host % count),
            Step::Break {
                host,
                revision: number,
                broken,
            } => {
                let host = &mut self.hosts[host % count];
                if broken {
                    host.broken.insert(revision(number));
                } else {
                    host.broken.clear();
                }
            }
            Step::Slow { host, slow } => {
                if let Some(up) = &mut self.hosts[host % count].up {
                    up.slow = slow;
                }
            }
            Step::DiskFull { host, full } => self.hosts[host % count].disk_full = full,
            Step::Cut { host, cut } => self.hosts[host % count].reaches_redis = !cut,
            Step::Detach { host, detached } => self.detach(host % count, detached),
            Step::RedisWritable(writable) => self.redis.writable = writable,
            Step::RedisSnapshot => {
                self.redis.snapshot = self.redis.doc.clone();
            }
            Step::RedisGoesBack => {
                self.redis.doc = self.redis.snapshot.clone();
            }
            Step::RedisEmptied => {
                self.redis.doc = None;
                self.redis.snapshot = None;
            }
            Step::RedisFailsOver { loses } => self.redis.fail_over(loses),
            Step::ReachesZombie { host, reaches } => {
                let at_zombie = &mut self.redis.at_zombie;
                let _ = match reaches {
                    true => at_zombie.insert(host % count),
                    false => at_zombie.remove(&(host % count)),
                };
            }
            Step::RedisHeals => self.redis.heal(),
        }
        for number in 0..count {
            self.tick(number)?;
            self.check(number)?;
        }
        match self.ledger.wrong.take() {
            Some(wrong) => Err(wrong),
            None => Ok(()),
        }
    }

    /// Everything is mended, and all talk.
    pub(super) fn heal(&mut self) -> Checked {
        self.redis.writable = true;
        self.redis.heal();
        for round in 0..8 {
            for number in 0..self.hosts.len() {
                let host = &mut self.hosts[number];
                (host.disk_full, host.reaches_redis) = (false, true);
                host.broken.clear();
                if host.up.is_none() {
                    self.start(number);
                }
                if let Some(up) = &mut self.hosts[number].up {
                    up.slow = false;
                    up.process.failing.clear();
                }
                if round == 0 {
                    self.detach(number, false);
                }
                self.look(number)?;
                self.tick(number)?;
                self.check(number)?;
            }
        }
        self.check_healed()
    }

    pub(super) fn stamp(&mut self) -> Stamp {
        self.next_id += 1;
        Stamp {
            id: self.next_id,
            by: String::new(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    pub(super) fn act<T>(&mut self, number: usize, act: impl FnOnce(&mut Up) -> T) -> Option<T> {
        let time = self.ledger.time;
        let host = &mut self.hosts[number];
        let up = host.up.as_mut()?;
        let before = up.intent.clone();
        let outcome = act(up);
        self.ledger
            .note_turn(&before, &up.intent, self.redis.seen_by(number));
        if up.intent != before || host.unsaved_since.is_some() {
            if host.disk_full {
                host.unsaved_since.get_or_insert(time);
            } else {
                host.disk = up.intent.clone();
                host.unsaved_since = None;
            }
        }
        Some(outcome)
    }

    /// A change that only goes through where the fleet hears of it at once.
    pub(super) fn change(
        &mut self,
        number: usize,
        request: &Request,
    ) -> Option<Result<(), Refusal>> {
        let alone = !self.fleet || self.hosts[number].up.as_ref()?.intent.detached.is_some();
        let stamp = self.stamp();
        if alone {
            return self.act(number, |up| up.intent.ask(request, &stamp));
        }
        if !self.sync(number) {
            return None;
        }
        let redis = self.redis.clone();
        let granted = self.act(number, |up| {
            let desired = &up.intent.desired;
            let next = desired.after(request)?.stamped(&stamp, &[desired]);
            let stops: Vec<_> = up.intent.pending.iter().map(|stop| stop.id).collect();
            up.intent.shared(next.clone(), &stops);
            Ok(next)
        })?;
        Some(match granted {
            Ok(next) => {
                let seen = redis.seen_by(number);
                assert_eq!(seen, self.redis.seen_by(number), "compare and set");
                self.redis.write(number, next);
                Ok(())
            }
            Err(refusal) => Err(refusal),
        })
    }

    /// Reads what stands in Redis, and writes what it must hear. False where that fails.
    pub(super) fn sync(&mut self, number: usize) -> bool {
        if !self.hosts[number].reaches_redis {
            return false;
        }
        let (redis, stamp) = (self.redis.clone(), self.stamp());
        let written = self.act(number, |up| {
            up.process.unlooked = false;
            let offered = up.intent.hear(redis.seen_by(number), &stamp);
            match offered {
                Some(offered) if redis.writable => {
                    let stops: Vec<_> = up.intent.pending.iter().map(|stop| stop.id).collect();
                    up.intent.shared(offered.clone(), &stops);
                    (Some(offered), true)
                }
                Some(_) => (None, false),
                None => (None, redis.writable),
            }
        });
        match written {
            Some((Some(offered), _)) => {
                self.redis.write(number, offered);
                true
            }
            Some((None, taken)) => taken,
            None => false,
        }
    }

    fn look(&mut self, number: usize) -> Checked {
        if self.fleet {
            self.sync(number);
        }
        Ok(())
    }

    fn kill(&mut self, number: usize) {
        let host = &mut self.hosts[number];
        let Some(up) = host.up.take() else { return };
        if let Some(probation) = &up.intent.probation {
            *host.crashes.entry(probation.revision.clone()).or_default() += 1;
        }
        if let Some(since) = host.unsaved_since.take() {
            // What nobody wrote down may be forgotten, and so may what hung on it.
            let lost = |(_, at, on): &(bool, u64, usize)| *at >= since && *on == number;
            self.ledger.revisions.retain(|_, last| !lost(last));
            self.ledger.paused = self.ledger.paused.filter(|last| !lost(last));
            host.crashes.clear();
        }
    }

    fn start(&mut self, number: usize) {
        let (fleet, stamp) = (self.fleet, self.stamp());
        let host = &mut self.hosts[number];
        if host.up.is_some() {
            return;
        }
        let process = Process {
            held: true,
            unlooked: fleet,
            ..Process::default()
        };
        host.up = Some(Up {
            intent: host.disk.clone(),
            process,
            slow: false,
        });
        self.act(number, |up| {
            up.intent.start(fleet, &stamp);
        });
    }

    fn detach(&mut self, number: usize, detached: bool) {
        if !self.fleet {
            return;
        }
        self.act(number, |up| {
            if detached {
                up.intent.detach();
            } else {
                up.intent.attach();
            }
        });
    }

    /// The host does what is to be done, as far as it can.
    fn tick(&mut self, number: usize) -> Checked {
        for _ in 0..20 {
            let host = &self.hosts[number];
            let Some(up) = &host.up else { return Ok(()) };
            let actions = reconcile(&up.intent, &up.process, &host.name);
            let broken = host.broken.clone();
            let target = up.intent.wanted().target(&host.name).cloned();
            let before = up.process.running.clone();
            let failing = |target: &RevisionId| up.process.failing.contains(target);
            let waits = target.as_ref().is_some_and(|target| !failing(target));
            let choice = up.intent.wanted().choice;
            let mut changed = false;
            self.act(number, |up| {
                for action in &actions {
                    match action {
                        Action::Hold(hold) => {
                            up.process.held = *hold;
                            changed = true;
                        }
                        Action::Switch { to, .. } => {
                            up.process.running = Some(to.clone());
                            up.intent.switched(to);
                            changed = true;
                        }
                        Action::Prepare(revision) if broken.contains(revision) => {
                            changed |= up.process.failing.insert(revision.clone());
                        }
                        Action::Prepare(revision) if !up.slow => {
                            up.process.failing.remove(revision);
                            changed |= up.process.ready.insert(revision.clone());
                        }
                        Action::End => {
                            up.process.running = None;
                            changed = true;
                        }
                        Action::Prepare(_) | Action::Fallback { .. } => {}
                    }
                }
            });
            let up = self.hosts[number].up();
            ensure(up.intent.wanted().choice == choice, || {
                "what runs became what is wanted".to_owned()
            })?;
            let (running, held) = (up.process.running.clone(), up.process.held);
            let chosen = choice.revision.as_ref();
            if let (Some(running), Some(target)) = (&running, &target)
                && running != target
                && !held
                && !(waits && before.as_ref() == Some(running))
            {
                let may = chosen == Some(target) && self.ledger.admits(&choice, running);
                ensure(may, || {
                    format!("{running:?} stands in for {target:?} and publishes more")
                })?;
            }
            for action in &actions {
                if let Action::Switch {
                    behind: Some(behind),
                    ..
                } = action
                {
                    let Backing { revision, answers } = behind;
                    ensure(self.ledger.good.contains(revision), || {
                        format!("{revision:?} stands behind, and was never proven")
                    })?;
                    let may = self.ledger.admits(&choice, revision);
                    ensure(may || !answers, || {
                        format!("{revision:?} answers for {chosen:?} and publishes more")
                    })?;
                }
            }
            if !changed {
                return Ok(());
            }
        }
        Err("it does not come to rest".to_owned())
    }
}
