//! A burst of 3,000 candles, some 690 KB a client, to readers that are not fast: what each kind
//! of them does not get, told or in silence.

use std::time::Duration;

use anyhow::{Result, anyhow};

use crate::feed::{self, Markets};
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Trigger;
use crate::row::{Row, Target};
use crate::sip::{self, Habit};
use crate::tally::{Losses, Range};

/// Clients of each kind.
const CLIENTS: usize = 4;

const READERS: [(&str, Habit); 5] = [
    ("reads all the time", Habit::Always),
    ("looks every 25 ms", Habit::Looks(Duration::from_millis(25))),
    ("2.5 MB/s", Habit::Sips(2_500_000)),
    ("0.5 MB/s", Habit::Sips(500_000)),
    ("0.1 MB/s", Habit::Sips(100_000)),
];

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let markets = Markets(plan.burst);
    let host = Host::start(binary, &[])?;
    let mut trigger = Trigger::redis(host.ground.redis_port, markets)?;
    let mut rounds = Vec::new();
    for round in 0..plan.losses {
        progress(&format!("losses: round {} of {}", round + 1, plan.losses));
        let range = Range {
            first: round * plan.burst,
            messages: plan.burst,
            markets,
        };
        rounds.push(burst(&host, &mut trigger, range)?);
    }
    let mut rows = Vec::new();
    for (kind, (name, _)) in READERS.iter().enumerate() {
        let what = format!("burst to a reader, {name}");
        rows.extend(loss_rows(&what, rounds.iter().map(|round| round[kind])));
    }
    Ok(rows)
}

/// What is lost, and what of it in silence where there is some.
pub(super) fn loss_rows(what: &str, rounds: impl Iterator<Item = Losses> + Clone) -> Vec<Row> {
    let lost = rounds.clone().map(Losses::percent);
    let mut rows = vec![Row::new(format!("{what}: lost"), "%", Target::Never, lost)];
    if rounds.clone().any(|losses| losses.lost() > 0) {
        let silent = rounds.map(|losses| 100.0 * losses.silent as f64 / losses.wanted as f64);
        rows.push(Row::new(
            format!("{what}: in silence"),
            "%",
            Target::Never,
            silent,
        ));
    }
    rows
}

/// The losses of each kind of reader.
fn burst(host: &Host<'_>, trigger: &mut Trigger, range: Range) -> Result<Vec<Losses>> {
    let door = host.door();
    let everything = [feed::EVERYTHING.to_owned()];
    std::thread::scope(|scope| {
        let mut readers = Vec::new();
        for (kind, (_, habit)) in READERS.into_iter().enumerate() {
            for n in 0..CLIENTS {
                let client = door.enter(n, &everything)?;
                let reading = scope.spawn(move || sip::drink(client, habit, range));
                readers.push((kind, reading));
            }
        }
        trigger.fire(range.first, range.messages)?;
        let mut losses = vec![Losses::default(); READERS.len()];
        for (kind, reading) in readers {
            let of_one = reading.join().map_err(|_| anyhow!("a reader panicked"))??;
            losses[kind] = losses[kind].and(of_one);
        }
        Ok(losses)
    })
}
