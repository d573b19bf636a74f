//! Two revisions on the same events, beside the lanes: nothing that either says is published.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Surface;
use super::compare::{Comparer, Said};
use super::report::Comparison;
use crate::event::Event;
use crate::metrics::{Metrics, TransformMetrics};
use crate::transform::{Component, Fault, Instance, Outcome, UpstreamPattern};

/// One side of a trial, with an instance of its own.
#[derive(Debug)]
struct Side {
    component: Arc<Component>,
    instance: Option<Instance>,
}

#[derive(Debug)]
pub(super) struct Trial {
    active: Side,
    candidate: Side,
    comparer: Comparer,
    /// Of nobody's interest: what is tried is not what happened.
    metrics: TransformMetrics,
}

impl Trial {
    /// `surface` is what the active revision makes public.
    pub(super) fn new(
        active: &Arc<Component>,
        surface: &Surface,
        candidate: &Arc<Component>,
        show_input: bool,
    ) -> Self {
        let side = |component: &Arc<Component>| Side {
            component: component.clone(),
            instance: None,
        };
        Self {
            active: side(active),
            candidate: side(candidate),
            comparer: Comparer::new(surface, show_input),
            metrics: Metrics::new().transform("(trial)"),
        }
    }

    /// Runs both on an event. Gives what came of it in the candidate, and how long that took,
    /// where it asked for such events.
    pub(super) fn note(&mut self, event: &Event) -> Option<(Result<Outcome, Fault>, Duration)> {
        let (active, active_time) = self.active.call(event, &self.metrics);
        let (candidate, candidate_time) = self.candidate.call(event, &self.metrics);
        let said = |result, time, detail| Said {
            result,
            time,
            detail,
        };
        self.comparer.note(
            event,
            said(&active, active_time, None),
            said(&candidate, candidate_time, self.candidate.detail()),
        );
        let asked = self.candidate.wants(event);
        asked.then_some((candidate, candidate_time))
    }

    pub(super) fn report(&self) -> Comparison {
        self.comparer.report()
    }
}

impl Side {
    /// Why it refused its last event, if it did.
    fn detail(&self) -> Option<&str> {
        self.instance.as_ref()?.detail()
    }

    fn wants(&self, event: &Event) -> bool {
        let patterns = &self.component.descriptor.upstream_patterns;
        UpstreamPattern::any(patterns, &event.channel)
    }

    /// An event that the component did not ask for becomes nothing.
    fn call(
        &mut self,
        event: &Event,
        metrics: &TransformMetrics,
    ) -> (Result<Outcome, Fault>, Duration) {
        if !self.wants(event) {
            return (Ok(Outcome::Published(Vec::new())), Duration::ZERO);
        }
        let instance = match &mut self.instance {
            Some(ready) => ready,
            none => match Instance::new(&self.component, metrics) {
                Ok(fresh) => none.insert(fresh.with_details()),
                Err(fault) => return (Err(fault), Duration::ZERO),
            },
        };
        let started = Instant::now();
        let answer = instance.transform(&self.component, event, metrics);
        let took = started.elapsed();
        if answer.is_err() || instance.is_worn(&self.component) {
            self.instance = None;
        }
        (answer, took)
    }
}
