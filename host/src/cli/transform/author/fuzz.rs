//! `transform fuzz`: how long it looks, with what, and what people read of what it found.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::progress::{ProgressLine, shown};
use super::super::words::{Paint, safe};
use super::{Found, TargetArgs};
use crate::count::{count, count_of};
use crate::files;
use crate::kit::fuzz::{FuzzFinding, FuzzReport, SearchBound, starting_events};
use crate::kit::{MayDepend, Unusable, Workshop};
use crate::revision::certificate::Certificate;
use crate::tasks::blocking;
use crate::transform::RevisionId;

#[derive(Debug, clap::Args)]
pub(in super::super) struct FuzzArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// The number that everything that is tried follows from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long to look
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = some_time)]
    time: Duration,
    /// How many events to look with instead, give or take some: the same each time for one seed
    #[arg(long, value_name = "N", conflicts_with = "time",
          value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Stop at the first finding
    #[arg(long)]
    first: bool,
    /// Where nothing is found, write what was tried to this file, for `push --certificate`
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
}

/// What stands before the lines that declare a finding.
const HOW_TO_DECLARE: &str = "  if that is meant, tidegate-transform.toml says so (if the field is public, and only goes out in \
     another form, too):";

fn some_time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let longest = Duration::from_secs(24 * 60 * 60);
    match (Duration::from_secs(1)..=longest).contains(&time) {
        true => Ok(time),
        false => Err("it must be from 1s to 24h".into()),
    }
}

pub(super) async fn fuzz(args: &FuzzArgs) -> Result<Found, Unusable> {
    let target = args.target.target()?;
    if let Some(file) = &args.certificate {
        may_write(file)?;
    }
    let workshop = Workshop::open()?;
    let doing = format!("compiling and trying {}", target.file.display());
    let candidate = shown(&doing, workshop.load(&target)).await?;
    let doing = format!("compiling {} so that it counts", target.file.display());
    let counted = shown(&doing, workshop.load_counted(&target, &candidate)).await?;
    let component = &candidate.component;
    let (settings, limits) = (counted.settings().clone(), component.limits());
    let revision = RevisionId::of(&component.digest, &settings, limits);
    let samples = starting_events(&candidate, &target, &settings)?;
    let exceptions = target
        .project
        .map_or(Vec::new(), |project| project.may_depend);
    if args.certificate.is_some() {
        has_room(&exceptions, &component.digest, &revision)?;
    }
    let bound = SearchBound {
        events: args.events,
        until: args.events.is_none().then(|| Instant::now() + args.time),
        at_first: args.first,
    };
    let seed = args.seed;
    let look = move || {
        let progress = ProgressLine::bar();
        counted.fuzz(&samples, &exceptions, seed, bound, &|part| {
            progress.tell("looking for leaks", Some(part));
        })
    };
    let report = blocking(look).await.map_err(Unusable::Given)?;
    let certificate = report.certificate(&component.digest, revision.clone());
    let certificate = certificate.map_err(Unusable::Given)?;
    if let (Some(file), Some(certificate)) = (&args.certificate, &certificate) {
        write(file, certificate)?;
    }
    let mut answer = json!(report);
    answer["component"] = json!(component.digest);
    answer["revision"] = json!(revision);
    if let Some(certificate) = &certificate {
        answer["certificate"] = json!(certificate);
    }
    Ok(Found {
        text: told(&report, args, Paint::of_stdout()),
        answer,
        sound: report.findings.is_empty(),
    })
}

/// What cannot be written is said before an hour has gone into it.
fn may_write(file: &Path) -> Result<(), Unusable> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    match folder.is_dir() && !file.is_dir() {
        true => Ok(()),
        false => Err(Unusable::Given(format!(
            "cannot write the certificate {}: its folder has to be there, and it is a file",
            file.display()
        ))),
    }
}

/// Writes what was tried in vain.
fn write(file: &Path, certificate: &Certificate) -> Result<(), Unusable> {
    let text = format!("{:#}\n", json!(certificate));
    files::replace(file, text.as_bytes()).map_err(|cause| {
        let advice = files::advice(&cause);
        Unusable::Given(format!(
            "cannot write {}: {cause}; {advice}",
            file.display()
        ))
    })
}

fn told(report: &FuzzReport, args: &FuzzArgs, paint: Paint) -> String {
    let mut text = format!(
        "{} in {:.1} s on {}, seed {}\n\npublic, as the samples show:\n",
        count(report.events, "event"),
        report.seconds,
        count_of(report.paths, "path"),
        report.seed
    );
    for (name, outputs) in &report.public {
        text.push_str(&format!(
            "  {}  ->  {}\n",
            safe(name),
            safe(&outputs.join(", "))
        ));
    }
    text.push_str(&format!(
        "\nsecret, and varied:\n  {}\n",
        safe(&report.secret.join(", "))
    ));
    if !report.few_values.is_empty() {
        text.push_str(&format!(
            "  of these the component takes few values, and refuses others: {}\n",
            safe(&report.few_values.join(", "))
        ));
    }
    for declared in &report.exceptions {
        let seen = declared
            .seen
            .as_ref()
            .map(|seen| format!("{:.2}", seen.most));
        text.push_str(&format!(
            "\nallowed: {} on {}, at most {} bits ({} seen): {}\n",
            safe(&declared.output),
            safe(&declared.on),
            declared.bits,
            seen.as_deref().unwrap_or("none"),
            safe(&declared.because)
        ));
    }
    for stopped in &report.stopped {
        text.push_str(&format!(
            "\nthe guard stops what comes of this event ({}): nothing leaves, and a refusal would say \
             why\n  event  {}\n",
            safe(&stopped.by),
            safe(&stopped.event.to_string())
        ));
    }
    for finding in &report.findings {
        text.push_str(&format!("\n{}\n", paint.red(&safe(&finding.summary()))));
        text.push_str(&shown_events(finding));
        if let Some(lines) = finding.declaration() {
            text.push_str(&format!("{HOW_TO_DECLARE}\n{}\n", safe_lines(&lines)));
        }
    }
    match (&args.certificate, report.findings.len()) {
        (Some(file), 0) => text.push_str(&format!("\nnothing found; wrote {}\n", file.display())),
        (None, 0) => {
            text.push_str("\nnothing found; --certificate FILE writes down what was tried\n")
        }
        (Some(_), _) => text.push_str("\nno certificate was written\n"),
        (None, _) => {}
    }
    text
}

/// Text of several lines, each made safe.
fn safe_lines(text: &str) -> String {
    let lines = text.lines().map(|line| format!("    {}", safe(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// What is declared has to go into a certificate: that is said before an hour has gone into it.
fn has_room(
    exceptions: &[MayDepend],
    component: &str,
    revision: &RevisionId,
) -> Result<(), Unusable> {
    let report = FuzzReport::declaring(exceptions);
    let certificate = report.certificate(component, revision.clone());
    certificate.map(drop).map_err(Unusable::Given)
}

/// The smallest events that show it.
fn shown_events(finding: &FuzzFinding) -> String {
    let line = |name: &str, value: &Value| format!("  {name:<6} {}\n", safe(&value.to_string()));
    match finding {
        FuzzFinding::Leak(leak) => [
            line("event", &leak.left.event),
            line("gives", &leak.left.answer),
            line("event", &leak.right.event),
            line("gives", &leak.right.answer),
        ]
        .concat(),
        FuzzFinding::Trouble { event, .. } | FuzzFinding::Remembers { event } => {
            line("event", event)
        }
        FuzzFinding::Exceeds { .. } => String::new(),
    }
}
