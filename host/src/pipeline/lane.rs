//! One thread: one event after the other, and orders between two of them.
//!
//! What comes of events that wait together goes to the hub together: see `batch`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Histogram;
use tokio::sync::oneshot;

use super::batch::Batch;
use super::behind::{Answer, Behind, on_probation, through};
use super::live::{Live, Runner};
use super::probation::Probation;
use super::queue::{Queue, Work};
use super::sampler::Sampler;
use crate::event::Event;
use crate::hub::{EventIdentity, Hub, Loss, Message};
use crate::log::Sparing;
use crate::metrics::TransformMetrics;
use crate::tasks::{TaskEnd, TaskName, Tasks, Unasked};
use crate::transform::{Fault, Outcome};

/// The log says at most so often that events are blocked or fail, and how many it left out.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// What a lane is told, and where it answers: with the seats that it has no more use for, so
/// that instances are taken down elsewhere.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) what: What,
    pub(super) done: oneshot::Sender<Vec<Runner>>,
}

#[derive(Debug)]
pub(super) enum What {
    /// From here on, events go through this runner. With a probation, this revision stands behind
    /// it.
    Switch(Runner, Option<(Arc<Live>, Arc<Probation>)>),
    /// The probation is over, and who stands behind may go.
    Settle,
    Pause(bool),
}

#[derive(Debug)]
pub(super) struct Lane {
    front: Runner,
    paused: bool,
    hub: Arc<Hub>,
    metrics: TransformMetrics,
    lag: Histogram,
    behind: Option<Behind>,
    sparing: Sparing,
    /// What was made and is not published yet.
    batch: Batch,
    /// An event, or a batch, is in the lane's hands.
    at_work: bool,
}

impl Lane {
    pub(super) fn new(
        front: Runner,
        paused: bool,
        hub: Arc<Hub>,
        metrics: TransformMetrics,
        lag: Histogram,
    ) -> Self {
        Self {
            front,
            paused,
            hub,
            metrics,
            lag,
            behind: None,
            sparing: Sparing::new(1, LOG_INTERVAL),
            batch: Batch::default(),
            at_work: false,
        }
    }

    /// Starts the thread, which ends when the queue is closed. A panic costs the event that
    /// was in its hands, or the batch that the hub was getting: the next event finds the lane
    /// where it was, with fresh instances and with what was made before.
    pub(super) fn spawn(
        mut self,
        n: usize,
        queue: Arc<Queue<Order>>,
        tasks: &Tasks,
    ) -> io::Result<()> {
        let name = TaskName::of("lane", format!("{}-{n}", self.front.live.name()));
        tasks.thread(name, Unasked::Restart, move || self.run(&queue))
    }

    fn run(&mut self, queue: &Queue<Order>) -> TaskEnd {
        if std::mem::take(&mut self.at_work) {
            self.metrics.dropped("panic").inc();
            self.note_loss(Loss::Transform);
            self.front.instance = None;
            if let Some(behind) = &mut self.behind {
                behind.runner.instance = None;
            }
        }
        while let Some(work) = self.next(queue) {
            match work {
                Work::Event(event) => {
                    self.at_work = true;
                    self.handle(&event);
                    self.at_work = false;
                }
                Work::Order(order) => {
                    // What was made before the order goes out before it is followed.
                    self.flush();
                    // Nobody may be waiting; then the seats are dropped here.
                    let _ = order.done.send(self.follow(order.what));
                }
            }
        }
        TaskEnd::Asked
    }

    /// Waits for work, but not with a batch in hand: that goes out when nothing more waits.
    fn next(&mut self, queue: &Queue<Order>) -> Option<Work<Order>> {
        if let Some(work) = queue.try_pop() {
            return Some(work);
        }
        self.flush();
        queue.pop()
    }

    fn follow(&mut self, what: What) -> Vec<Runner> {
        let mut left: Vec<Runner> = Vec::new();
        match what {
            What::Switch(runner, behind) => {
                let probation = self.behind.as_ref().map(|behind| &behind.probation);
                if probation.is_some_and(|probation| probation.made_less()) {
                    // Clients had less than they would have had, and nobody knows of what.
                    self.note_loss(Loss::Transform);
                }
                left.push(std::mem::replace(&mut self.front, runner));
                left.extend(self.behind.take().map(|behind| behind.runner));
                // Whoever is at work already goes on with the instance that it has.
                let mut at_work = |live: &Arc<Live>| {
                    let place = left
                        .iter()
                        .position(|runner| Arc::ptr_eq(&runner.live, live));
                    place.map(|place| left.swap_remove(place))
                };
                if self.front.instance.is_none()
                    && let Some(runner) = at_work(&self.front.live)
                {
                    self.front = runner;
                }
                self.behind = behind.map(|(live, probation)| Behind {
                    runner: at_work(&live).unwrap_or_else(|| Runner::new(live, None)),
                    probation,
                    sampler: Sampler::default(),
                });
                self.metrics.out.set(0);
                self.hub.sweep();
            }
            What::Settle => left.extend(self.behind.take().map(|behind| behind.runner)),
            What::Pause(paused) => {
                self.paused = paused;
                self.hub.sweep();
            }
        }
        left
    }

    fn handle(&mut self, event: &Event) {
        if self.paused {
            self.metrics.dropped("paused").inc();
            return self.note_loss(Loss::Paused);
        }
        let front = &mut self.front;
        let (answer, runner) = match &mut self.behind {
            Some(behind) => on_probation(front, behind, event, &self.metrics),
            None => (through(front, event, &self.metrics), front),
        };
        let (live, took) = (runner.live.clone(), runner.took);
        match answer {
            Answer::Unwanted => {}
            Answer::PutOut => self.note_loss(Loss::Transform),
            Answer::Given(Ok(outcome)) => self.take(outcome, event, &live),
            Answer::Given(Err(fault)) => {
                self.tell(&fault);
                self.note_loss(Loss::Transform);
            }
        }
        if self.batch.is_full_after(took) {
            self.flush();
        }
    }

    /// Takes what is to be published.
    fn take(&mut self, outcome: Outcome, event: &Event, live: &Live) {
        let Outcome::Published(publications) = outcome else {
            return;
        };
        let mut identity = self.hub.outbox().map(|_| EventIdentity::of(event));
        for publication in publications {
            match publication {
                Ok(admitted) => self.batch.push(Message {
                    identity: identity
                        .as_mut()
                        .map(|identity| identity.next(&admitted.channel)),
                    standing: live.standing(admitted.family),
                    family: live.metrics.families[admitted.family].clone(),
                    channel: admitted.channel,
                    text: admitted.text,
                    head: admitted.head,
                    received: event.received,
                }),
                Err(blocked) => {
                    self.note_loss(Loss::Transform);
                    if let Some(unsaid) = self.sparing.say(Instant::now()) {
                        tracing::warn!(
                            transform = live.name(),
                            revision = %live.component.revision,
                            reason = blocked.block.label(),
                            place = blocked.place(),
                            keyword = blocked.keyword(),
                            unsaid,
                            "publication blocked"
                        );
                    }
                }
            }
        }
    }

    /// Hands over what was made.
    fn flush(&mut self) {
        let messages = self.batch.take();
        if messages.is_empty() {
            return;
        }
        let now = Instant::now();
        for message in &messages {
            let lag = now.saturating_duration_since(message.received);
            self.lag.observe(lag.as_secs_f64());
        }
        self.metrics.publications.inc_by(messages.len() as u64);
        self.at_work = true;
        self.hub.publish(messages);
        self.at_work = false;
    }

    /// Which of its families the event would have come to, nobody can know.
    fn note_loss(&self, reason: Loss) {
        for family in self.front.live.families() {
            self.hub.note_loss(family, reason);
        }
    }

    fn tell(&mut self, fault: &Fault) {
        if let Some(unsaid) = self.sparing.say(Instant::now()) {
            tracing::warn!(
                transform = self.front.live.name(),
                kind = fault.kind.label(),
                detail = fault.detail,
                unsaid,
                "transform fault"
            );
        }
    }
}
