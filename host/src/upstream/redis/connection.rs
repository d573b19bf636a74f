//! One subscription, from the connection to its loss: it follows what is wanted, and probes
//! whether messages still come. What the server denies is left out, said, and tried again.

use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::inbox::Inbox;
use super::link::Link;
use super::probe::Verdict;
use super::reason::is_denied;
use super::{Config, Lost, PATIENCE};
use crate::pipeline::Intake;
use crate::transform::UpstreamPattern;

/// How often what was denied is asked for again.
const RETRY: Duration = Duration::from_secs(2);

pub(super) struct Connection<'a> {
    config: &'a Config,
    link: Link,
    wanted: watch::Receiver<Vec<UpstreamPattern>>,
    inbox: Arc<Inbox>,
    /// None where probes are off or denied.
    probe_interval: Option<Duration>,
    denied: Vec<UpstreamPattern>,
}

impl<'a> Connection<'a> {
    /// Connects, subscribes, and sees the subscriptions confirmed.
    pub(super) async fn open(config: &'a Config, intake: &Arc<Intake>) -> Result<Self, Lost> {
        let mut wanted = intake.wanted();
        let patterns = wanted.borrow_and_update().clone();
        let inbox = Inbox::new(
            intake.clone(),
            patterns.clone(),
            config.probe_channel.clone(),
        );
        let inbox = Arc::new(inbox);
        let opening = async {
            let mut link = Link::open(&config.server, &inbox, &config.tasks).await?;
            let denied = link.psubscribe(&patterns).await?;
            let mut connection = Self {
                config,
                link,
                wanted,
                inbox,
                probe_interval: None,
                denied,
            };
            connection.begin_to_probe().await?;
            Ok::<Self, RedisError>(connection)
        };
        let opened = tokio::time::timeout(3 * PATIENCE, opening).await;
        let opened = opened.map_err(|_| Lost::Timeout(3 * PATIENCE))??;
        intake.note_denied(opened.denied.clone());
        if !opened.denied.is_empty() && opened.denied.len() == patterns.len() {
            return Err(Lost::Denied(opened.denial()));
        }
        opened.leave_out_what_is_denied();
        opened.note_subscribed(&patterns);
        Ok(opened)
    }

    /// Returns when the subscription is lost.
    pub(super) async fn watch(&mut self) -> Lost {
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
        loop {
            let step = tokio::select! {
                () = inbox.closed.notified() => Err(Lost::Closed),
                _ = probes.tick(), if self.probe_interval.is_some() => self.probe().await,
                Ok(()) = wanted.changed() => self.follow().await,
                _ = retries.tick(), if !self.denied.is_empty() => self.follow().await,
            };
            if let Err(lost) = step {
                return lost;
            }
        }
    }

    /// Subscribes to what is wanted now, and to what was not wanted before no more.
    async fn follow(&mut self) -> Result<(), Lost> {
        let wanted = self.wanted.borrow_and_update().clone();
        let (more, less) = self.inbox.expect(&wanted);
        let subscribing = async {
            let denied = self.link.psubscribe(&more).await?;
            self.link.punsubscribe(&less).await?;
            Ok::<_, RedisError>(denied)
        };
        let denied = tokio::time::timeout(PATIENCE, subscribing)
            .await
            .map_err(|_| Lost::Timeout(PATIENCE))??;
        self.inbox.intake.note_denied(denied.clone());
        self.denied = denied;
        self.leave_out_what_is_denied();
        self.note_subscribed(&wanted);
        Ok(())
    }

    fn note_subscribed(&self, wanted: &[UpstreamPattern]) {
        let granted = wanted
            .iter()
            .filter(|pattern| !self.denied.contains(pattern));
        let granted = granted.cloned().collect();
        self.inbox.intake.note_subscribed(granted);
    }

    /// Goes on without what is denied, and says so once, however often it connects.
    fn leave_out_what_is_denied(&self) {
        self.inbox.give_up(&self.denied);
        let mut told = self.config.denied.lock();
        if *told == self.denied {
            return;
        }
        told.clone_from(&self.denied);
        if told.is_empty() {
            tracing::info!("Redis allows everything that transforms ask for");
        } else {
            tracing::error!(
                reason = self.denial(),
                "events of a transform do not come; trying on"
            );
        }
    }

    /// What was denied, in words that name no upstream channel.
    fn denial(&self) -> String {
        let transforms = self.inbox.intake.who_wants(&self.denied);
        let whose = match &transforms[..] {
            [] => "a revision that is to take over asks for".to_owned(),
            [only] => format!("the transform {only} asks for"),
            several => format!("the transforms {} ask for", several.join(", ")),
        };
        format!(
            "NOPERM: the Redis user {:?} may not psubscribe to what {whose}; \
             `tidegate serve --check` prints the ACL rules that it needs",
            self.config.server.user()
        )
    }

    async fn begin_to_probe(&mut self) -> Result<(), RedisError> {
        if self.config.probe_interval.is_zero() {
            return Ok(());
        }
        match self.link.subscribe(&self.config.probe_channel).await {
            Err(error) if is_denied(&error) => self.config.warn_without_probe("subscribe"),
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
            if probes.verdict() == Verdict::Dead {
                return Err(Lost::Silent);
            }
            probes.next()
        };
        let Config {
            server,
            probe_channel,
            ..
        } = self.config;
        let publishing = self.link.publish(server, probe_channel, &probe);
        let patience = (2 * self.config.probe_interval).min(PATIENCE);
        match tokio::time::timeout(patience, publishing).await {
            // What counts is whether it comes back, not whether somebody says that it was sent.
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(error)) if is_denied(&error) => {
                self.config.warn_without_probe("publish");
                self.probe_interval = None;
                Ok(())
            }
            // A server that answers and does not take a probe says nothing of the subscription.
            Ok(Err(error)) if error.code().is_some() => {
                self.inbox.probes.lock().refused();
                Ok(())
            }
            Ok(Err(error)) if self.link.publishes_itself() && !error.is_timeout() => {
                Err(Lost::Redis(error))
            }
            Ok(Err(_)) => Ok(()),
        }
    }
}
