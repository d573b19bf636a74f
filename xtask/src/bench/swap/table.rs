//! The figures of swaps, as rows: how much longer delays are, and how long each step takes.

use super::{Delays, SwapRound};
use crate::row::{Row, Target};

/// What an apply may add to the delay of 99 of 100 deliveries, in milliseconds.
const TARGET: f64 = 5.0;

pub(super) fn rows(rounds: &[SwapRound]) -> Vec<Row> {
    let row = |what: &str, unit, target, figure: &dyn Fn(&SwapRound) -> f64| {
        Row::new(what, unit, target, rounds.iter().map(figure))
    };
    type Which = fn(&SwapRound) -> &Delays;
    let times: [(&str, Target, Which); 4] = [
        ("upload to apply", Target::AtMost(TARGET), |round| {
            &round.whole
        }),
        ("the apply alone", Target::None, |round| &round.applying),
        ("the rollback", Target::None, |round| &round.returning),
        ("on probation", Target::None, |round| &round.watched.delays),
    ];
    let mut rows = Vec::new();
    for (when, target, which) in times {
        let what = format!("swap: delay of 99 of 100, {when}, longer by");
        let longer = |round: &SwapRound| (which(round).p99 - round.quiet.delays.p99) / 1e3;
        rows.push(row(&what, "ms", target, &longer));
    }
    rows.push(row(
        "swap: CPU an event, on probation ÷ otherwise",
        "÷",
        Target::None,
        &|round| round.watched.cpu / round.quiet.cpu,
    ));
    rows.push(row(
        "swap: delay, middle, upload to apply, longer by",
        "ms",
        Target::None,
        &|round| (round.whole.p50 - round.quiet.delays.p50) / 1e3,
    ));
    type Time = fn(&SwapRound) -> f64;
    let steps: [(&str, &'static str, Time); 6] = [
        ("swap: upload, compile, check", "ms", |round| {
            round.push.millis()
        }),
        ("swap: plan", "ms", |round| round.plan.millis()),
        ("swap: apply", "ms", |round| round.apply.millis()),
        ("swap: rollback", "ms", |round| round.rollback.millis()),
        ("swap: switch of an apply", "µs", |round| {
            round.apply.switch
        }),
        ("swap: switch of a rollback", "µs", |round| {
            round.rollback.switch
        }),
    ];
    rows.extend(steps.map(|(what, unit, time)| row(what, unit, Target::None, &time)));
    rows
}
