//! One thread, one instance, one event after the other.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::queue::Queue;
use prometheus::Histogram;

use crate::event::Event;
use crate::hub::Hub;
use crate::metrics::TransformMetrics;
use crate::registry::Live;
use crate::transform::{Component, Fault, Health, Instance, Outcome};

/// The thread's own stack, in bytes; the guest's part of it is a setting of at most 1 MiB.
const STACK: usize = 2 << 20;

/// The log says at most so often that events are blocked or fail; the metrics say how many.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

struct Lane {
    component: Arc<Component>,
    health: Arc<Health>,
    hub: Arc<Hub>,
    metrics: TransformMetrics,
    lag: Histogram,
    instance: Option<Instance>,
    last_log: Option<Instant>,
}

pub(super) fn spawn(
    n: usize,
    live: &Live,
    queue: &Arc<Queue>,
    hub: &Arc<Hub>,
    metrics: &TransformMetrics,
    lag: Histogram,
) -> io::Result<()> {
    let mut lane = Lane {
        component: live.component.clone(),
        health: live.health.clone(),
        hub: hub.clone(),
        metrics: metrics.clone(),
        lag,
        instance: None,
        last_log: None,
    };
    let queue = queue.clone();
    let name = format!("{}-{n}", live.component.descriptor.name);
    thread::Builder::new()
        .name(name)
        .stack_size(STACK)
        .spawn(move || {
            let _loud = AbortOnPanic;
            while let Some(event) = queue.pop() {
                lane.handle(Arc::unwrap_or_clone(event));
            }
        })?;
    Ok(())
}

impl Lane {
    fn handle(&mut self, event: Event) {
        if self.health.out_for(Instant::now()).is_some() {
            return self.metrics.dropped("put_out").inc();
        }
        self.metrics.events.inc();
        let received = event.received;
        match self.call(event) {
            Ok(outcome) => {
                if self.health.succeeded() {
                    self.metrics.out.set(0);
                    tracing::info!(transform = self.name(), "transform is back");
                }
                self.publish(outcome, received);
            }
            Err(fault) => self.failed(&fault),
        }
    }

    fn call(&mut self, event: Event) -> Result<Outcome, Fault> {
        let instance = match &mut self.instance {
            Some(instance) => instance,
            none => none.insert(Instance::new(&self.component, &self.metrics)?),
        };
        let outcome = instance.transform(&self.component, event, &self.metrics)?;
        if instance.is_worn(&self.component) {
            self.instance = None;
        }
        Ok(outcome)
    }

    fn publish(&mut self, outcome: Outcome, received: Instant) {
        let publications = match outcome {
            Outcome::Rejected(reason) => return self.metrics.rejected(reason).inc(),
            Outcome::Published(publications) => publications,
        };
        for publication in publications {
            match publication {
                Ok(admitted) => {
                    self.hub.publish(&admitted.channel, &admitted.frame);
                    self.metrics.publications.inc();
                    self.lag.observe(received.elapsed().as_secs_f64());
                }
                Err(block) => {
                    self.metrics.guard_block(block.label()).inc();
                    if self.may_log() {
                        tracing::warn!(
                            transform = self.name(),
                            reason = block.label(),
                            "publication blocked"
                        );
                    }
                }
            }
        }
    }

    /// The instance is of no more use; the transform may be out.
    fn failed(&mut self, fault: &Fault) {
        self.instance = None;
        self.metrics.fault(fault.kind.label()).inc();
        if self.may_log() {
            tracing::warn!(
                transform = self.name(),
                kind = fault.kind.label(),
                detail = fault.detail,
                "transform fault"
            );
        }
        if let Some(pause) = self.health.failed(Instant::now()) {
            self.metrics.out.set(1);
            tracing::error!(
                transform = self.name(),
                ?pause,
                kind = fault.kind.label(),
                "transform is put out"
            );
        }
    }

    fn may_log(&mut self) -> bool {
        let due = self
            .last_log
            .is_none_or(|last| last.elapsed() >= LOG_INTERVAL);
        if due {
            self.last_log = Some(Instant::now());
        }
        due
    }

    fn name(&self) -> &str {
        &self.component.descriptor.name
    }
}

/// A lane that ended unseen would leave its channels silent and everything else looking well.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("a lane panicked; the process ends");
            std::process::abort();
        }
    }
}
