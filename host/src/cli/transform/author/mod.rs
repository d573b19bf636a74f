//! What product teams type: commands on a component or a project, beside no host. Each group
//! has its own file; what they do is `kit`'s.
//!
//! Exit codes: 0 all is well, 1 the component was found wanting, 2 what was given cannot be used.

mod build;
mod check;
mod new;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::Value;

pub(super) use self::build::BuildArgs;
pub(super) use self::new::NewArgs;
use super::context::explain;
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

/// What a command found.
#[derive(Debug)]
struct Found {
    /// For programs.
    answer: Value,
    /// For people.
    told: String,
    /// Whether the component is as it should be.
    sound: bool,
}

/// Asks nobody but the component.
#[derive(Debug)]
pub(super) enum AuthorCommand {
    New(NewArgs),
    Build(BuildArgs),
    Check(TargetArgs),
}

/// Does what was asked and tells it.
pub(super) fn run(json: bool, command: AuthorCommand) -> ExitCode {
    let done = super::super::block_on(async { Ok(found(command).await) });
    let done = done.unwrap_or_else(|error| Err(Unusable::Machine(whole(&error))));
    let told = done.map_err(Ended::from).and_then(|found| {
        let text = match json {
            true => format!("{:#}\n", found.answer),
            false => format!("{}\n", found.told.trim_end()),
        };
        print(&text).map_err(|error| Ended(error.into(), 1))?;
        Ok(found.sound)
    });
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Ended(failure, code)) => {
            explain(json, &failure);
            ExitCode::from(code)
        }
    }
}

async fn found(command: AuthorCommand) -> Result<Found, Unusable> {
    match command {
        AuthorCommand::New(args) => new::new(&args).await,
        AuthorCommand::Build(args) => build::build(&args).await,
        AuthorCommand::Check(args) => check::check(&args).await,
    }
}

/// Why a command ended without an answer, and its exit code.
struct Ended(CommandFailure, u8);

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
