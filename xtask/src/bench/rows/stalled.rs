//! What sessions that do not read cost those who do: the delay of 99 of 100 deliveries to 900
//! clients, while 100 more read, and while 100 more have stopped reading.

use anyhow::Result;

use super::paced;
use crate::host::Binary;
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Pace;
use crate::row::{Row, Target};
use crate::side::{Audience, Side};

const RATE: u32 = 100;

const READING: usize = 900;

/// Of those that stop, so that this is soon felt.
const BUFFER: usize = 2 << 10;

/// Messages until the host can give those that have stopped no more.
const FILLING: usize = 250;

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    progress("stalled: connecting 900 clients, and 100 more in each round");
    let clients = paced::AUDIENCE.clients;
    let audience = Audience {
        clients: READING,
        ..paced::AUDIENCE
    };
    let mut side = Side::host(binary, audience)?;
    let (pace, messages) = (Pace::PerSecond(RATE), paced::messages(plan, RATE));
    let (mut ratios, mut lost) = (Vec::new(), Vec::new());
    for number in 1..=plan.rounds {
        progress(&format!("stalled: round {number} of {}", plan.rounds));
        let more = |side: &Side<'_>| (READING..clients).map(|n| side.enter(n, BUFFER)).collect();
        let reading: Result<_> = more(&side);
        side.admit(reading?)?;
        side.send(Pace::AtOnce, FILLING)?;
        let none = side.send(pace, messages)?;
        side.keep(READING);
        let stalled: Result<Vec<_>> = more(&side);
        let stalled = stalled?;
        side.send(Pace::AtOnce, FILLING)?;
        let some = side.send(pace, messages)?;
        drop(stalled);
        ratios.push(some.delays(READING).rank(0.99) / none.delays(READING).rank(0.99));
        lost.push(some.losses.percent());
    }
    let name = format!("{RATE} msgs/s × {clients}, 10 % stalled");
    let delay = format!("{name}: delay of 99 of 100 ÷ none stalled");
    Ok(vec![
        Row::new(delay, "÷", Target::AtMost(1.1), ratios),
        Row::new(
            format!("{name}: lost by the others"),
            "%",
            Target::Never,
            lost,
        ),
    ])
}
