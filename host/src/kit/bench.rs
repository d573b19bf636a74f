//! How fast a component is, beside another: turn by turn in one run, so that both meet the same
//! machine. An event is what a lane spends on it: the call and the guard.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Candidate, NamedSample, Unusable};
use crate::event::Event;
use crate::revision::compare::Recorder;
use crate::revision::compare::report::Times;
use crate::transform::Instance;

/// Turns of each in a run.
const TURNS: u32 = 10;

/// So many events are run first, and not counted.
const WARM: usize = 100;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Benched {
    /// The component, then those that it was held beside; of a project, an empty one last.
    pub sides: Vec<Measured>,
    /// Different events that were run, again and again.
    pub events: usize,
}

/// What was measured of one component.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    pub name: String,
    pub events_per_second: f64,
    /// Of an event, in microseconds.
    pub times: Times,
    /// Bytes of an instance's memory, at most.
    pub memory_bytes: u64,
    /// Bytes of the component's file.
    pub size: u64,
    pub faults: u64,
}

/// A component on its turns.
struct BenchRunner<'a> {
    candidate: &'a Candidate,
    events: &'a [Event],
    next: usize,
    instance: Option<Instance>,
    recorder: Recorder,
    spent: Duration,
    done: u64,
    memory: u64,
    faults: u64,
}

/// Runs candidates, each on its own events, for `time` each. It blocks for so long.
///
/// # Errors
/// One has no event that it listens to, or no instance of it can be made.
pub fn bench(
    sides: &[(&Candidate, Vec<Event>)],
    time: Duration,
    progress: impl Fn(f64),
) -> Result<Benched, Unusable> {
    let mut runners = Vec::with_capacity(sides.len());
    for (candidate, events) in sides {
        runners.push(BenchRunner::new(candidate, events)?);
    }
    let steps = f64::from(TURNS) * runners.len() as f64;
    let mut step = 0.0;
    for _ in 0..TURNS {
        for runner in &mut runners {
            progress(step / steps);
            runner.turn(time / TURNS)?;
            step += 1.0;
        }
    }
    Ok(Benched {
        events: sides.first().map_or(0, |(_, events)| events.len()),
        sides: runners.iter().map(BenchRunner::side).collect(),
    })
}

impl<'a> BenchRunner<'a> {
    fn new(candidate: &'a Candidate, events: &'a [Event]) -> Result<Self, Unusable> {
        if events.is_empty() {
            let origin = &candidate.origin;
            return Err(Unusable::Given(format!(
                "{origin} listens to none of these events; name others with --events"
            )));
        }
        let mut runner = Self {
            candidate,
            events,
            next: 0,
            instance: None,
            recorder: Recorder::new(),
            spent: Duration::ZERO,
            done: 0,
            memory: 0,
            faults: 0,
        };
        for _ in 0..WARM.max(events.len()) {
            runner.event()?;
        }
        runner.faults = 0;
        Ok(runner)
    }

    fn turn(&mut self, time: Duration) -> Result<(), Unusable> {
        let began = Instant::now();
        while began.elapsed() < time {
            let took = self.event()?;
            self.recorder.record(took);
            self.spent += took;
            self.done += 1;
        }
        Ok(())
    }

    /// Runs the next event; an instance that has to be made first is not counted.
    fn event(&mut self) -> Result<Duration, Unusable> {
        let event = &self.events[self.next];
        self.next = (self.next + 1) % self.events.len();
        let component = &self.candidate.component;
        let refused =
            |fault| Unusable::Refused(vec![format!("no instance of it can be made: {fault}")]);
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.candidate.instance().map_err(refused)?,
        };
        let started = Instant::now();
        let captures = component.captures(&event.channel).unwrap_or_default();
        let outcome = instance.transform(component, event, &captures, &self.candidate.metrics);
        let took = started.elapsed();
        if let Some(peaks) = instance.risen() {
            self.memory = self.memory.max(peaks.memory);
        }
        if outcome.is_err() {
            self.faults += 1;
        } else if !instance.is_worn(component) {
            self.instance = Some(instance);
        }
        Ok(took)
    }

    fn side(&self) -> Measured {
        let spent = self.spent.as_secs_f64();
        Measured {
            name: self.candidate.origin.clone(),
            events_per_second: if spent > 0.0 {
                self.done as f64 / spent
            } else {
                0.0
            },
            times: self.recorder.report(),
            memory_bytes: self.memory,
            size: self.candidate.component.size,
            faults: self.faults,
        }
    }
}

/// Those of the events that a candidate listens to.
pub fn wanted(candidate: &Candidate, events: impl IntoIterator<Item = Event>) -> Vec<Event> {
    let wants = |event: &Event| candidate.component.wants(&event.channel);
    events.into_iter().filter(wants).collect()
}

/// The events of the samples that it brings itself.
pub fn own_events(candidate: &Candidate) -> Vec<Event> {
    let stated = (1..).zip(candidate.component.stated_samples());
    let events = stated.map(|(number, sample)| NamedSample::own(number, sample).event);
    wanted(candidate, events)
}
