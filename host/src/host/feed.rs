//! Where the host's events come from and where its messages go: the tasks that bring them.

use std::sync::Arc;

use super::EventSource;
use crate::hub::{Hub, Outbox};
use crate::loops::Loops;
use crate::metrics::Metrics;
use crate::pipeline::Intake;
use crate::session::SessionContext;
use crate::settings::{Role, Settings};
use crate::tasks::{Tasks, Unasked, ever};
use crate::upstream::place::{HostRole, UpstreamKind};
use crate::upstream::relay::{Edge, Ingest, RelaySettings};
use crate::upstream::{Status, demo, redis, replay};

/// The hub, which delivers or hands on, as the host's role has it.
pub(super) fn hub(settings: &Settings, loops: &Loops, metrics: &Metrics) -> Hub {
    let hub = loops.hub(settings.max_channels, settings.snapshot_size, metrics);
    match settings.role {
        Role::Both | Role::Edge => hub,
        Role::Ingest => {
            let outbox = Outbox::new(settings.relay_queue_size, &metrics.relay);
            hub.handing_on(Arc::new(outbox))
        }
    }
}

/// A role as reports have it.
pub(super) const fn role(role: Role) -> HostRole {
    match role {
        Role::Both => HostRole::Both,
        Role::Ingest => HostRole::Ingest,
        Role::Edge => HostRole::Edge,
    }
}

/// Starts what hands messages on to edge hosts, or takes them from ingest hosts; nothing where the
/// host is both.
pub(super) fn relay(
    settings: &Settings,
    redis: &redis::Subscriber,
    intake: &Arc<Intake>,
    context: &Arc<SessionContext>,
    status: &Arc<Status>,
) {
    let SessionContext {
        hub,
        catalog,
        interest,
        metrics,
        tasks,
        ..
    } = &**context;
    let relay_settings = RelaySettings::of(settings);
    if let Some(outbox) = hub.outbox() {
        let makes = (hub.clone(), intake.clone(), catalog.clone());
        let says = (metrics.relay.clone(), status.clone());
        let ingest = Ingest::new(redis, outbox.clone(), makes, says, relay_settings);
        let ingest = Arc::new(ingest);
        tasks.spawn("relay_out", Unasked::Restart, move || {
            let ingest = ingest.clone();
            ever(async move { ingest.run().await })
        });
    } else if let Some(interest) = interest {
        status.note_kind(UpstreamKind::Relay);
        let takes = (hub.clone(), catalog.clone(), interest.clone());
        let (metrics, status) = (metrics.clone(), status.clone());
        let edge = Edge::new(
            redis.server().clone(),
            takes,
            metrics,
            status,
            relay_settings,
        );
        let edge = Arc::new(edge);
        tasks.spawn("relay_in", Unasked::Restart, move || {
            let edge = edge.clone();
            ever(async move { edge.run().await })
        });
    }
}

/// Starts what brings events. One that it cannot bear must not end the process of every host
/// that gets it, so it is started again.
pub(super) fn feed(
    tasks: &Tasks,
    source: EventSource,
    redis: redis::Subscriber,
    intake: Arc<Intake>,
    status: Arc<Status>,
) {
    let redis = Arc::new(redis);
    match source {
        EventSource::Redis => {
            // Before anybody can subscribe: whoever does is told that nothing comes yet.
            intake.note_lost(true);
            tasks.spawn("upstream", Unasked::Restart, move || {
                let (redis, intake, status) = (redis.clone(), intake.clone(), status.clone());
                ever(async move { redis.run(&intake, &status).await })
            });
        }
        EventSource::Demo => {
            promise(tasks, &intake, &status);
            tasks.spawn("upstream", Unasked::Restart, move || {
                let intake = intake.clone();
                ever(async move {
                    demo::run(|channel, payload| intake.offer(channel, payload)).await;
                })
            });
        }
        EventSource::Replay(events, pause) => {
            promise(tasks, &intake, &status);
            tasks.spawn("upstream", Unasked::Restart, move || {
                let (intake, events) = (intake.clone(), events.clone());
                ever(async move {
                    replay::run(&events, pause, |channel, payload| {
                        intake.offer(channel, payload)
                    })
                    .await;
                })
            });
        }
    }
}

/// What brings its events by itself is subscribed to whatever is wanted.
fn promise(tasks: &Tasks, intake: &Arc<Intake>, status: &Status) {
    status.note_kind(UpstreamKind::BuiltIn);
    status.subscribed();
    let intake = intake.clone();
    tasks.spawn("demo_subscriptions", Unasked::Restart, move || {
        ever(promise_everything(intake.clone()))
    });
}

/// The built-in feed needs no subscription: what is wanted is there, or never comes.
async fn promise_everything(intake: Arc<Intake>) {
    let mut wanted = intake.wanted();
    loop {
        let patterns = wanted.borrow_and_update().clone();
        intake.note_subscribed(patterns);
        if wanted.changed().await.is_err() {
            return;
        }
    }
}
