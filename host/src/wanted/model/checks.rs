//! What must never be so, whatever happened.

use super::super::desired::Desired;
use super::scene::{Checked, ensure};
use super::world::World;

impl World {
    pub(super) fn check(&self, number: usize) -> Checked {
        let host = &self.hosts[number];
        let Some(up) = &host.up else { return Ok(()) };
        let wanted = up.intent.wanted();
        for proven in &wanted.proven {
            ensure(self.ledger.good.contains(proven), || {
                format!("{proven:?} counts as proven, and never was")
            })?;
        }
        ensure(
            wanted.choice.revision.is_some() || up.process.running.is_none(),
            || format!("{} runs what was removed", host.name),
        )?;
        if up.process.held {
            return Ok(());
        }
        ensure(!up.process.unlooked, || {
            format!("{} publishes before it has looked", host.name)
        })?;
        if let Some((true, _, on)) = self.ledger.paused
            && on == number
        {
            let detached = up.intent.detached.is_some();
            ensure(detached, || {
                format!("{} publishes, and was paused here", host.name)
            })?;
        }
        let tried = up
            .intent
            .probation
            .as_ref()
            .map(|probation| probation.choice);
        ensure(tried.is_none() || tried != up.intent.stood, || {
            format!("{} tries again what has stood", host.name)
        })?;
        let running = up.process.running.as_ref();
        let running = running.ok_or("it publishes nothing that runs")?;
        ensure(self.ledger.granted.contains(running), || {
            format!("{running:?} runs, and nobody asked for it")
        })?;
        if let Some((true, _, on)) = self.ledger.revisions.get(running)
            && *on == number
        {
            ensure(up.intent.detached.is_some(), || {
                format!("{running:?} runs, and was withdrawn here")
            })?;
        }
        let crashes = host.crashes.get(running).copied().unwrap_or(0);
        ensure(crashes < 3 || wanted.proven.contains(running), || {
            format!("{running:?} runs after {crashes} crashes in its probation")
        })
    }

    pub(super) fn check_healed(&self) -> Checked {
        let wanted: Vec<Desired> = self
            .hosts
            .iter()
            .map(|host| host.up().intent.wanted())
            .collect();
        for pair in wanted.windows(2) {
            ensure(pair[0] == pair[1], || {
                format!("two hosts want differently: {:?} {:?}", pair[0], pair[1])
            })?;
        }
        for host in &self.hosts {
            let up = host.up();
            if let Some((true, ..)) = self.ledger.paused {
                ensure(up.process.held, || {
                    format!("{} publishes though paused last", host.name)
                })?;
            }
            if up.process.held {
                continue;
            }
            let running = up.process.running.as_ref().expect("it publishes");
            if let Some((true, ..)) = self.ledger.revisions.get(running) {
                return Err(format!("{} runs {running:?}, withdrawn last", host.name));
            }
            let target = wanted[0].target(&host.name);
            ensure(target == Some(running), || {
                format!("{} runs {running:?}, wanted is {target:?}", host.name)
            })?;
        }
        Ok(())
    }
}
