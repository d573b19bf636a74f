//! The component under test: events go in, what anybody outside can tell comes out.

use std::sync::Arc;

use super::input::Input;
use super::judge::{AnswerSeen, Visible};
use crate::event::Event;
use crate::metrics::{Metrics, TransformMetrics};
use crate::transform::{Component, Fault, FaultKind, Instance, Outcome};

/// Runs events on instances of one component.
pub(super) struct Subject {
    component: Arc<Component>,
    /// The same as a host would run it.
    as_run: Option<Arc<Component>>,
    uncounted: TransformMetrics,
    instance: Option<Instance>,
    /// Events so far.
    pub(super) events: u64,
    /// What the last event executed, in operations.
    pub(super) executed: u64,
}

impl Subject {
    pub(super) fn new(component: Arc<Component>, as_run: Option<Arc<Component>>) -> Self {
        Self {
            uncounted: Metrics::new().transform("(fuzz)"),
            component,
            as_run,
            instance: None,
            events: 0,
            executed: 0,
        }
    }

    pub(super) fn component(&self) -> &Component {
        &self.component
    }

    /// The next event meets an instance that has seen none.
    pub(super) fn renew(&mut self) {
        self.instance = None;
    }

    /// Whether an event takes longer than it may also where nothing is counted, as far as that can
    /// be tried.
    pub(super) fn is_too_slow(&self, event: &Event) -> bool {
        let Some(component) = &self.as_run else {
            return true;
        };
        let Some(captures) = component.captures(&event.channel) else {
            return false;
        };
        let answer = Instance::new(component, &self.uncounted)
            .and_then(|mut fresh| fresh.transform(component, event, &captures, &self.uncounted));
        matches!(answer, Err(fault) if fault.kind == FaultKind::Deadline)
    }

    pub(super) fn answer(&mut self, input: &Input) -> AnswerSeen {
        self.answer_to(&input.event())
    }

    /// What comes of an event. One that no pattern matches never reaches a component: it is
    /// published as nothing.
    pub(super) fn answer_to(&mut self, event: &Event) -> AnswerSeen {
        self.events += 1;
        self.executed = 0;
        match self.call(event) {
            Ok(answer) => answer,
            Err(fault) => {
                let log = self.instance.take();
                let log = log.map_or(Vec::new(), |instance| instance.lines().to_vec());
                AnswerSeen {
                    seen: Visible::Fault(fault.kind.label(), fault.detail),
                    log,
                }
            }
        }
    }

    fn call(&mut self, event: &Event) -> Result<AnswerSeen, Fault> {
        let Some(captures) = self.component.captures(&event.channel) else {
            return Ok(AnswerSeen {
                seen: Visible::Published(Vec::new(), Vec::new()),
                log: Vec::new(),
            });
        };
        let instance = match &mut self.instance {
            Some(instance) if !instance.is_worn(&self.component) => instance,
            empty => empty.insert(Instance::new(&self.component, &self.uncounted)?.overheard()),
        };
        let before = instance.executed();
        let outcome = instance.transform(&self.component, event, &captures, &self.uncounted);
        let after = instance.executed();
        self.executed = after
            .zip(before)
            .map_or(0, |(after, before)| after - before);
        let log = instance.lines().to_vec();
        Ok(AnswerSeen {
            seen: seen(outcome?),
            log,
        })
    }
}

fn seen(outcome: Outcome) -> Visible {
    match outcome {
        Outcome::Rejected(rejection) => Visible::Rejected {
            reason: rejection.reason,
            field: rejection.field_label().map(str::to_owned),
        },
        Outcome::Published(publications) => {
            let (mut messages, mut blocked) = (Vec::new(), Vec::new());
            for publication in publications {
                match publication {
                    Ok(admitted) => messages.push(admitted.text),
                    Err(stopped) => blocked.push(stopped.to_string()),
                }
            }
            Visible::Published(messages, blocked)
        }
    }
}
