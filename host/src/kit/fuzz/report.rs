//! What the fuzzer tells: what it took for public, what it tried, and what it found.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::super::project::MayDepend;
use super::finding::{FuzzFinding, StoppedEvent};
use super::measure::Bits;
use super::search::Search;
use crate::revision::certificate::{Certificate, Dependency};
use crate::transform::RevisionId;

/// A declared dependency, and how much it was seen to tell.
#[derive(Debug, Clone)]
pub(super) struct MeasuredDependency {
    pub(super) exception: MayDepend,
    pub(super) bits: Bits,
}

/// What came of it all.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FuzzReport {
    pub seed: u64,
    /// Events that the component was given.
    pub events: u64,
    pub seconds: f64,
    /// Different amounts of work that an event caused: at least so many paths were taken.
    pub paths: usize,
    /// Fields that the samples show as public, with where they go out.
    pub public: BTreeMap<String, Vec<String>>,
    /// Fields that were varied.
    pub secret: Vec<String>,
    /// Secret fields of which the component takes some values only: others make it refuse the
    /// event, which was not counted as a leak.
    pub few_values: Vec<String>,
    pub exceptions: Vec<Declared>,
    pub findings: Vec<FuzzFinding>,
    /// Events of which the guard stopped a publication. That is no leak, and refusing them says
    /// more to who operates the host.
    pub stopped: Vec<StoppedEvent>,
}

/// A declared dependency, as far as it was seen.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Declared {
    pub output: String,
    pub on: String,
    /// As declared, at most.
    pub bits: f64,
    pub because: String,
    /// The most that was seen; none where no sample has the field.
    pub seen: Option<Bits>,
}

impl FuzzReport {
    /// One of nothing tried yet, with what is declared.
    pub fn declaring(exceptions: &[MayDepend]) -> Self {
        Self {
            seed: 0,
            events: 0,
            seconds: 0.0,
            paths: 0,
            public: BTreeMap::new(),
            secret: Vec::new(),
            few_values: Vec::new(),
            exceptions: exceptions.iter().map(|of| declared(of, None)).collect(),
            findings: Vec::new(),
            stopped: Vec::new(),
        }
    }

    pub(super) fn of(
        search: Search<'_>,
        seed: u64,
        took: Duration,
        measured: &[MeasuredDependency],
    ) -> Self {
        let seen = |exception: &MayDepend| {
            let mut of = measured.iter().filter(|own| own.exception == *exception);
            of.next().map(|own| own.bits)
        };
        let exceptions = search.exceptions.iter();
        let exceptions: Vec<Declared> = exceptions
            .map(|exception| declared(exception, seen(exception)))
            .collect();
        let (events, paths) = (search.subject.events, search.paths());
        let mut findings = search.findings;
        findings.extend(exceptions.iter().filter_map(beyond));
        let public = search.fields.public_in_words();
        Self {
            seed,
            events,
            seconds: took.as_secs_f64(),
            paths,
            public,
            secret: search.fields.secret.into_iter().collect(),
            few_values: search.fields.strict.into_keys().collect(),
            exceptions,
            findings,
            stopped: search.stopped,
        }
    }
}

impl FuzzReport {
    /// What the fuzzer says of a component in which it found nothing. `revision` is the component
    /// with the settings and limits that it was tried with.
    ///
    /// # Errors
    /// What the project declares is too much for one.
    pub fn certificate(
        &self,
        component: &str,
        revision: RevisionId,
    ) -> Result<Option<Certificate>, String> {
        let exceptions = self.exceptions.iter().map(|declared| Dependency {
            output: declared.output.clone(),
            on: declared.on.clone(),
            bits: declared.bits,
            because: declared.because.clone(),
            seen: declared.seen.map(|seen| seen.most),
        });
        let certificate = self.findings.is_empty().then(|| Certificate {
            component: component.to_owned(),
            revision,
            tidegate: env!("CARGO_PKG_VERSION").into(),
            seed: self.seed,
            events: self.events,
            seconds: self.seconds,
            paths: self.paths as u64,
            public: self.public.clone(),
            secret: self.secret.clone(),
            unnamed: 0,
            exceptions: exceptions.collect(),
            at: Timestamp::now(),
        });
        certificate.map(Certificate::fitted).transpose()
    }
}

fn declared(exception: &MayDepend, seen: Option<Bits>) -> Declared {
    Declared {
        output: exception.output.clone(),
        on: exception.on.clone(),
        bits: exception.bits,
        because: exception.because.clone(),
        seen,
    }
}

/// A declared dependency that tells more than was declared.
fn beyond(declared: &Declared) -> Option<FuzzFinding> {
    let bits = declared.seen?;
    (bits.most > declared.bits + 1e-9).then(|| FuzzFinding::Exceeds {
        output: declared.output.clone(),
        on: declared.on.clone(),
        declared: declared.bits,
        bits,
    })
}
