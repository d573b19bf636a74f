//! Where events come from, and whether they do.

pub mod demo;
mod news;
pub mod place;
pub mod redis;
pub mod relay;
pub mod replay;
mod steady;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

use self::news::News;
use self::place::{HostRole, ServerReport, UpstreamKind, UpstreamMove, UpstreamReport};
use self::steady::{STANDS, Steady};
use crate::metrics::Metrics;

/// Why there are no events before the first attempt to get them.
const NOT_CONNECTED: &str = "not connected yet";

/// Whether the upstream subscription is in force. Shared with the admin side.
#[derive(Debug)]
pub struct Status {
    state: Mutex<SubscriptionState>,
    steady: Mutex<Steady>,
    place: Mutex<UpstreamReport>,
    /// Why the relay does not take what an ingest host makes.
    relay_problem: Mutex<Option<String>>,
    metrics: Metrics,
}

/// The upstream is away, or has just been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// For how long and why, in words.
    pub problem: String,
    /// Whether it is a reason for clients to go elsewhere.
    pub counts: bool,
}

#[derive(Debug)]
enum SubscriptionState {
    Subscribed,
    /// Since when, and why. `outage` is false until the first subscription.
    Lost {
        since: Instant,
        reason: String,
        outage: bool,
        news: News,
    },
}

impl Status {
    pub fn new(metrics: Metrics) -> Self {
        let state = SubscriptionState::Lost {
            since: Instant::now(),
            reason: NOT_CONNECTED.into(),
            outage: false,
            news: News::begun(NOT_CONNECTED, Instant::now()),
        };
        for kind in UpstreamKind::ALL {
            let is_known = i64::from(kind == UpstreamKind::default());
            let gauge = metrics.servers.kind.with_label_values(&[kind.word()]);
            gauge.set(is_known);
        }
        for why in redis::WHY_LEFT {
            metrics.servers.moves.with_label_values(&[why]);
        }
        Self {
            state: Mutex::new(state),
            steady: Mutex::default(),
            place: Mutex::default(),
            relay_problem: Mutex::default(),
            metrics,
        }
    }

    /// Why no events can be expected now; `None` when all is well.
    pub fn problem(&self) -> Option<String> {
        match &*self.state.lock() {
            SubscriptionState::Subscribed => None,
            SubscriptionState::Lost { since, reason, .. } => Some(format!(
                "not subscribed for {} s: {reason}",
                since.elapsed().as_secs()
            )),
        }
    }

    /// What is wrong with the upstream, and whether it has been so for `grace`.
    pub fn outage(&self, grace: Duration) -> Option<Outage> {
        let counts = self.steady.lock().counts_as_lost(Instant::now(), grace);
        let problem = self.problem().or_else(|| {
            counts.then(|| format!("it has been back for less than {} s", STANDS.as_secs()))
        })?;
        Some(Outage { problem, counts })
    }

    /// Where events come from, for whoever operates the host.
    pub fn report(&self) -> UpstreamReport {
        let problem = self.problem();
        UpstreamReport {
            subscribed: problem.is_none(),
            problem,
            ..self.place.lock().clone()
        }
    }

    /// What the upstream is; said where it is another than before.
    pub fn note_kind(&self, kind: UpstreamKind) {
        let mut place = self.place.lock();
        if place.kind != kind {
            tracing::info!(kind = kind.word(), "the upstream is known");
            place.kind = kind;
            for known in UpstreamKind::ALL {
                let gauge = &self.metrics.servers.kind;
                let gauge = gauge.with_label_values(&[known.word()]);
                gauge.set(i64::from(known == kind));
            }
        }
    }

    /// What the host does of the way from Redis to clients.
    pub fn note_role(&self, role: HostRole) {
        self.place.lock().role = role;
        *self.relay_problem.lock() = match role {
            HostRole::Ingest => Some("not connected yet".to_owned()),
            HostRole::Both | HostRole::Edge => None,
        };
    }

    /// The relay works, and so many ingest hosts are alive.
    fn note_relay(&self, ingests: usize) {
        self.place.lock().ingests = Some(ingests);
        if self.relay_problem.lock().take().is_some() {
            tracing::info!("Redis takes messages for edge hosts");
        }
    }

    /// The relay does not work.
    fn note_relay_lost(&self, why: &str) {
        let mut problem = self.relay_problem.lock();
        if problem.as_deref() != Some(why) {
            tracing::error!(reason = why, "messages do not get to edge hosts; trying on");
            *problem = Some(why.to_owned());
        }
    }

    /// Why the relay does not take what an ingest host makes; none where it does, and on other
    /// hosts.
    pub fn relay_problem(&self) -> Option<String> {
        self.relay_problem.lock().clone()
    }

    /// The servers that are known, and how many events are remembered in case of a move.
    fn note_servers(&self, servers: Vec<ServerReport>, remembered: usize) {
        self.place.lock().servers = servers;
        let remembered = i64::try_from(remembered).unwrap_or(i64::MAX);
        self.metrics.servers.remembered.set(remembered);
    }

    /// The subscription is on this server; `why` is why the last one was left.
    fn arrived(&self, server: &str, why: &'static str) {
        let mut place = self.place.lock();
        let before = place.server.replace(server.to_owned());
        let Some(before) = before.filter(|before| before != server) else {
            return;
        };
        tracing::info!(
            from = before,
            to = server,
            why,
            "moved to another Redis server"
        );
        self.metrics.servers.moves.with_label_values(&[why]).inc();
        place.moves += 1;
        place.last_move = Some(UpstreamMove {
            at: Timestamp::now(),
            to: server.to_owned(),
            why: why.to_owned(),
        });
    }

    /// Logs the end of an outage, once.
    pub fn subscribed(&self) {
        self.steady.lock().subscribed(Instant::now());
        let mut state = self.state.lock();
        match &*state {
            SubscriptionState::Subscribed => return,
            SubscriptionState::Lost {
                since,
                outage: true,
                ..
            } => {
                tracing::info!(after = ?since.elapsed(), "upstream is back; events of the meantime are lost");
            }
            SubscriptionState::Lost { .. } => tracing::info!("subscribed upstream"),
        }
        *state = SubscriptionState::Subscribed;
        self.metrics.upstream_connected.set(1);
    }

    /// Logs and counts the beginning of an outage, once; then only what is news: another reason
    /// than before.
    fn lost(&self, why: &str) {
        let now = Instant::now();
        self.steady.lock().lost(now);
        let mut state = self.state.lock();
        match &mut *state {
            SubscriptionState::Subscribed => {
                tracing::error!(reason = why, "upstream is lost; clients stay connected");
                self.metrics.upstream_outages.inc();
                self.metrics.upstream_connected.set(0);
                *state = SubscriptionState::Lost {
                    since: now,
                    reason: why.into(),
                    outage: true,
                    news: News::begun(why, now),
                };
            }
            SubscriptionState::Lost {
                reason,
                outage,
                news,
                ..
            } => {
                if news.is_news(why, now) {
                    let what = if *outage {
                        "upstream is still lost, for another reason; trying on"
                    } else {
                        "cannot subscribe upstream; trying on"
                    };
                    tracing::error!(reason = why, "{what}");
                }
                *reason = why.into();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_counted_once_however_often_it_fails_to_end() {
        let metrics = Metrics::new();
        let status = Status::new(metrics.clone());
        status.lost("refused");
        assert_eq!(metrics.upstream_outages.get(), 0, "nothing was lost yet");
        status.subscribed();
        assert_eq!(status.problem(), None);
        for _ in 0..3 {
            status.lost("closed");
        }
        assert!(status.problem().unwrap().contains("closed"));
        status.subscribed();
        assert_eq!(
            (
                metrics.upstream_outages.get(),
                metrics.upstream_connected.get()
            ),
            (1, 1)
        );
    }
}
