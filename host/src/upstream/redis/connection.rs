//! One subscription, from the connection to its loss: it follows what is wanted, and probes
//! whether messages still come. What the server refuses is left out, said, and tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::course::Remains;
use super::guide::NextServer;
use super::inbox::{AroundMoves, UpstreamInbox};
use super::leave::until_left;
use super::link::{Probed, RedisLink};
use super::probe::Liveness;
use super::reason::{is_answer, is_denied};
use super::refusal::{PatternRefusal, in_words};
use super::{Config, Lost, MAX_PAUSE, PATIENCE, address};
use crate::pipeline::Intake;
use crate::settings::RedisNode;
use crate::transform::UpstreamPattern;
use crate::upstream::Status;

/// How often what was refused is asked for again.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct UpstreamConnection<'a> {
    config: &'a Config,
    pub(super) node: RedisNode,
    link: RedisLink,
    wanted: watch::Receiver<Vec<UpstreamPattern>>,
    pub(super) inbox: Arc<UpstreamInbox>,
    /// None where probes are off or denied.
    probe_interval: Option<Duration>,
    refused: Vec<PatternRefusal>,
    since: Instant,
}

/// Why a subscription is watched no longer.
#[derive(Debug)]
pub(super) enum WatchEnd {
    Lost(Lost),
    /// It stands, and another server is the better one.
    Leave(NextServer),
}

impl<'a> UpstreamConnection<'a> {
    /// Connects to a server, subscribes, and sees the subscriptions confirmed. `before` is what the
    /// server that is left is still good for; none where there is none.
    pub(super) async fn open(
        config: &'a Config,
        intake: &Arc<Intake>,
        status: &Status,
        node: &RedisNode,
        before: Option<Remains>,
    ) -> Result<Self, Lost> {
        let mut wanted = intake.wanted();
        let patterns = wanted.borrow_and_update().clone();
        let inbox = UpstreamInbox::new(
            intake.clone(),
            patterns.clone(),
            (config.probe_channel.clone(), config.path_delay.clone()),
            AroundMoves {
                crossing: config.crossing.clone(),
                duplicates: status.metrics.servers.duplicates.clone(),
                waiting: status.metrics.servers.waiting.clone(),
                behind: before == Some(Remains::Everything),
                loses: before.is_some_and(|before| before != Remains::Everything),
            },
        );
        let inbox = Arc::new(inbox);
        let opening = async {
            let mut link = RedisLink::open(&config.server, node, &inbox, &config.tasks).await?;
            let refused = link.psubscribe(&patterns).await?;
            let mut connection = Self {
                config,
                node: node.clone(),
                link,
                wanted,
                inbox: inbox.clone(),
                probe_interval: None,
                refused,
                since: Instant::now(),
            };
            // All else after the subscription: each answer that is waited for costs events.
            connection.begin_to_probe().await?;
            connection.link.name(&config.server).await?;
            let mode = connection.link.mode().await?;
            Ok::<_, RedisError>((connection, mode))
        };
        // Where there are others to try, none is waited for long.
        let patience = match config.guide.has_several() {
            true => PATIENCE,
            false => 3 * PATIENCE,
        };
        let opened = match tokio::time::timeout(patience, opening).await {
            Ok(Ok((connection, mode))) => {
                let fits = config.take_kind(mode.as_deref(), status);
                fits.map(|()| connection)
            }
            Ok(Err(error)) => Err(Lost::Redis(error)),
            Err(_) => Err(Lost::Timeout(patience)),
        };
        let opened = opened.inspect_err(|_| inbox.retire())?;
        if !opened.refused.is_empty() && opened.refused.len() == patterns.len() {
            opened.note_refused();
            return Err(Lost::Refused(opened.refusal()));
        }
        opened.go_on_without_what_is_refused();
        opened.note_subscribed(&patterns);
        Ok(opened)
    }

    /// Whether the connection has shown that it brings messages. Where no probe can come back over
    /// it, it must have stood for a while instead.
    pub(super) fn is_proven(&self) -> bool {
        let must_prove = self.probe_interval.is_some() && self.link.can_publish();
        self.inbox.is_proven() || (!must_prove && self.since.elapsed() > MAX_PAUSE)
    }

    /// Returns when the subscription is lost, or another server is the better one.
    pub(super) async fn watch(&mut self, status: &Status) -> WatchEnd {
        let inbox = self.inbox.clone();
        let mut wanted = self.wanted.clone();
        let every = |period: Duration| {
            let mut ticks = tokio::time::interval(period);
            // A path that is slower than the interval gets as many probes as it carries.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let mut probes = every(self.probe_interval.unwrap_or(RETRY));
        let mut retries = every(RETRY);
        let config = self.config;
        let mut elsewhere = Box::pin(address::leads_elsewhere(config, &inbox));
        let node = self.node.clone();
        let mut left = Box::pin(until_left(
            config,
            status,
            &node,
            self.link.commands(),
            &inbox,
        ));
        loop {
            let step = tokio::select! {
                () = inbox.closed.notified() => Err(Lost::Closed),
                _ = probes.tick(), if self.probe_interval.is_some() => self.probe().await,
                lost = &mut elsewhere, if self.probe_interval.is_some() => Err(lost),
                next = &mut left => return WatchEnd::Leave(next),
                Ok(()) = wanted.changed() => self.follow().await,
                _ = retries.tick(), if !self.refused.is_empty() => self.follow().await,
            };
            if let Err(lost) = step {
                return WatchEnd::Lost(lost);
            }
        }
    }

    /// Subscribes to what is wanted now, and unsubscribes from what is wanted no more.
    async fn follow(&mut self) -> Result<(), Lost> {
        let wanted = self.wanted.borrow_and_update().clone();
        let (more, less) = self.inbox.expect(&wanted);
        let subscribing = async {
            let refused = self.link.psubscribe(&more).await?;
            self.link.punsubscribe(&less).await?;
            Ok::<_, RedisError>(refused)
        };
        self.refused = tokio::time::timeout(PATIENCE, subscribing)
            .await
            .map_err(|_| Lost::Timeout(PATIENCE))??;
        self.go_on_without_what_is_refused();
        self.note_subscribed(&wanted);
        Ok(())
    }

    fn note_subscribed(&self, wanted: &[UpstreamPattern]) {
        let is_refused = |pattern: &UpstreamPattern| {
            self.refused
                .iter()
                .any(|refusal| refusal.pattern == *pattern)
        };
        let granted = wanted.iter().filter(|pattern| !is_refused(pattern));
        let granted = granted.cloned().collect();
        self.inbox.intake.note_subscribed(granted);
    }

    fn note_refused(&self) {
        let user = self.config.server.user();
        let denied = self
            .refused
            .iter()
            .map(|refusal| refusal.for_its_transform(user));
        self.inbox.intake.note_denied(denied.collect());
    }

    /// Says what is refused once, however often it connects.
    fn go_on_without_what_is_refused(&self) {
        self.note_refused();
        let refused: Vec<_> = self
            .refused
            .iter()
            .map(|refusal| &refusal.pattern)
            .collect();
        self.inbox.give_up(&refused);
        let mut said = self.config.refusal.lock();
        let refusal = self.refusal();
        if *said == refusal {
            return;
        }
        if refusal.is_empty() {
            tracing::info!("Redis allows everything that transforms ask for");
        } else {
            tracing::error!(
                reason = refusal,
                "events of a transform do not come; trying on"
            );
        }
        *said = refusal;
    }

    /// What is refused, in words that name no upstream channel; empty if nothing is.
    fn refusal(&self) -> String {
        let intake = &self.inbox.intake;
        in_words(&self.refused, self.config.server.user(), |patterns| {
            intake.who_wants(patterns)
        })
    }

    async fn begin_to_probe(&mut self) -> Result<(), RedisError> {
        if self.config.probe_interval.is_zero() {
            return Ok(());
        }
        match self.link.subscribe(&self.config.probe_channel).await {
            Err(error) if is_answer(&error) => self.config.warn_without_probe("subscribe", &error),
            subscribed => {
                subscribed?;
                self.probe_interval = Some(self.config.probe_interval);
            }
        }
        Ok(())
    }

    /// Judges the probes that were sent, and sends the next.
    async fn probe(&mut self) -> Result<(), Lost> {
        let probe = {
            let mut probes = self.inbox.probes.lock();
            if probes.verdict() == Liveness::Dead {
                return Err(Lost::Silent);
            }
            probes.next()
        };
        let sending = self.link.probe(&self.config.probe_channel, &probe);
        let patience = (2 * self.config.probe_interval).min(PATIENCE);
        match tokio::time::timeout(patience, sending).await {
            // What counts is whether it comes back, not whether somebody says that it was sent.
            Ok(Ok(Probed::Published)) | Err(_) => {}
            Ok(Ok(Probed::Answered)) => {
                self.inbox.probes.lock().came(probe.as_bytes());
            }
            Ok(Err(error)) if is_denied(&error) => {
                self.config.warn_without_probe("publish", &error);
                self.probe_interval = None;
            }
            // A server that answers and does not take a probe says nothing of the subscription.
            Ok(Err(error)) if is_answer(&error) => self.inbox.probes.lock().refused(),
            Ok(Err(error)) if error.is_timeout() => {}
            Ok(Err(error)) => return Err(Lost::Redis(error)),
        }
        Ok(())
    }
}

/// What still arrives after the loss was told belongs to nobody.
impl Drop for UpstreamConnection<'_> {
    fn drop(&mut self) {
        self.inbox.retire();
    }
}
