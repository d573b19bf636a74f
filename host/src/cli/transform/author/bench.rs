//! `transform bench`: how fast a component is, beside another on the same machine in the same run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::super::progress::{ProgressLine, shown};
use super::super::words::{bytes, micros, safe, table};
use super::{Found, TargetArgs, run::open_events};
use crate::cli::print::complain;
use crate::count::count_of;
use crate::event::Event;
use crate::kit::{self, Benched, Candidate, Measured, Target, Unusable, Workshop};
use crate::tasks::blocking;

#[derive(Debug, clap::Args)]
pub(in super::super) struct BenchArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Events, a line of JSON each [default: the samples]
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Another component to hold it beside, such as the version before. It is run on its own samples
    /// where it does not listen to these events
    #[arg(long, value_name = "FILE")]
    beside: Vec<PathBuf>,
    /// How long each of them runs
    #[arg(long, value_name = "SECONDS", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

pub(super) async fn bench(args: &BenchArgs) -> Result<Found, Unusable> {
    let target = args.target.target()?;
    let given = args
        .events
        .as_deref()
        .map(|file| kit::read_events(open_events(file)?))
        .transpose()?;
    let mut targets = vec![target.clone()];
    for file in &args.beside {
        targets.push(Target::find(Some(file))?);
    }
    let workshop = Workshop::open()?;
    let mut candidates = Vec::new();
    for target in &targets {
        let doing = format!("compiling and trying {}", target.file.display());
        candidates.push(shown(&doing, workshop.load(target)).await?);
    }
    match empty_beside(&workshop, &target).await {
        Ok(empty) => candidates.push(empty),
        // It is there for comparison, and nothing is wrong with a component without it.
        Err(why) => complain(&why),
    }
    let events = match given {
        Some(events) => events,
        None => samples_of(&candidates[0], &target)?,
    };
    let time = Duration::from_secs(args.seconds);
    let benched = blocking(move || measure(&candidates, &events, time)).await?;
    Ok(Found {
        text: told(&benched),
        answer: json!(benched),
        sound: benched.sides.iter().all(|side| side.faults == 0),
    })
}

/// The empty component of the same language, or why there is none.
async fn empty_beside(workshop: &Workshop, target: &Target) -> Result<Candidate, String> {
    let Some(project) = &target.project else {
        return Err(
            "beside no empty component: a file alone does not say how it is built; name the \
             folder of its project instead"
                .to_owned(),
        );
    };
    let language = project.language;
    let doing = format!("building and compiling an empty component in {language}");
    let empty = shown(&doing, workshop.load_empty(project)).await;
    empty.map_err(|why| format!("beside no empty component in {language}: {why}"))
}

fn measure(
    candidates: &[Candidate],
    events: &[Event],
    time: Duration,
) -> Result<Benched, Unusable> {
    let sides: Vec<_> = candidates
        .iter()
        .map(|candidate| {
            let wanted = kit::wanted(candidate, events.iter().cloned());
            match wanted.is_empty() {
                true => (candidate, kit::own_events(candidate)),
                false => (candidate, wanted),
            }
        })
        .collect();
    let progress = ProgressLine::bar();
    kit::bench(&sides, time, |part| progress.tell("measuring", Some(part)))
}

/// The events of all samples that have no settings of their own; of all, where each has some.
fn samples_of(candidate: &Candidate, target: &Target) -> Result<Vec<Event>, Unusable> {
    let (mut plain, with_settings): (Vec<_>, Vec<_>) = kit::all_samples(candidate, target)?
        .into_iter()
        .partition(|sample| sample.settings.is_none());
    if plain.is_empty() {
        plain = with_settings;
    }
    Ok(plain.into_iter().map(|sample| sample.event).collect())
}

fn told(benched: &Benched) -> String {
    let first = benched
        .sides
        .first()
        .map_or(0.0, |side| side.events_per_second);
    let row = |side: &Measured| {
        [
            safe(&name(Path::new(&side.name))),
            format!("{:.0}", side.events_per_second),
            micros(side.times.p50),
            micros(side.times.p99),
            bytes(side.memory_bytes),
            bytes(side.size),
            side.faults.to_string(),
            match first > 0.0 {
                true => format!("{:.2}", side.events_per_second / first),
                false => "-".to_owned(),
            },
        ]
    };
    let header = [
        "COMPONENT",
        "EVENTS/S",
        "P50",
        "P99",
        "MEMORY",
        "FILE",
        "FAULTS",
        "RATE",
    ];
    let events = count_of(benched.events, "event");
    format!(
        "{}\none core, call and guard, {events} again and again, turn by turn\n",
        table(header, benched.sides.iter().map(row))
    )
}

fn name(file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str());
    name.to_string_lossy().into_owned()
}
