//! Two revisions on the same events, beside the lanes: nothing that either says is published.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::Comparison;
use super::{Comparer, Reaction, alike};
use crate::event::Event;
use crate::metrics::{Metrics, TransformMetrics};
use crate::pipeline::Paired;
use crate::revision::Surface;
use crate::transform::{Component, Fault, Instance, Outcome};

/// At random moments, once in so many events, the candidate answers again on a fresh instance.
const ONE_IN: u64 = 16;

/// One of the two, with an instance of its own.
#[derive(Debug)]
struct TriedSide {
    component: Arc<Component>,
    instance: Option<Instance>,
}

/// Both, and what came of the events so far.
#[derive(Debug)]
pub struct Sides {
    active: TriedSide,
    candidate: TriedSide,
    comparer: Comparer,
    events: u64,
    random: RandomState,
    /// Read by nobody: what is compared here did not happen for clients.
    metrics: TransformMetrics,
}

/// What came of an event.
#[derive(Debug)]
pub struct ComparedEvent {
    pub active: Result<Outcome, Fault>,
    /// The candidate's.
    pub answer: Result<Outcome, Fault>,
    /// Whether the active one asked for such events too.
    pub both: bool,
    /// What it took the active one, and the candidate.
    pub times: (Duration, Duration),
}

impl Sides {
    /// `surface` is what the active revision makes public.
    pub fn new(
        active: &Arc<Component>,
        surface: &Surface,
        candidate: &Arc<Component>,
        show_input: bool,
    ) -> Self {
        let secrets = active.secrets().and(candidate.secrets());
        let paired = Paired::of(&active.descriptor, &candidate.descriptor);
        let side = |component: &Arc<Component>| TriedSide {
            component: component.clone(),
            instance: None,
        };
        Self {
            active: side(active),
            candidate: side(candidate),
            comparer: Comparer::new(surface, paired, show_input, secrets),
            events: 0,
            random: RandomState::new(),
            metrics: Metrics::new().transform("(compared)"),
        }
    }

    /// Runs both on an event. Gives what came of it where the candidate asked for such events.
    pub fn note(&mut self, event: &Event) -> Option<ComparedEvent> {
        let (active, active_time) = self.active.call(event, &self.metrics);
        let (candidate, candidate_time) = self.candidate.call(event, &self.metrics);
        let at_random = self.random.hash_one(self.events).is_multiple_of(ONE_IN);
        self.events += 1;
        let remembers = at_random && self.candidate.remembers(event, &candidate, &self.metrics);
        let said = |result, time, detail| Reaction {
            result,
            time,
            detail,
        };
        self.comparer.note(
            event,
            said(&active, active_time, None),
            said(&candidate, candidate_time, self.candidate.detail()),
            remembers,
        );
        let asked = self.candidate.wants(event);
        asked.then_some(ComparedEvent {
            active,
            answer: candidate,
            both: self.active.wants(event),
            times: (active_time, candidate_time),
        })
    }

    pub fn report(&self) -> Comparison {
        self.comparer.report()
    }
}

impl TriedSide {
    /// Why it refused its last event, if it did.
    fn detail(&self) -> Option<&str> {
        self.instance.as_ref()?.detail()
    }

    fn wants(&self, event: &Event) -> bool {
        self.component.wants(&event.channel)
    }

    /// Whether an instance that has seen nothing yet answers otherwise.
    fn remembers(
        &self,
        event: &Event,
        answer: &Result<Outcome, Fault>,
        metrics: &TransformMetrics,
    ) -> bool {
        let mut fresh = Self {
            component: self.component.clone(),
            instance: None,
        };
        let (again, _) = fresh.call(event, metrics);
        answer.is_ok() && again.is_ok() && !alike(answer, &again)
    }

    /// An event that the component did not ask for becomes nothing.
    fn call(
        &mut self,
        event: &Event,
        metrics: &TransformMetrics,
    ) -> (Result<Outcome, Fault>, Duration) {
        let component = self.component.clone();
        let Some(captures) = component.captures(&event.channel) else {
            return (Ok(Outcome::Published(Vec::new())), Duration::ZERO);
        };
        let instance = match &mut self.instance {
            Some(ready) => ready,
            none => match Instance::new(&component, metrics) {
                Ok(fresh) => none.insert(fresh.with_details()),
                Err(fault) => return (Err(fault), Duration::ZERO),
            },
        };
        let started = Instant::now();
        let answer = instance.transform(&component, event, &captures, metrics);
        let took = started.elapsed();
        if answer.is_err() || instance.is_worn(&component) {
            self.instance = None;
        }
        (answer, took)
    }
}
