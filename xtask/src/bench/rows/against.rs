//! What a delivery costs beside another host's, in turns: a build before a change, or one without
//! something. Of all that is compared, only the two binaries differ.

use anyhow::Result;

use crate::feed::Markets;
use crate::host::Binary;
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Pace;
use crate::row::{Row, Target};
use crate::side::{Audience, Batch, Side};

use super::paced;

/// Messages and clients of a burst.
const BURST: (usize, usize) = (300, 1_000);

/// Messages a second to the same clients.
const RATE: u32 = 100;

/// What both hosts took for the same batch.
struct Pair {
    ours: Batch,
    theirs: Batch,
}

impl Pair {
    /// Whichever goes second finds the machine as the first has left it, so they swap places.
    fn measure(
        sides: &mut [Side<'_>; 2],
        ours_first: bool,
        pace: Pace,
        messages: usize,
    ) -> Result<Self> {
        let [ours, theirs] = sides;
        if ours_first {
            let ours = ours.send(pace, messages)?;
            let theirs = theirs.send(pace, messages)?;
            Ok(Self { ours, theirs })
        } else {
            let theirs = theirs.send(pace, messages)?;
            let ours = ours.send(pace, messages)?;
            Ok(Self { ours, theirs })
        }
    }
}

/// `theirs` is the host that stands below the line.
pub(crate) fn measure(plan: &Plan, ours: &Binary, theirs: &Binary) -> Result<Vec<Row>> {
    let (messages, clients) = BURST;
    let markets = Markets(messages);
    let audience = Audience { clients, markets };
    let mut rows = compare(
        plan,
        [Side::host(ours, audience)?, Side::host(theirs, audience)?],
        &format!("burst {messages} × {clients}"),
        (Pace::AtOnce, messages),
    )?;
    let audience = paced::AUDIENCE;
    rows.extend(compare(
        plan,
        [Side::host(ours, audience)?, Side::host(theirs, audience)?],
        &format!("{RATE} msgs/s × {}", audience.clients),
        (Pace::PerSecond(RATE), paced::messages(plan, RATE)),
    )?);
    Ok(rows)
}

fn compare(
    plan: &Plan,
    mut sides: [Side<'_>; 2],
    name: &str,
    (pace, messages): (Pace, usize),
) -> Result<Vec<Row>> {
    let mut pairs = Vec::with_capacity(plan.turns);
    // The first is to warm up.
    for number in 0..=plan.turns {
        progress(&format!("{name}: turn {number} of {}", plan.turns));
        let pair = Pair::measure(&mut sides, number % 2 == 0, pace, messages)?;
        if number > 0 {
            pairs.push(pair);
        }
    }
    let row = |what: &str, unit, figure: fn(&Pair) -> f64| {
        Row::new(
            format!("{name}: {what}"),
            unit,
            Target::None,
            pairs.iter().map(figure),
        )
    };
    Ok(vec![
        row("CPU a delivery ÷ the other host's", "÷", |pair| {
            pair.ours.each() / pair.theirs.each()
        }),
        row("CPU a delivery", "µs", |pair| pair.ours.each()),
        row("CPU a delivery, the other host", "µs", |pair| {
            pair.theirs.each()
        }),
    ])
}
