//! One message to a thousand sessions, 20 and 100 times a second. At the higher rate the bare
//! loop takes a core, and whoever gathers what waits is cheaper.

use anyhow::Result;

use crate::bare::Baseline;
use crate::feed::Markets;
use crate::host::Binary;
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Pace;
use crate::row::{Row, Target};
use crate::side::{Audience, Batch, Side};

pub(crate) const AUDIENCE: Audience = Audience {
    clients: 1_000,
    markets: Markets(1),
};

/// Messages a second, and what a delivery may cost beside the bare loop.
const RATES: [(u32, f64); 2] = [(20, 1.1), (100, 0.9)];

struct PacedRound {
    host: Batch,
    bare: Batch,
    coalescing: Batch,
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    progress(&format!(
        "paced: connecting {} clients to each side",
        AUDIENCE.clients
    ));
    let mut host = Side::host(binary, AUDIENCE)?;
    let mut bare = Side::of(Baseline::Bare, AUDIENCE)?;
    let mut coalescing = Side::of(Baseline::Coalescing, AUDIENCE)?;
    let mut rounds = RATES.map(|_| Vec::with_capacity(plan.rounds));
    for number in 1..=plan.rounds {
        for ((rate, _), rounds) in RATES.iter().zip(&mut rounds) {
            progress(&format!(
                "{rate} a second: round {number} of {}",
                plan.rounds
            ));
            let messages = messages(plan, *rate);
            let pace = Pace::PerSecond(*rate);
            rounds.push(PacedRound {
                host: host.send(pace, messages)?,
                bare: bare.send(pace, messages)?,
                coalescing: coalescing.send(pace, messages)?,
            });
        }
    }
    let mut rows = Vec::new();
    for ((rate, limit), rounds) in RATES.iter().zip(&rounds) {
        let name = format!("{rate} msgs/s × {}", AUDIENCE.clients);
        let mut row = |what: &str, unit, target, figure: fn(&PacedRound) -> f64| {
            let figures = rounds.iter().map(figure);
            rows.push(Row::new(format!("{name}: {what}"), unit, target, figures));
        };
        row(
            "CPU a delivery ÷ bare loop",
            "÷",
            Target::AtMost(*limit),
            |round| round.host.each() / round.bare.each(),
        );
        row("lost", "%", Target::Never, |round| {
            round.host.losses.percent()
        });
        row(
            "CPU a delivery ÷ coalescing loop",
            "÷",
            Target::None,
            |round| round.host.each() / round.coalescing.each(),
        );
        row("CPU a delivery", "µs", Target::None, |round| {
            round.host.each()
        });
        row(
            "CPU of the readers ÷ bare loop's",
            "÷",
            Target::None,
            |round| round.host.reader.as_secs_f64() / round.bare.reader.as_secs_f64(),
        );
        for (what, part) in [("middle", 0.5), ("99 of 100", 0.99)] {
            let delay = |batch: &Batch| batch.delays(AUDIENCE.clients).rank(part);
            let figures = rounds
                .iter()
                .map(|round| delay(&round.host) / delay(&round.bare));
            let what = format!("{name}: delay, {what} ÷ bare loop");
            rows.push(Row::new(what, "÷", Target::None, figures));
        }
    }
    Ok(rows)
}

/// Messages of a batch at that rate.
pub(crate) fn messages(plan: &Plan, rate: u32) -> usize {
    (plan.paced.as_secs_f64() * f64::from(rate)) as usize
}
