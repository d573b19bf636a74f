//! One revision at work, and how it has been doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::event::Event;
use crate::hub::{MessageOrigin, Standing};
use crate::metrics::{RevisionMetrics, TransformMetrics};
use crate::transform::{Captures, Component, Fault, Health, Instance, Outcome, RevisionPeaks};

/// How many faults and blocks are remembered in words, as evidence.
const MAX_EXAMPLES: usize = 5;

/// A loaded component that lanes run; shared by all lanes of its transform.
#[derive(Debug)]
pub struct Live {
    pub component: Arc<Component>,
    pub health: Health,
    pub tally: Tally,
    pub high_water: RevisionPeaks,
    /// Withdrawn when another revision takes over, and while it is paused.
    pub origin: Arc<MessageOrigin>,
    pub(super) metrics: RevisionMetrics,
}

/// What became of a revision's events since it went to work.
#[derive(Debug, Default)]
pub struct Tally {
    events: AtomicU64,
    rejected: AtomicU64,
    faults: AtomicU64,
    blocked: AtomicU64,
    nanos: AtomicU64,
    /// Of those, in the component itself.
    call_nanos: AtomicU64,
    examples: Mutex<Vec<String>>,
}

/// The numbers of a tally, read one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub events: u64,
    pub rejected: u64,
    pub faults: u64,
    /// Events of which the guard stopped something.
    pub blocked: u64,
    /// Of one event, the guard and a new instance included.
    pub mean: Duration,
    /// Of one call of the component.
    pub mean_call: Duration,
}

impl Live {
    pub fn new(component: Arc<Component>, metrics: RevisionMetrics) -> Self {
        let origin = MessageOrigin::of(component.revision.as_str().to_owned());
        Self {
            health: Health::new(component.limits()),
            component,
            tally: Tally::default(),
            high_water: RevisionPeaks::default(),
            origin: Arc::new(origin),
            metrics,
        }
    }

    pub fn name(&self) -> &str {
        &self.component.descriptor.name
    }

    /// Sets the gauges of what it has used at most.
    pub fn show_high_water(&self) {
        let peaks = self.high_water.read();
        let metrics = &self.metrics;
        for (gauge, value) in [
            (&metrics.peak_memory, peaks.memory),
            (&metrics.peak_output, peaks.output),
            (&metrics.peak_publications, peaks.publications),
        ] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        metrics.peak_call.set(peaks.call.as_secs_f64());
    }

    /// What becomes of a message of one of its families, by its place, after its turn.
    pub(super) fn standing(&self, family: usize) -> Option<Standing> {
        let delivery = self.component.descriptor.families[family].delivery;
        delivery.keeps_last().then(|| Standing {
            delivery,
            mark: self.origin.mark(),
        })
    }

    /// The families that it publishes to.
    pub fn families(&self) -> impl Iterator<Item = &str> {
        self.component.descriptor.family_names()
    }
}

impl Tally {
    pub fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let events = read(&self.events);
        let mean = |nanos| Duration::from_nanos(read(nanos) / events.max(1));
        Counts {
            events,
            rejected: read(&self.rejected),
            faults: read(&self.faults),
            blocked: read(&self.blocked),
            mean: mean(&self.nanos),
            mean_call: mean(&self.call_nanos),
        }
    }

    /// The first faults and blocks, in words.
    pub fn examples(&self) -> Vec<String> {
        self.examples.lock().clone()
    }

    fn example(&self, text: impl FnOnce() -> String) {
        let mut examples = self.examples.lock();
        if examples.len() < MAX_EXAMPLES {
            examples.push(text());
        }
    }
}

impl Counts {
    /// Counts what came of one more event.
    pub fn note(&mut self, answer: &Result<Outcome, Fault>) {
        self.events += 1;
        match answer {
            Ok(Outcome::Rejected(_)) => self.rejected += 1,
            Ok(outcome) => self.blocked += u64::from(outcome.blocks().next().is_some()),
            Err(_) => self.faults += 1,
        }
    }
}

/// What runs a revision in one lane: with an instance that is ready.
#[derive(Debug)]
pub struct Runner {
    pub(super) live: Arc<Live>,
    pub(super) instance: Option<Instance>,
    /// What the last event took.
    pub(super) took: Duration,
}

impl Runner {
    pub(super) fn new(live: Arc<Live>, instance: Option<Instance>) -> Self {
        Self {
            live,
            instance,
            took: Duration::ZERO,
        }
    }

    /// Passes one event through and counts nothing of it, as nothing comes of it. After a fault,
    /// the next event gets a fresh instance.
    pub(super) fn try_out(
        &mut self,
        event: &Event,
        captures: &Captures<'_>,
        metrics: &TransformMetrics,
    ) -> Result<Outcome, Fault> {
        let started = Instant::now();
        let (answer, _) = run(&mut self.instance, &self.live, event, captures, metrics);
        self.took = started.elapsed();
        if answer.is_err() {
            self.instance = None;
        }
        answer
    }

    /// Passes one event through, and counts what comes of it. After a fault, the next event
    /// gets a fresh instance.
    pub(super) fn call(
        &mut self,
        event: &Event,
        captures: &Captures<'_>,
        metrics: &TransformMetrics,
    ) -> Result<Outcome, Fault> {
        let live = &*self.live;
        let started = Instant::now();
        let (answer, call) = run(&mut self.instance, live, event, captures, metrics);
        let took = started.elapsed();
        self.took = took;
        let tally = &live.tally;
        tally.events.fetch_add(1, Ordering::Relaxed);
        for (sum, time) in [(&tally.nanos, took), (&tally.call_nanos, call)] {
            let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            sum.fetch_add(nanos, Ordering::Relaxed);
        }
        live.metrics.events.inc();
        live.metrics.seconds.observe(took.as_secs_f64());
        match &answer {
            Ok(Outcome::Rejected(rejection)) => {
                tally.rejected.fetch_add(1, Ordering::Relaxed);
                metrics.rejected(rejection.reason).inc();
                if let Some(field) = rejection.field_label() {
                    metrics.rejected_field(field).inc();
                }
            }
            Ok(outcome @ Outcome::Published(_)) => {
                let mut blocks = outcome.blocks().peekable();
                if let Some(first) = blocks.peek() {
                    tally.blocked.fetch_add(1, Ordering::Relaxed);
                    tally.example(|| format!("blocked by the guard: {first}"));
                    live.metrics.guard_blocks.inc();
                }
                blocks.for_each(|blocked| metrics.guard_block(blocked.block.label()).inc());
            }
            Err(fault) => {
                self.instance = None;
                tally.faults.fetch_add(1, Ordering::Relaxed);
                tally.example(|| fault.to_string());
                live.metrics.faults.inc();
                metrics.fault(fault.kind.label()).inc();
            }
        }
        answer
    }
}

/// What comes of an event, and how long the component's own part took.
fn run(
    instance: &mut Option<Instance>,
    live: &Live,
    event: &Event,
    captures: &Captures<'_>,
    metrics: &TransformMetrics,
) -> (Result<Outcome, Fault>, Duration) {
    let component = &live.component;
    let at_work = match &mut *instance {
        Some(ready) => ready,
        none => match Instance::new(component, metrics) {
            Ok(fresh) => none.insert(fresh),
            Err(fault) => return (Err(fault), Duration::ZERO),
        },
    };
    let outcome = at_work.transform(component, event, captures, metrics);
    let call = at_work.last_call();
    if let Some(peaks) = at_work.risen() {
        live.high_water.raise(&peaks);
    }
    if outcome.is_ok() && at_work.is_worn(component) {
        *instance = None;
    }
    (outcome, call)
}
