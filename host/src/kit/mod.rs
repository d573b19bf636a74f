//! What product teams do with a component before any host sees it: beside no host, without a
//! Redis, and by the host's own engine, loader, limits and guard.
//!
//! ```text
//! PATH ─► Target (a file, or what a project says) ─► Workshop ─► Candidate ─► check, …
//! ```
//! What can be typed and how it is printed is for `cli`.

mod bench;
mod build;
mod candidate;
mod check;
mod empty;
pub mod fuzz;
mod new;
mod project;
mod record;
mod run;
mod samples;
mod test;
mod watch;

use std::io;
use std::path::Path;

pub use self::bench::{Benched, Measured, bench, own_events, wanted};
pub use self::build::{BuildSeries, Built, build};
pub use self::candidate::{Candidate, Workshop, component_of};
pub use self::check::{CheckVerdict, Tried, Warning, check};
pub use self::new::{Begun, begin};
pub use self::project::{Language, MayDepend, PROJECT_FILE, Project, Target};
pub use self::record::{RecordedSamples, pattern, record};
pub use self::run::{EventOutcome, OutcomeCounts, OutcomeKind, read_events, run};
pub use self::samples::{EventForm, Expectation, NamedSample, PublicForm, SampleFile};
pub use self::test::{State, Tested, TestedSample, Unlike, all_samples, test};
pub use self::watch::ProjectWatch;
use crate::files;

/// Why a command for authors cannot do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// What was given is not what the command takes, and what to do about it: a line.
    #[error("{0}")]
    Given(String),
    /// A host would refuse the component, for each of these.
    #[error("a host would refuse the component")]
    Refused(Vec<String>),
    /// The tools of a language refuse the sources, in their own words.
    #[error("{0}")]
    Unbuilt(String),
    /// This machine does not let it work.
    #[error("{0}")]
    Machine(String),
}

impl Unusable {
    /// A file or folder that cannot be read, made or whatever else is to be done with it.
    pub fn path(doing: &str, path: &Path, cause: &io::Error) -> Self {
        let (path, advice) = (path.display(), files::advice(cause));
        Self::Given(format!("cannot {doing} {path}: {cause}; {advice}"))
    }
}
