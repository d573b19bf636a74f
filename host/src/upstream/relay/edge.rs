//! The work of an edge host: it is subscribed to the public channels that its sessions ask for, and
//! hands what comes to the hub with the numbers that it has.
//!
//! ```text
//! interest ─► start ─► Redis ─► inbox (checked) ─► hub ─► loops
//! records of ingest hosts ─► watch ─► families: stale, live, paused, gaps
//! ```

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, ProtocolVersion, PushInfo, RedisError, RedisResult};
use tokio::time::MissedTickBehavior;

use super::RelaySettings;
use super::inbox::{EdgeInbox, Noted};
use super::link::{self, RelayLost};
use super::names::RelayNames;
use super::record::{self, FamilyNews, IngestRecord, MAX_HOSTS};
use super::start::{self, OwedSince};
use crate::catalog::Catalog;
use crate::channel::{Channel, Pattern};
use crate::hub::{Hub, Interest, Loss};
use crate::metrics::Metrics;
use crate::upstream::Status;
use crate::upstream::redis::Server;

/// How often records are read, where nobody says that they have changed.
const LOOK: Duration = Duration::from_millis(500);

/// The least time between two looks at what sessions hold.
const RELEASE: Duration = Duration::from_secs(1);

/// How long an edge host that hears of no live ingest host stays with a server, which may be one
/// that was replaced.
const LONELY: Duration = Duration::from_secs(5);

/// The pause after a loss.
const PAUSE: Duration = Duration::from_millis(500);

/// What an edge host works with.
#[derive(Debug)]
pub struct Edge {
    server: Server,
    names: RelayNames,
    hub: Arc<Hub>,
    catalog: Arc<Catalog>,
    interest: Arc<Interest>,
    metrics: Metrics,
    status: Arc<Status>,
    settings: RelaySettings,
}

/// One connection at work.
struct EdgeWork<'a> {
    edge: &'a Edge,
    inbox: Arc<EdgeInbox>,
    connection: MultiplexedConnection,
    /// Since when no ingest host was alive.
    lonely_since: Option<Instant>,
    released_at: Instant,
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
        loop {
            let RelayLost(why) = match self.try_work(&inbox).await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            inbox.retire();
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
    ) -> Result<std::convert::Infallible, RelayLost> {
        let mut work = self.connect(inbox).await?;
        work.look().await?;
        work.resume().await?;
        self.interest.set_up(true);
        self.metrics.relay.connected.set(1);
        work.bring_what_is_asked_for().await?;
        work.tell_news().await?;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = inbox.closed.notified() => {
                    return Err(RelayLost("the connection was closed".to_owned()));
                }
                () = self.interest.asked() => work.bring_what_is_asked_for().await?,
                noted = inbox.noted() => work.follow(noted).await?,
                _ = looks.tick() => {
                    work.look().await?;
                    work.tell_news().await?;
                    work.release().await?;
                }
            }
        }
    }

    async fn connect(&self, inbox: &Arc<EdgeInbox>) -> Result<EdgeWork<'_>, RelayLost> {
        let lost = |error: RedisError| RelayLost::of(&error, &self.server);
        let into = inbox.begin();
        let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
            into.receive(push);
            Ok::<(), redis::aio::SendError>(())
        });
        let connecting = link::connect(&self.server, ProtocolVersion::RESP3, config);
        let (mut connection, _) = connecting.await?;
        let mut subscribe = Pipeline::new();
        subscribe.cmd("SSUBSCRIBE").arg(self.names.notes()).ignore();
        let subscribed: RedisResult<()> = subscribe.query_async(&mut connection).await;
        subscribed.map_err(lost)?;
        Ok(EdgeWork {
            edge: self,
            inbox: inbox.clone(),
            connection,
            lonely_since: None,
            released_at: Instant::now(),
        })
    }
}

impl EdgeWork<'_> {
    fn lost(&self, error: &RedisError) -> RelayLost {
        RelayLost::of(error, &self.edge.server)
    }

    /// Reads what ingest hosts say, their families and the epoch.
    async fn look(&mut self) -> Result<(), RelayLost> {
        type Heard = (
            (u64, u64),
            BTreeMap<String, String>,
            (Option<u64>, Option<String>),
        );
        let edge = self.edge;
        let mut question = Pipeline::new();
        question.cmd("TIME");
        question.cmd("HGETALL").arg(edge.names.ingests());
        question
            .cmd("HMGET")
            .arg(edge.names.epoch())
            .arg("g")
            .arg("e");
        let heard: RedisResult<Heard> = question.query_async(&mut self.connection).await;
        let ((seconds, micros), texts, (generation, epoch)) =
            heard.map_err(|error| self.lost(&error))?;
        let now = seconds * 1_000 + micros / 1_000;
        let mut records = super::read_records(&texts);
        records.truncate(MAX_HOSTS);
        for digest in self.inbox.unknown_catalogs(now, &records) {
            let mut get = redis::cmd("GET");
            get.arg(edge.names.catalog(&digest));
            let text: RedisResult<Option<String>> = get.query_async(&mut self.connection).await;
            if let Some(text) = text.map_err(|error| self.lost(&error))? {
                self.inbox.learn(digest, &text);
            }
        }
        if let Some((generation, epoch)) = generation.zip(epoch)
            && self.inbox.set_epoch(generation, &epoch)
        {
            return Err(RelayLost(
                "the relay's numbers begin anew, so its channels are subscribed to anew".to_owned(),
            ));
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
    async fn tell_news(&mut self) -> Result<(), RelayLost> {
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
        Ok(())
    }

    /// Subscribes again to all that was subscribed to before the last connection was lost.
    async fn resume(&mut self) -> Result<(), RelayLost> {
        let channels = self.inbox.channels();
        let wanted = channels
            .into_iter()
            .map(|channel| (channel, OwedSince::Last))
            .collect();
        self.begin(wanted).await
    }

    async fn begin(&mut self, channels: Vec<(Channel, OwedSince)>) -> Result<(), RelayLost> {
        for piece in start::pieces(&channels) {
            self.inbox.expect(piece);
            let begun = start::begin(&mut self.connection, &self.edge.names, piece).await;
            let states = begun.map_err(|error| self.lost(&error))?;
            for ((channel, owed), state) in piece.iter().zip(states) {
                self.inbox.begun(channel, *owed, state);
            }
        }
        Ok(())
    }

    /// Brings what sessions ask for and nobody has asked for before, and has them answered.
    async fn bring_what_is_asked_for(&mut self) -> Result<(), RelayLost> {
        let interest = self.edge.interest.clone();
        let patterns = interest.unbrought();
        let (wide, single): (Vec<Pattern>, Vec<Pattern>) =
            patterns.iter().cloned().partition(Pattern::has_wildcard);
        let mut channels: HashSet<Channel> = single
            .iter()
            .filter_map(|pattern| pattern.as_str().parse().ok())
            .collect();
        let families: HashSet<&str> = wide.iter().map(Pattern::family).collect();
        for family in families {
            self.scan(family, &mut channels).await?;
        }
        let fresh = channels.into_iter();
        let fresh = fresh.filter(|channel| !self.inbox.has(channel));
        let fresh = fresh.map(|channel| (channel, OwedSince::Now)).collect();
        self.begin(fresh).await?;
        interest.note_brought(&patterns);
        self.edge.hub.answer();
        Ok(())
    }

    /// Adds the channels of a family that are asked for.
    async fn scan(
        &mut self,
        family: &str,
        channels: &mut HashSet<Channel>,
    ) -> Result<(), RelayLost> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SSCAN");
            scan.arg(self.edge.names.index(family)).arg(cursor);
            scan.arg("COUNT").arg(1_000);
            let scanned: RedisResult<(u64, Vec<String>)> =
                scan.query_async(&mut self.connection).await;
            let (next, names) = scanned.map_err(|error| self.lost(&error))?;
            let named = names.iter().filter_map(|name| name.parse().ok());
            channels.extend(named.filter(|channel| self.edge.interest.matches(channel)));
            if channels.len() > self.edge.settings.max_channels || next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Follows what ingest hosts have noted.
    async fn follow(&mut self, noted: Noted) -> Result<(), RelayLost> {
        if noted.epoch || noted.families {
            self.look().await?;
            self.tell_news().await?;
        }
        // Each ingest host notes a channel once.
        let channels: HashSet<Channel> = noted.channels.into_iter().collect();
        let fresh = channels
            .into_iter()
            .filter(|channel| !self.inbox.has(channel) && self.edge.interest.matches(channel));
        let fresh: Vec<(Channel, OwedSince)> =
            fresh.map(|channel| (channel, OwedSince::Begin)).collect();
        self.begin(fresh).await
    }

    /// Lets go of what no session has held for a while.
    async fn release(&mut self) -> Result<(), RelayLost> {
        if self.released_at.elapsed() < RELEASE {
            return Ok(());
        }
        self.released_at = Instant::now();
        let edge = self.edge;
        let (interest, relay) = (&edge.interest, &edge.metrics.relay);
        let now = Instant::now();
        let held: HashSet<Pattern> = edge.hub.patterns().await.into_iter().collect();
        // Churn may not fill the table: then what nobody holds goes at once.
        let is_full = interest.count() > edge.settings.max_channels;
        let linger = if is_full {
            RELEASE
        } else {
            edge.settings.linger
        };
        if interest.release(&held, linger, now) {
            let gone = self.inbox.let_go(|channel| interest.matches(channel));
            let ended = start::end(&mut self.connection, &edge.names, &gone).await;
            ended.map_err(|error| self.lost(&error))?;
        }
        relay
            .patterns
            .set(i64::try_from(interest.count()).unwrap_or(i64::MAX));
        Ok(())
    }
}
