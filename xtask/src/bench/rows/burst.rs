//! Bursts, as at the turn of an hour: many channels at once to all who want everything, by the
//! host, the bare and the coalescing loop in turns, and by a host with one client, which says
//! what the messages cost before they meet their receivers.

use anyhow::Result;

use crate::bare::Baseline;
use crate::feed::Markets;
use crate::host::Binary;
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Pace;
use crate::row::{Row, Target};
use crate::side::{Audience, Batch, Side};

/// Messages, clients, and what a delivery may cost beside the coalescing loop: without the
/// pipeline's share and with it.
const BURSTS: [(usize, usize, Target, Target); 2] = [
    (300, 1_000, Target::None, Target::AtMost(1.4)),
    (3_000, 100, Target::AtMost(1.4), Target::AtMost(2.5)),
];

struct BurstRound {
    host: Batch,
    bare: Batch,
    coalescing: Batch,
    alone: Batch,
}

impl BurstRound {
    /// What the host's delivery costs beside another, less what a burst costs with one client.
    fn without_pipeline(&self) -> f64 {
        let less = self.host.cpu.saturating_sub(self.alone.cpu).as_secs_f64() * 1e6;
        less / self.host.deliveries.len() as f64 / self.coalescing.each()
    }
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (messages, clients, without, with) in BURSTS {
        let rounds = rounds(plan, binary, messages, clients)?;
        let name = format!("burst {messages} × {clients}");
        let mut row = |what: &str, unit, target, figure: fn(&BurstRound) -> f64| {
            let figures = rounds.iter().map(figure);
            rows.push(Row::new(format!("{name}: {what}"), unit, target, figures));
        };
        row("CPU a delivery ÷ coalescing loop", "÷", with, |round| {
            round.host.each() / round.coalescing.each()
        });
        row(
            "the same without the pipeline's share",
            "÷",
            without,
            BurstRound::without_pipeline,
        );
        row("CPU a delivery ÷ bare loop", "÷", Target::None, |round| {
            round.host.each() / round.bare.each()
        });
        row("CPU a delivery", "µs", Target::None, |round| {
            round.host.each()
        });
        row(
            "CPU a delivery, coalescing loop",
            "µs",
            Target::None,
            |round| round.coalescing.each(),
        );
        row(
            "first message to last read ÷ coalescing loop",
            "÷",
            Target::None,
            |round| round.host.lasted.as_secs_f64() / round.coalescing.lasted.as_secs_f64(),
        );
        row("lost", "%", Target::Never, |round| {
            round.host.losses.percent()
        });
    }
    Ok(rows)
}

fn rounds(
    plan: &Plan,
    binary: &Binary,
    messages: usize,
    clients: usize,
) -> Result<Vec<BurstRound>> {
    progress(&format!("burst: connecting {clients} clients to each side"));
    let markets = Markets(messages);
    let audience = Audience { clients, markets };
    let alone = Audience {
        clients: 1,
        markets,
    };
    let mut host = Side::host(binary, audience)?;
    let mut single = Side::host(binary, alone)?;
    let mut bare = Side::of(Baseline::Bare, audience)?;
    let mut coalescing = Side::of(Baseline::Coalescing, audience)?;
    let mut rounds = Vec::with_capacity(plan.rounds);
    // The first is to warm up.
    for number in 0..=plan.rounds {
        progress(&format!(
            "burst {messages} × {clients}: round {number} of {}",
            plan.rounds
        ));
        let round = BurstRound {
            host: host.send(Pace::AtOnce, messages)?,
            alone: single.send(Pace::AtOnce, messages)?,
            bare: bare.send(Pace::AtOnce, messages)?,
            coalescing: coalescing.send(Pace::AtOnce, messages)?,
        };
        if number > 0 {
            rounds.push(round);
        }
    }
    Ok(rounds)
}
