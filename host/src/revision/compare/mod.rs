//! Two revisions on the same events: what comes out differently, where, and at what cost.
//!
//! It is told what both made of an event and keeps counts, a few examples and times; running
//! them is for a plan or a shadow. What nobody has agreed to publish yet is not shown, unless
//! an operator asked for inputs too: an answer of the admin API is kept, copied and pasted.

mod differences;
mod fields;
mod rejections;
pub mod report;
mod sides;
mod times;

use std::time::Duration;

use self::differences::between;
use self::fields::Fields;
use self::rejections::Rejections;
use self::report::{Comparison, PublishedCounts};
pub use self::sides::{ComparedEvent, Sides};
pub(crate) use self::times::Recorder;
use super::Surface;
use crate::event::Event;
use crate::pipeline::{Failure, Paired};
use crate::transform::{Fault, Outcome, Secrets};

/// What is wrong with a candidate whose answer depends on what it saw before.
const REMEMBERS: &str = "remembers";

/// What one revision made of an event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaction<'a> {
    pub result: &'a Result<Outcome, Fault>,
    /// Why it refused the event, in the component's words.
    pub detail: Option<&'a str>,
    /// How long the call took.
    pub time: Duration,
}

/// A comparison that goes on. Its memory is bounded, however long it does.
#[derive(Debug)]
pub(super) struct Comparer {
    counted: Comparison,
    paired: Paired,
    fields: Fields,
    rejections: Rejections,
    active: Recorder,
    candidate: Recorder,
}

impl Comparer {
    /// `active` decides which values are public already; `show_input` shows all others too,
    /// and the events' payloads. Nothing of `secrets` is shown in any. `paired` counts what they
    /// publish.
    pub(super) fn new(
        active: &Surface,
        paired: Paired,
        show_input: bool,
        secrets: Secrets,
    ) -> Self {
        Self {
            counted: Comparison::default(),
            paired,
            fields: Fields::new(active, show_input, secrets),
            rejections: Rejections::default(),
            active: Recorder::new(),
            candidate: Recorder::new(),
        }
    }

    /// Adds what both made of one event. A candidate that would say something else if it had
    /// seen other events before `remembers`.
    pub(super) fn note(
        &mut self,
        event: &Event,
        active: Reaction<'_>,
        candidate: Reaction<'_>,
        remembers: bool,
    ) {
        self.counted.events += 1;
        self.active.record(active.time);
        self.candidate.record(candidate.time);
        self.rejections.note(candidate);
        let failure = Failure::of(candidate.result);
        let common = failure.is_some_and(|failure| failure.is_common_with(active.result));
        let failed = failures(candidate.result);
        let counted = &mut self.counted;
        let mut note = |kind: &'static str| {
            *counted.failures.entry(kind.to_owned()).or_default() += 1;
        };
        if failure.is_some() && !common {
            failed.iter().copied().for_each(&mut note);
        }
        if remembers {
            note(REMEMBERS);
        }
        if remembers || (failure.is_some() && !common) {
            counted.failed += 1;
            return;
        }
        self.paired.note_answers(active.result, candidate.result);
        let differences = between(active.result, candidate.result);
        if common {
            // What was stopped may have been two things, so they are not alike.
            counted.both_failed += 1;
            for kind in failed {
                *counted.both_failures.entry(kind.to_owned()).or_default() += 1;
            }
        } else if differences.is_empty() {
            counted.identical += 1;
        } else {
            counted.different += 1;
        }
        self.fields.add(event, &differences);
    }

    pub(super) fn report(&self) -> Comparison {
        let published = self.paired.families.iter().map(|family| PublishedCounts {
            family: family.name.clone(),
            active: family.before,
            candidate: family.now,
        });
        Comparison {
            published: published.collect(),
            fields: self.fields.report(),
            rejections: self.rejections.report(),
            active: self.active.report(),
            candidate: self.candidate.report(),
            ..self.counted.clone()
        }
    }
}

/// Whether clients would get the same of both.
fn alike(first: &Result<Outcome, Fault>, again: &Result<Outcome, Fault>) -> bool {
    between(first, again).is_empty()
}

/// The kinds of what went wrong, each once.
fn failures(result: &Result<Outcome, Fault>) -> Vec<&'static str> {
    let mut kinds = match result {
        Err(fault) => vec![fault.kind.label()],
        Ok(Outcome::Rejected(_)) => Vec::new(),
        Ok(Outcome::Published(publications)) => {
            let blocks = publications
                .iter()
                .filter_map(|publication| publication.as_ref().err());
            blocks.map(|blocked| blocked.block.label()).collect()
        }
    };
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests;
