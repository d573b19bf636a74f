//! What a message costs from Redis to the frame, whoever gets it: the host's processor time for
//! bursts with one client, which gets each burst in a few writes. And the same in a cluster, where
//! each event is also remembered in case of a move.

use anyhow::Result;

use crate::feed::Markets;
use crate::host::{Binary, Servers};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Pace;
use crate::row::{Row, Target};
use crate::side::{Audience, Side};

const MESSAGES: usize = 3_000;

/// Bursts of a round: the host warms up in them, as it is when something happens.
const BURSTS: usize = 5;

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    progress(&format!(
        "pipeline: bursts of {MESSAGES} messages to one client"
    ));
    let audience = Audience {
        clients: 1,
        markets: Markets(MESSAGES),
    };
    let mut single = Side::host(binary, audience)?;
    let mut cluster = Side::host_on(binary, Servers::Cluster, audience)?;
    for side in [&mut single, &mut cluster] {
        side.send(Pace::AtOnce, MESSAGES)?;
    }
    let (mut each, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (alone, among) = (a_message(&mut single)?, a_message(&mut cluster)?);
        each.push(alone);
        ratios.push(among / alone);
    }
    let what = "pipeline, Redis to frame: CPU a message";
    let compared = "pipeline: CPU a message, in a cluster ÷ on a single server";
    Ok(vec![
        Row::new(what, "µs", Target::AtMost(8.0), each),
        Row::new(compared, "÷", Target::AtMost(1.1), ratios),
    ])
}

/// The host's processor time for a message, in µs.
fn a_message(side: &mut Side<'_>) -> Result<f64> {
    let mut cpu = 0.0;
    for _ in 0..BURSTS {
        cpu += side.send(Pace::AtOnce, MESSAGES)?.cpu.as_secs_f64();
    }
    Ok(cpu * 1e6 / (BURSTS * MESSAGES) as f64)
}
