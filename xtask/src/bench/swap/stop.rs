//! What a stop takes while another transform is made ready and switched in 64 lanes: from the
//! request to the answer, which comes when no lane lets anything through and the disk has it.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};

use super::operator::{self, Operator};
use super::{TRANSFORM, builtin};
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Shared;
use crate::row::{Row, Target};
use crate::spread::Ranked;

/// The one that is at work meanwhile.
const OTHER: &str = "signal";

/// Of that one.
const LANES: usize = 64;

/// Pauses of a round.
const PAUSES: usize = 60;

/// What a stop may take at 99 of 100, in milliseconds.
const TARGET: f64 = 50.0;

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let settings = format!(
        "[[transform]]\ncomponent = \"builtin:{TRANSFORM}\"\n\n\
         [[transform]]\ncomponent = \"builtin:{OTHER}\"\nlanes = {LANES}\n"
    );
    let host = Host::with_settings(binary, &settings, &["--state-dir", "state"])?;
    let component = builtin(OTHER)?;
    let clock = Shared::new(1);
    let operator = Operator {
        host: host.admin,
        clock: &clock,
    };
    let (mut stops, mut candidates) = (Vec::new(), 0..);
    for number in 0..plan.rounds {
        progress(&format!("stop: round {} of {}", number + 1, plan.rounds));
        stops.push(round(&operator, &component, &mut candidates)?);
    }
    let row = |what: &str, target, part: f64| {
        let what = format!("stop: pause, while another is applied in {LANES} lanes, {what}");
        let times = stops.iter().map(|stops: &Ranked| stops.rank(part) / 1e3);
        Row::new(what, "ms", target, times)
    };
    Ok(vec![
        row("99 of 100", Target::AtMost(TARGET), 0.99),
        row("middle", Target::None, 0.5),
    ])
}

fn round(
    operator: &Operator<'_>,
    component: &[u8],
    candidates: &mut impl Iterator<Item = usize>,
) -> Result<Ranked> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pausing = scope.spawn(|| {
            let paused = pauses(operator);
            done.store(true, Ordering::Relaxed);
            paused
        });
        while !done.load(Ordering::Relaxed) {
            let number = candidates.next().context("there is always another")?;
            let candidate = operator::candidate(component, number);
            let (revision, _) = operator.push(&candidate)?;
            let (plan, _) = operator.plan(&revision)?;
            operator.apply(&plan)?;
        }
        let paused = pausing.join();
        paused.map_err(|_| anyhow!("the operator's thread panicked"))?
    })
}

fn pauses(operator: &Operator<'_>) -> Result<Ranked> {
    let mut times = Vec::with_capacity(PAUSES);
    for _ in 0..PAUSES {
        let step = operator.pause(TRANSFORM)?;
        times.push(step.to - step.from);
        operator.resume(TRANSFORM)?;
    }
    Ok(Ranked::of(times.into_iter()))
}
