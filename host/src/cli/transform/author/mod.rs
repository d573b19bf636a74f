//! What product teams type: commands on a component or a project, beside no host. Each group
//! has its own file; what they do is `kit`'s.
//!
//! Exit codes: 0 all is well, 1 the component was found wanting, 2 what was given cannot be used,
//! 130 it was interrupted.

mod bench;
mod build;
mod check;
mod fuzz;
mod new;
mod record;
mod run;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

pub(in crate::cli) use self::run::open_events;
use super::super::print::complain;
use super::document;
use super::failure::CommandFailure;
use super::print;
use super::push::FileArgs;
use crate::causes::whole;
use crate::kit::{Target, Unusable};
use crate::rollout::Refused;

/// The component that a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct TargetArgs {
    /// A component, or a folder of a project [default: the project that this folder is in]
    path: Option<PathBuf>,
    /// For the component's configure: JSON, or @FILE [default: the project's]
    #[arg(long, value_name = "JSON", value_parser = document::parse)]
    settings: Option<Value>,
    /// Limits that shall be others, such as '{"deadline": "20ms"}', or @FILE
    #[arg(long, value_name = "JSON", value_parser = document::parse)]
    limits: Option<Value>,
}

impl TargetArgs {
    /// The same for a running host, whose settings and limits are taken where none are given.
    pub(super) fn file(self, transform: Option<String>) -> Result<FileArgs, CommandFailure> {
        let Self {
            path,
            settings,
            limits,
        } = self;
        let file = path.ok_or_else(|| {
            let what = "a host is asked about a component: name its file";
            CommandFailure::new("unusable", what)
        })?;
        Ok(FileArgs {
            file,
            transform,
            settings,
            limits,
        })
    }

    fn target(&self) -> Result<Target, Unusable> {
        let found = Target::find(self.path.as_deref())?;
        found.with(self.settings.clone(), self.limits.as_ref())
    }
}

/// What a command ends with that Ctrl-C has ended, as a shell says it.
const INTERRUPTED: u8 = 130;

/// What a command found.
#[derive(Debug)]
struct Found {
    /// For programs; nothing where it was told on the way.
    answer: Value,
    /// For people; empty where it was told on the way.
    text: String,
    /// Whether the component is as it should be.
    sound: bool,
}

impl Found {
    fn told_already(sound: bool) -> Self {
        Self {
            answer: Value::Null,
            text: String::new(),
            sound,
        }
    }
}

/// Asks nobody but the component.
#[derive(Debug, clap::Subcommand)]
pub(super) enum AuthorCommand {
    /// Begin a project: a transform that builds and passes as it is
    New(new::NewArgs),
    /// Build the component of a project by the tools of its language
    Build(build::BuildArgs),
    /// Try the samples of a component and of its project, field by field
    Test(test::TestArgs),
    /// Let events through a component, and print what comes of each
    Run(run::RunArgs),
    /// Measure a component, beside others
    Bench(bench::BenchArgs),
    /// Look for leaks, faults and blocks in a component
    Fuzz(fuzz::FuzzArgs),
    /// Take real events of a Redis as samples
    Record(record::RecordArgs),
}

/// Does what was asked and tells it.
pub(super) fn run(json: bool, command: AuthorCommand) -> ExitCode {
    // Whoever watches ends it so.
    let interrupted = match &command {
        AuthorCommand::Test(args) if args.watches() => ExitCode::SUCCESS,
        _ => INTERRUPTED.into(),
    };
    told(json, interrupted, async {
        match command {
            AuthorCommand::New(args) => new::new(&args).await,
            AuthorCommand::Build(args) => build::build(&args).await,
            AuthorCommand::Test(args) => test::test(&args, json).await,
            AuthorCommand::Run(args) => run::run(&args, json).await,
            AuthorCommand::Bench(args) => bench::bench(&args).await,
            AuthorCommand::Fuzz(args) => fuzz::fuzz(&args).await,
            AuthorCommand::Record(args) => record::record(&args).await,
        }
    })
}

/// Checks a component beside no host.
pub(super) fn check(json: bool, target: &TargetArgs) -> ExitCode {
    told(json, INTERRUPTED.into(), check::check(target))
}

/// Ctrl-C drops the work, and with it whatever it has begun.
fn told(
    json: bool,
    interrupted: ExitCode,
    work: impl Future<Output = Result<Found, Unusable>>,
) -> ExitCode {
    let done = super::super::block_on(async {
        tokio::select! {
            found = work => Ok(Some(found)),
            heard = tokio::signal::ctrl_c() => Ok(heard.map(|()| None)?),
        }
    });
    let done = match done {
        Ok(Some(done)) => done,
        Ok(None) => return interrupted,
        Err(error) => Err(Unusable::Machine(whole(&error))),
    };
    let is_sound = done.and_then(|found| {
        match json {
            true if found.answer.is_null() => {}
            true => tell(&format!("{:#}\n", found.answer))?,
            false if found.text.is_empty() => {}
            false => tell(&format!("{}\n", found.text.trim_end()))?,
        }
        Ok(found.sound)
    });
    match is_sound {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(unusable) => Ended::from(unusable).explain(json),
    }
}

fn tell(text: &str) -> Result<(), Unusable> {
    print(text).map_err(|error| Unusable::Machine(error.to_string()))
}

/// Why a command ended without an answer, and its exit code.
struct Ended(CommandFailure, u8);

impl Ended {
    fn explain(self, json: bool) -> ExitCode {
        let Self(failure, code) = self;
        // A line, as some of these commands answer in lines.
        if !json || print(&format!("{}\n", failure.json())).is_err() {
            complain(&format!("error: {failure}"));
        }
        ExitCode::from(code)
    }
}

impl From<Unusable> for Ended {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Given(what) => Self(CommandFailure::new("unusable", what), 2),
            Unusable::Unbuilt(what) => Self(CommandFailure::new("unbuilt", what), 1),
            Unusable::Machine(what) => Self(CommandFailure::new("machine", what), 1),
            Unusable::Refused(faults) => {
                let refused = Refused::Check {
                    transform: None,
                    faults,
                };
                Self(CommandFailure::from(&refused), 1)
            }
        }
    }
}
