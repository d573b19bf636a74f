//! Where the host's events come from: the tasks that bring them.

use std::sync::Arc;

use super::EventSource;
use crate::pipeline::Intake;
use crate::tasks::{Tasks, Unasked, ever};
use crate::upstream::place::UpstreamKind;
use crate::upstream::{Status, demo, redis, replay};

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
