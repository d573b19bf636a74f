//! The work of an edge host: it is subscribed to the public channels that its sessions ask for, and
//! hands what comes to the hub with the numbers that it has.
//!
//! ```text
//! interest ─► channels ─► start ─► Redis ─► inbox (checked) ─► hub ─► loops
//! records of ingest hosts ─► watch ─► families: stale, live, paused, gaps
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use tokio::time::MissedTickBehavior;

use super::RelaySettings;
use super::commands::KeyedCommand;
use super::inbox::EdgeInbox;
use super::link::RelayLost;
use super::names::RelayNames;
use super::record::{self, FamilyNews, IngestRecord, MAX_HOSTS};
use super::shards::{KnownServers, Purpose, Shards};
use crate::catalog::Catalog;
use crate::hub::{Hub, Interest, Loss};
use crate::metrics::Metrics;
use crate::upstream::Status;
use crate::upstream::redis::{Server, SteadyClock};

/// How often records are read, where nobody says that they have changed.
const LOOK: Duration = Duration::from_millis(500);

/// How long an edge host that hears of no live ingest host stays with a server, which may be one
/// that was replaced.
const LONELY: Duration = Duration::from_secs(5);

/// The pause after a loss.
const PAUSE: Duration = Duration::from_millis(500);

/// What an edge host works with.
#[derive(Debug)]
pub struct Edge {
    server: Server,
    pub(super) names: RelayNames,
    pub(super) hub: Arc<Hub>,
    catalog: Arc<Catalog>,
    pub(super) interest: Arc<Interest>,
    pub(super) metrics: Metrics,
    status: Arc<Status>,
    pub(super) settings: RelaySettings,
}

/// An edge host at work, for as long as all connections stand.
pub(super) struct EdgeWork<'a> {
    pub(super) edge: &'a Edge,
    pub(super) inbox: Arc<EdgeInbox>,
    pub(super) shards: Shards,
    clock: SteadyClock,
    /// Since when no ingest host was alive.
    lonely_since: Option<Instant>,
    pub(super) released_at: Instant,
}

impl Edge {
    /// Connects to nothing yet.
    pub fn new(
        server: Server,
        (hub, catalog, interest): (Arc<Hub>, Arc<Catalog>, Arc<Interest>),
        metrics: Metrics,
        status: Arc<Status>,
        settings: RelaySettings,
    ) -> Self {
        Self {
            server,
            names: RelayNames::new(&settings.name),
            hub,
            catalog,
            interest,
            metrics,
            status,
            settings,
        }
    }

    /// Brings what sessions ask for, for as long as the host runs.
    pub async fn run(&self) {
        let inbox = Arc::new(EdgeInbox::new(
            self.names.clone(),
            self.hub.clone(),
            self.metrics.clone(),
            self.settings.max_message,
        ));
        let mut known = KnownServers::default();
        loop {
            let RelayLost(why) = match self.try_work(&inbox, &mut known).await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            self.interest.set_up(false);
            for family in inbox.forget() {
                self.hub.set_stale(&family, true);
            }
            // Whoever waits for an answer gets it: nothing can be brought now.
            self.hub.answer();
            self.metrics.relay.connected.set(0);
            self.status.lost(&why);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn try_work(
        &self,
        inbox: &Arc<EdgeInbox>,
        known: &mut KnownServers,
    ) -> Result<std::convert::Infallible, RelayLost> {
        // The end of the connections before this is known.
        let _ = inbox.closed.notified().now_or_never();
        let mut work = self.connect(inbox, known).await?;
        let working = work.run().await;
        // By now it may be others than at first.
        *known = work.shards.known().clone();
        working
    }

    async fn connect(
        &self,
        inbox: &Arc<EdgeInbox>,
        known: &KnownServers,
    ) -> Result<EdgeWork<'_>, RelayLost> {
        let purpose = Purpose::Hear(inbox.clone());
        let mut shards = Shards::connect(&self.server, known, purpose).await?;
        shards.subscribe(&[self.names.notes()]).await?;
        Ok(EdgeWork {
            edge: self,
            inbox: inbox.clone(),
            shards,
            clock: SteadyClock::default(),
            lonely_since: None,
            released_at: Instant::now(),
        })
    }
}

impl EdgeWork<'_> {
    async fn run(&mut self) -> Result<std::convert::Infallible, RelayLost> {
        let (edge, inbox) = (self.edge, self.inbox.clone());
        // A master that does not let the host do what it needs is found before anybody is told that
        // all is well.
        self.shards.check().await?;
        self.look().await?;
        self.resume().await?;
        edge.interest.set_up(true);
        edge.metrics.relay.connected.set(1);
        self.bring_what_is_asked_for().await?;
        self.tell_news().await?;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = inbox.closed.notified() => {
                    return Err(RelayLost("the connection was closed".to_owned()));
                }
                () = edge.interest.asked() => self.bring_what_is_asked_for().await?,
                noted = inbox.noted() => self.follow(noted).await?,
                _ = looks.tick() => {
                    self.look().await?;
                    self.shards.check().await?;
                    self.follow_moves(&BTreeSet::new()).await?;
                    self.tell_news().await?;
                    self.release().await?;
                }
            }
        }
    }

    /// Reads what ingest hosts say, their families and the epoch.
    pub(super) async fn look(&mut self) -> Result<(), RelayLost> {
        type EpochFields = (Option<u64>, Option<String>, Option<String>);
        type ClockFields = (Option<u64>, Option<u64>);
        type Heard = (
            (u64, u64),
            ClockFields,
            BTreeMap<String, String>,
            EpochFields,
        );
        let edge = self.edge;
        let epoch = edge.names.epoch();
        let questions = [
            KeyedCommand::beside("TIME", &epoch),
            KeyedCommand::new("HMGET", &epoch).with(&["t", "w"][..]),
            KeyedCommand::new("HGETALL", &edge.names.ingests()),
            KeyedCommand::new("HMGET", &epoch).with(&["g", "e", "r"][..]),
        ];
        let heard: Heard = self.shards.ask(&questions).await?;
        let ((seconds, micros), clock, texts, (generation, epoch, servers)) = heard;
        if let (Some(reached), Some(when)) = clock {
            let server_now = seconds * 1_000 + micros / 1_000;
            self.clock.read(reached, (when, server_now), Instant::now());
        }
        let now = self.clock.now(Instant::now());
        let mut records = super::read_records(&texts);
        records.truncate(MAX_HOSTS);
        for digest in self.inbox.unknown_catalogs(now, &records) {
            let get = KeyedCommand::new("GET", &edge.names.catalog(&digest));
            let (text,) = self.shards.ask::<(Option<String>,)>(&[get]).await?;
            if let Some(text) = text {
                self.inbox.learn(digest, &text);
            }
        }
        if let Some((generation, epoch)) = generation.zip(epoch) {
            let servers = servers.unwrap_or_default();
            if !self.shards.ids().all(|id| servers.contains(id)) {
                return Err(RelayLost(
                    "a server of Redis was started or became a master, and no ingest host has said yet whether numbers \
                     go on there"
                        .to_owned(),
                ));
            }
            if self.inbox.set_epoch(generation, &epoch) {
                return Err(RelayLost(
                    "the relay's numbers begin anew, so its channels are subscribed to anew"
                        .to_owned(),
                ));
            }
        }
        if let Some(families) = self.inbox.follow(now, &records) {
            edge.catalog.replace_families(families);
        }
        self.note_ingests(now, &records)
    }

    fn note_ingests(&mut self, now: u64, records: &[IngestRecord]) -> Result<(), RelayLost> {
        let count = record::alive(now, records).count();
        let metrics = &self.edge.metrics.relay;
        metrics
            .ingests
            .set(i64::try_from(count).unwrap_or(i64::MAX));
        self.edge.status.note_relay(count);
        if count > 0 {
            self.lonely_since = None;
            self.edge.status.subscribed();
            return Ok(());
        }
        let nobody = "no ingest host of this fleet-name says that it works".to_owned();
        self.edge.status.lost(&nobody);
        let since = *self.lonely_since.get_or_insert_with(Instant::now);
        if since.elapsed() > LONELY {
            return Err(RelayLost(nobody));
        }
        Ok(())
    }

    /// Tells sessions what has changed for families.
    pub(super) async fn tell_news(&mut self) -> Result<(), RelayLost> {
        let hub = &self.edge.hub;
        for (family, news) in self.inbox.take_news() {
            match news {
                FamilyNews::Stale(stale) => hub.set_stale(&family, stale),
                FamilyNews::Uncovered => {
                    hub.set_stale(&family, true);
                    hub.set_stale(&family, false);
                }
                FamilyNews::Losses => hub.note_loss(&family, Loss::Transform),
                FamilyNews::PausedLosses => hub.note_loss(&family, Loss::Paused),
                FamilyNews::Paused(paused) => {
                    self.inbox.withdraw(&family, paused);
                    hub.set_paused(&family, paused);
                    hub.sweep();
                }
                FamilyNews::Remade => {
                    self.inbox.withdraw(&family, false);
                    hub.sweep();
                }
            }
        }
        self.inbox.release_held();
        Ok(())
    }
}
