//! The figures of swaps, as a table of differences for people and as JSON for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{Delays, Plan, Quiet, Round, Step};
use crate::spread::Spread;

/// What an apply may add to the delay of 99 of 100 deliveries, in milliseconds.
const TARGET: f64 = 5.0;

pub(crate) fn table(plan: &Plan, rounds: &[Round]) -> String {
    let Plan {
        sessions,
        markets,
        rate,
        ..
    } = plan;
    let mut text = format!(
        "\n{:<45}{:>10}{:>12}    grows by\n",
        format!("{rate} events a second, each to {}", sessions / markets),
        "swap",
        "quiet"
    );
    type Which = fn(&Round) -> &Delays;
    let whole: Which = |round| &round.whole;
    let applying: Which = |round| &round.applying;
    let returning: Which = |round| &round.returning;
    let watched: Which = |round| &round.watched.delays;
    for (when, which) in [
        ("upload to apply", whole),
        ("the apply alone", applying),
        ("the rollback", returning),
        ("on probation", watched),
    ] {
        for (what, figure) in [
            ("middle", (|delays| delays.p50) as fn(&Delays) -> f64),
            ("99 of 100", |delays| delays.p99),
        ] {
            let millis = |delays: &Delays| figure(delays) / 1e3;
            let swap = rounds.iter().map(|round| millis(which(round)));
            let quiet = rounds.iter().map(|round| millis(&round.quiet.delays));
            let name = format!("Delay, {what}, {when} (ms)");
            line(&mut text, &name, swap, quiet, |swap, quiet| swap - quiet);
        }
    }
    let cpu = |quiet: &Quiet| quiet.cpu;
    line(
        &mut text,
        "CPU an event, on probation (µs)",
        rounds.iter().map(|round| cpu(&round.watched)),
        rounds.iter().map(|round| cpu(&round.quiet)),
        |swap, quiet| swap - quiet,
    );
    text.push('\n');
    type Time = fn(&Round) -> f64;
    for (name, time) in [
        ("Upload, compile, check (ms)", (|r| r.push.millis()) as Time),
        ("Plan (ms)", |r| r.plan.millis()),
        ("Apply (ms)", |r| r.apply.millis()),
        ("Rollback (ms)", |r| r.rollback.millis()),
        ("Switch of an apply (µs)", |r| r.apply.switch),
        ("Switch of a rollback (µs)", |r| r.rollback.switch),
        ("Rollback ÷ apply", |r| {
            r.rollback.millis() / r.apply.millis()
        }),
    ] {
        let spread = Spread::of(rounds.iter().map(time));
        writeln!(text, "{name:<45}{spread}").expect("writing to a String does not fail");
    }
    let p99 = |round: &Round| (round.whole.p99 - round.quiet.delays.p99) / 1e3;
    let held = rounds.iter().filter(|round| p99(round) < TARGET).count();
    writeln!(
        text,
        "\nThe delay of 99 of 100 deliveries grew by less than {TARGET} ms in {held} of {} rounds.",
        rounds.len()
    )
    .expect("writing to a String does not fail");
    text
}

fn line(
    text: &mut String,
    name: &str,
    swap: impl Iterator<Item = f64> + Clone,
    quiet: impl Iterator<Item = f64> + Clone,
    compare: fn(f64, f64) -> f64,
) {
    let compared = Spread::of(swap.clone().zip(quiet.clone()).map(|(a, b)| compare(a, b)));
    let (swap, quiet) = (Spread::of(swap).median, Spread::of(quiet).median);
    writeln!(text, "{name:<45}{swap:>10.2}{quiet:>12.2}    {compared}")
        .expect("writing to a String does not fail");
}

pub(crate) fn json(plan: &Plan, rounds: &[Round]) -> Value {
    let delays = |delays: &Delays| {
        json!({
            "deliveries": delays.deliveries,
            "p50_us": delays.p50,
            "p99_us": delays.p99,
            "longest_us": delays.longest,
        })
    };
    let quiet = |quiet: &Quiet| json!({"delays": delays(&quiet.delays), "cpu_us": quiet.cpu});
    let swap = |step: &Step| json!({"ms": step.millis(), "switch_us": step.switch});
    let round = |round: &Round| {
        json!({
            "quiet": quiet(&round.quiet),
            "watched": quiet(&round.watched),
            "whole": delays(&round.whole),
            "applying": delays(&round.applying),
            "returning": delays(&round.returning),
            "push_ms": round.push.millis(),
            "plan_ms": round.plan.millis(),
            "apply": swap(&round.apply),
            "rollback": swap(&round.rollback),
        })
    };
    json!({
        "sessions": plan.sessions,
        "channels": plan.markets,
        "events_per_second": plan.rate,
        "rounds": rounds.iter().map(round).collect::<Value>(),
    })
}
