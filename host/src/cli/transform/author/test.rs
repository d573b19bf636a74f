//! `transform test`: each sample with what differs, field by field, and the log beside it.

use std::time::Instant;

use serde_json::json;

use super::super::progress::shown;
use super::super::words::{Paint, safe};
use super::{Ended, Found, TargetArgs, tell};
use crate::count::count_of;
use crate::kit::{
    self, BuildSeries, ProjectWatch, State, Target, Tested, TestedSample, Unlike, Unusable,
    Workshop,
};
use crate::tasks::blocking;

#[derive(Debug, clap::Args)]
pub(in super::super) struct TestArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Write what comes into the samples that come out otherwise, but for faults and blocks
    #[arg(long)]
    update: bool,
    /// Try again whenever the component, a sample or the project changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
}

impl TestArgs {
    pub(super) fn watches(&self) -> bool {
        self.watch
    }
}

pub(super) async fn test(args: &TestArgs, json: bool) -> Result<Found, Unusable> {
    let target = args.target.target()?;
    let workshop = Workshop::open()?;
    match args.watch {
        true => watch(args, json, &workshop, &target).await,
        false => once(args, &workshop, target).await,
    }
}

async fn once(args: &TestArgs, workshop: &Workshop, target: Target) -> Result<Found, Unusable> {
    let doing = format!("compiling {}", target.file.display());
    let candidate = shown(&doing, workshop.load_untried(&target)).await?;
    let samples = kit::all_samples(&candidate, &target)?;
    let doing = format!("trying {}", count_of(samples.len(), "sample"));
    let update = args.update;
    let trying = blocking(move || kit::test(&candidate, &samples, update));
    let tested = shown(&doing, trying).await?;
    Ok(Found {
        text: told(&tested, Paint::of_stdout()),
        answer: json!(tested),
        sound: tested.failed == 0,
    })
}

/// Tries again with each change; what is wrong is told, and mended with the next.
async fn watch(
    args: &TestArgs,
    json: bool,
    workshop: &Workshop,
    target: &Target,
) -> Result<Found, Unusable> {
    let mut watch = ProjectWatch::on(target);
    let mut builds = BuildSeries::default();
    let mut must_build = watch.is_behind();
    loop {
        let began = Instant::now();
        let tried = try_again(args, workshop, (&mut watch, &mut builds), must_build).await;
        match tried {
            Ok(found) if json => tell(&format!("{}\n", found.answer))?,
            Ok(found) => {
                let took = began.elapsed().as_secs_f64();
                let text = found.text.trim_end();
                tell(&format!("{text}\nin {took:.1} s; waiting for a change\n\n"))?;
            }
            Err(unusable) => complain_of(unusable, json),
        }
        builds.begin_next(watch.target());
        must_build = watch.changed().await;
    }
}

/// Builds first where it has to: what the component before says is no verdict on these sources.
async fn try_again(
    args: &TestArgs,
    workshop: &Workshop,
    (watch, builds): (&mut ProjectWatch, &mut BuildSeries),
    must_build: bool,
) -> Result<Found, Unusable> {
    let target = args.target.target()?;
    watch.follow(&target);
    if let Some(project) = target.project.as_ref().filter(|_| must_build) {
        let doing = format!("building {}", target.file.display());
        shown(&doing, builds.build(&target, project)).await?;
        watch.component_was_built();
    }
    once(args, workshop, target).await
}

/// Whoever watches goes on, so how a command would end is of no use.
fn complain_of(unusable: Unusable, json: bool) {
    let _ = Ended::from(unusable).explain(json);
}

fn told(tested: &Tested, paint: Paint) -> String {
    let mut text: String = tested
        .samples
        .iter()
        .map(|sample| of_sample(sample, paint))
        .collect();
    text.push_str(&format!(
        "{} passed, {} failed",
        tested.passed, tested.failed
    ));
    if tested.updated > 0 {
        text.push_str(&format!(
            ", {} rewritten with what came: read them",
            tested.updated
        ));
    }
    text
}

fn of_sample(sample: &TestedSample, paint: Paint) -> String {
    let state = match sample.state {
        State::Passed => paint.green("passed"),
        State::Failed => paint.red("FAILED"),
        State::Updated => paint.yellow("updated"),
    };
    let mut text = format!("{state}  {}\n", safe(&sample.name));
    for unlike in &sample.differences {
        text.push_str(&format!("    {}\n", of_difference(unlike, sample.state)));
    }
    for line in &sample.log {
        text.push_str(&format!("    log {}\n", safe(line)));
    }
    text
}

fn of_difference(unlike: &Unlike, state: State) -> String {
    let of = match unlike.message {
        Some(number) => format!("message {number} "),
        None => String::new(),
    };
    let difference = &unlike.difference;
    let value =
        |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".to_owned(), safe);
    let came = value(&difference.came);
    match (&*difference.field, &difference.expected) {
        ("fault" | "guard" | "memory", None) => format!("{of}{}: {came}", difference.field),
        ("expect", None) => match state {
            State::Updated => format!("it did not say what shall come; now it says {came}"),
            _ => format!("it does not say yet what shall come; {came} came: --update writes it"),
        },
        (field, expected) => {
            format!(
                "{of}{}: came {came}, expected {}",
                safe(field),
                value(expected)
            )
        }
    }
}
