//! Whether a delivery's cost stays the same as everything grows: sessions, beside the coalescing
//! loop, whose cost grows with what the kernel has to hold; channels; and patterns that other
//! sessions hold and nothing matches.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::bare::{self, Baseline};
use crate::crowd::{self, Crowd, Wish};
use crate::door::Door;
use crate::feed::Markets;
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Trigger;
use crate::row::{Row, Target};
use crate::side::Process;

/// A sender, and who gets what it sends.
struct Point<'a> {
    trigger: Trigger,
    crowds: Vec<Crowd>,
    next: usize,
    process: Process<'a>,
}

impl<'a> Point<'a> {
    fn host(binary: &'a Binary, clients: usize, wish: Wish, markets: Markets) -> Result<Self> {
        let host = Host::start(binary, &[])?;
        let trigger = Trigger::redis(host.ground.redis_port, markets)?;
        Self::new(
            &host.door(),
            trigger,
            clients,
            wish,
            Process::Host(host.into()),
        )
    }

    fn coalescing(clients: usize) -> Result<Self> {
        let (mut child, address) = bare::start(Baseline::Coalescing, clients, Markets(1))?;
        let trigger = Trigger::Line(child.stdin()?);
        let door = Door { address, key: None };
        Self::new(&door, trigger, clients, Wish::One, Process::Loop(child))
    }

    fn new(
        door: &Door,
        trigger: Trigger,
        clients: usize,
        wish: Wish,
        process: Process<'a>,
    ) -> Result<Self> {
        let mut crowds = Vec::new();
        for first in (0..clients).step_by(crowd::MOST) {
            let part = (clients - first).min(crowd::MOST);
            crowds.push(Crowd::start(door, first, part, wish)?);
        }
        crowds.iter_mut().try_for_each(Crowd::ready)?;
        Ok(Self {
            trigger,
            crowds,
            next: 0,
            process,
        })
    }

    fn clients(&self) -> usize {
        self.crowds.iter().map(|crowd| crowd.clients).sum()
    }

    /// The sender's processor time for so many bursts.
    fn send(&mut self, bursts: usize, messages: usize) -> Result<Duration> {
        let mut cpu = Duration::ZERO;
        for _ in 0..bursts {
            for crowd in &mut self.crowds {
                crowd.expect(messages * crowd.clients)?;
            }
            let before = self.process.child().cpu()?;
            self.trigger.fire(self.next, messages)?;
            self.next += messages;
            for crowd in &mut self.crowds {
                let (got, expected) = (crowd.got()?, messages * crowd.clients);
                ensure!(got == expected, "{got} of {expected} messages arrived");
            }
            cpu += self.process.child().cpu()?.since(&before);
        }
        Ok(cpu)
    }

    /// Microseconds for each delivery.
    fn each(&mut self, bursts: usize, messages: usize) -> Result<f64> {
        let cpu = self.send(bursts, messages)?.as_secs_f64();
        Ok(cpu * 1e6 / (bursts * messages * self.clients()) as f64)
    }
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let mut rows = sessions(plan, binary)?;
    rows.extend(channels(plan, binary)?);
    rows.extend(patterns(plan, binary)?);
    Ok(rows)
}

/// Messages of a burst to a growing number of sessions.
const MESSAGES: usize = 100;

/// For few sessions there are more bursts, so that the clock can tell.
fn bursts(sessions: usize) -> usize {
    (2_000 / sessions).clamp(1, 20)
}

fn sessions(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let [few, _, many] = plan.flat;
    progress(&format!(
        "flat: connecting up to {many} sessions to a host and to a loop"
    ));
    let one_market = Markets(1);
    let mut single = Point::host(binary, 1, Wish::One, one_market)?;
    let mut pairs = Vec::new();
    for sessions in plan.flat {
        let host = Point::host(binary, sessions, Wish::One, one_market)?;
        pairs.push((host, Point::coalescing(sessions)?));
    }
    let (mut host, mut loops) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
    for round in 0..=plan.rounds {
        progress(&format!("flat: sessions, round {round} of {}", plan.rounds));
        let pipeline = single.send(20, MESSAGES)?.as_secs_f64() * 1e6 / (20 * MESSAGES) as f64;
        for (n, (point, coalescing)) in pairs.iter_mut().enumerate() {
            let bursts = bursts(plan.flat[n]);
            let each = point.each(bursts, MESSAGES)? - pipeline / plan.flat[n] as f64;
            let floor = coalescing.each(bursts, MESSAGES)?;
            if round > 0 {
                host[n].push(each);
                loops[n].push(floor);
            }
        }
    }
    let grown = |costs: &[Vec<f64>], n: usize| -> Vec<f64> {
        costs[n]
            .iter()
            .zip(&costs[0])
            .map(|(more, few)| more / few)
            .collect()
    };
    let mut rows = Vec::new();
    for (n, sessions) in plan.flat.into_iter().enumerate().skip(1) {
        let (ours, theirs) = (grown(&host, n), grown(&loops, n));
        let beside = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs);
        let growth = format!("a delivery, {sessions} ÷ {few} sessions");
        let what = format!("{growth}, beside the coalescing loop");
        rows.push(Row::new(what, "÷", Target::AtMost(1.1), beside));
        rows.push(Row::new(
            format!("{growth}, the host's"),
            "÷",
            Target::None,
            ours,
        ));
        rows.push(Row::new(
            format!("{growth}, the loop's"),
            "÷",
            Target::None,
            theirs,
        ));
    }
    Ok(rows)
}

fn channels(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    const CLIENTS: usize = 100;
    const MESSAGES: usize = 200;
    let counts = [1, 100, 10 * plan.flat[1]];
    progress(&format!("flat: 1 to {} channels", counts[2]));
    let mut points = Vec::new();
    for channels in counts {
        let mut point = Point::host(binary, CLIENTS, Wish::Everything, Markets(channels))?;
        // All channels are known when it begins.
        point.send((channels / MESSAGES).max(5), MESSAGES)?;
        points.push(point);
    }
    let mut costs = vec![Vec::new(); points.len()];
    for _ in 0..plan.rounds {
        for (point, costs) in points.iter_mut().zip(&mut costs) {
            costs.push(point.each(10, MESSAGES)?);
        }
    }
    let growth = |n: usize| {
        costs[n]
            .iter()
            .zip(&costs[0])
            .map(|(more, single)| more / single)
    };
    let row = |n: usize| {
        let what = format!("a delivery, {} ÷ 1 channels", counts[n]);
        Row::new(what, "÷", Target::AtMost(1.1), growth(n))
    };
    Ok(vec![row(1), row(2)])
}

fn patterns(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    const HOLDERS: usize = 100;
    const EACH: usize = 100;
    const MESSAGES: usize = 100;
    progress("flat: 10,000 patterns that nothing matches");
    let clients = plan.flat[1];
    let mut without = Point::host(binary, clients, Wish::One, Markets(1))?;
    let mut with = Point::host(binary, clients, Wish::One, Markets(1))?;
    let Process::Host(host) = &with.process else {
        unreachable!("it was made a host above");
    };
    let mut holders = Crowd::start(&host.door(), clients, HOLDERS, Wish::Foreign(EACH))?;
    holders.ready()?;
    let mut ratios = Vec::new();
    for round in 0..=plan.rounds {
        let ratio = with.each(3, MESSAGES)? / without.each(3, MESSAGES)?;
        if round > 0 {
            ratios.push(ratio);
        }
    }
    let what = format!(
        "a delivery, with ÷ without {} foreign wildcards",
        HOLDERS * EACH
    );
    Ok(vec![Row::new(what, "÷", Target::AtMost(1.1), ratios)])
}
