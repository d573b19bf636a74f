//! What a message costs from Redis to the frame, whoever gets it: the host's processor time for
//! bursts with one client, which gets each burst in a few writes.

use anyhow::Result;

use crate::feed::Markets;
use crate::host::Binary;
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
    let mut side = Side::host(binary, audience)?;
    side.send(Pace::AtOnce, MESSAGES)?;
    let mut each = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let mut cpu = 0.0;
        for _ in 0..BURSTS {
            cpu += side.send(Pace::AtOnce, MESSAGES)?.cpu.as_secs_f64();
        }
        each.push(cpu * 1e6 / (BURSTS * MESSAGES) as f64);
    }
    let what = "pipeline, Redis to frame: CPU a message";
    Ok(vec![Row::new(what, "µs", Target::AtMost(8.0), each)])
}
