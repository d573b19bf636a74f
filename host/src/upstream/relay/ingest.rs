//! The work of an ingest host beside its lanes: it hands finished messages to Redis, and says what
//! it makes and whether that is all.
//!
//! ```text
//! lanes ─► outbox ─► dispatch ─(script: number, once)─► Redis ─► edge hosts
//! ```
//! Where several work, each sends everything, and what was sent already goes no further. One that
//! was late or cut off leaves its messages to the others for a moment, until it is in step again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, ProtocolVersion, RedisError, RedisResult};
use tokio::time::MissedTickBehavior;

use super::RelaySettings;
use super::dispatch::Dispatch;
use super::link::{self, RelayLost};
use super::names::RelayNames;
use super::presence::Presence;
use super::record::{self, ALIVE, FRESH, GONE, IngestRecord, MAX_HOSTS, WINDOW};
use crate::catalog::Catalog;
use crate::hub::{Hub, Outbox};
use crate::metrics::RelayMetrics;
use crate::pipeline::{Intake, at_work};
use crate::upstream::Status;
use crate::upstream::redis::{PathDelay, Server, Subscriber};

const PUBLISH: &str = include_str!("publish.lua");
const EPOCH: &str = include_str!("epoch.lua");
const LEAVE: &str = include_str!("leave.lua");

/// How often an ingest host says what it does.
const BEAT: Duration = Duration::from_millis(500);

/// Messages that are sent together.
const BATCH: usize = 256;

/// A host that is later than this leaves its messages to the others, in milliseconds.
const LATE: u64 = WINDOW / 2;

/// For how many seconds a catalog stays that nobody renews.
const CATALOG_STAYS: u64 = 120;

/// What an ingest host works with.
#[derive(Debug)]
pub struct Ingest {
    server: Server,
    /// How late events are, and the channel by which that is found out.
    path_delay: (Arc<PathDelay>, String),
    names: RelayNames,
    outbox: Arc<Outbox>,
    hub: Arc<Hub>,
    intake: Arc<Intake>,
    catalog: Arc<Catalog>,
    metrics: RelayMetrics,
    status: Arc<Status>,
    settings: RelaySettings,
}

/// One connection at work.
struct IngestWork<'a> {
    ingest: &'a Ingest,
    connection: MultiplexedConnection,
    /// What Redis calls the scripts.
    publish: String,
    epoch: String,
    leave: String,
    server_id: String,
    records: Vec<IngestRecord>,
    /// The clock of Redis at a moment here.
    clock: (u64, Instant),
}

impl Ingest {
    /// Connects to nothing yet.
    pub fn new(
        redis: &Subscriber,
        outbox: Arc<Outbox>,
        (hub, intake, catalog): (Arc<Hub>, Arc<Intake>, Arc<Catalog>),
        (metrics, status): (RelayMetrics, Arc<Status>),
        settings: RelaySettings,
    ) -> Self {
        let (path_delay, channel) = redis.path_delay();
        Self {
            server: redis.server().clone(),
            path_delay: (path_delay, channel.to_owned()),
            names: RelayNames::new(&settings.name),
            outbox,
            hub,
            intake,
            catalog,
            metrics,
            status,
            settings,
        }
    }

    /// Hands on what the lanes make, for as long as the host runs.
    pub async fn run(&self) {
        let mut presence = Presence::new();
        let mut dispatch = Dispatch::new(
            self.names.clone(),
            self.hub.clone(),
            self.metrics.clone(),
            presence.instance.clone(),
            (self.settings.last_size, self.settings.max_channels),
        );
        loop {
            let RelayLost(why) = match self.try_work(&mut presence, &mut dispatch).await {
                Ok(never) => match never {},
                Err(lost) => lost,
            };
            self.metrics.connected.set(0);
            self.status.note_relay_lost(&why);
            tokio::time::sleep(BEAT).await;
        }
    }

    async fn try_work(
        &self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<std::convert::Infallible, RelayLost> {
        let mut work = self.connect().await?;
        work.agree(dispatch, 0).await?;
        work.beat(presence, dispatch, false).await?;
        work.step_in(presence, dispatch).await?;
        work.beat(presence, dispatch, true).await?;
        self.metrics.connected.set(1);
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changed = tokio::select! {
                () = self.outbox.filled() => false,
                () = self.outbox.changed() => true,
                // What is due then is seen by the clock.
                _ = beats.tick() => false,
            };
            work.look_at_the_clock(presence, dispatch).await?;
            if changed {
                work.beat(presence, dispatch, true).await?;
            }
            work.hand_on(presence, dispatch).await?;
        }
    }

    async fn connect(&self) -> Result<IngestWork<'_>, RelayLost> {
        let config = AsyncConnectionConfig::new();
        let connecting = link::connect(&self.server, ProtocolVersion::RESP2, config);
        let (mut connection, server_id) = connecting.await?;
        let mut scripts = [PUBLISH, EPOCH, LEAVE].map(str::to_owned);
        for script in &mut scripts {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(&*script);
            let loaded = load.query_async::<String>(&mut connection).await;
            *script = loaded.map_err(|error| RelayLost::of(&error, &self.server))?;
        }
        let [publish, epoch, leave] = scripts;
        Ok(IngestWork {
            ingest: self,
            connection,
            publish,
            epoch,
            leave,
            server_id,
            records: Vec::new(),
            clock: (0, Instant::now()),
        })
    }
}

impl IngestWork<'_> {
    fn lost(&self, error: &RedisError) -> RelayLost {
        RelayLost::of(error, &self.ingest.server)
    }

    /// Takes the epoch that all ingest hosts have agreed on, or makes one. `lost` is the generation
    /// of which numbers are known to be lost.
    async fn agree(&mut self, dispatch: &mut Dispatch, lost: u64) -> Result<(), RelayLost> {
        // Its generation alone tells it from others.
        let name = format!("{:016x}", getrandom::u64().unwrap_or_default());
        let mut agree = redis::cmd("EVALSHA");
        agree
            .arg(&self.epoch)
            .arg(1)
            .arg(self.ingest.names.epoch())
            .arg(&self.server_id)
            .arg(name)
            .arg(lost);
        let agreed = agree.query_async::<(u64, String)>(&mut self.connection);
        let agreed = agreed.await.map_err(|error| self.lost(&error))?;
        dispatch.set_epoch(agreed);
        Ok(())
    }

    /// Hears what the other ingest hosts say, and says what this one does.
    async fn beat(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
        speaks: bool,
    ) -> Result<(), RelayLost> {
        type Heard = ((u64, u64), BTreeMap<String, String>, Option<u64>);
        let names = &self.ingest.names;
        let mut hear = Pipeline::new();
        hear.cmd("TIME");
        hear.cmd("HGETALL").arg(names.ingests());
        hear.cmd("HGET").arg(names.epoch()).arg("g");
        let heard: RedisResult<Heard> = hear.query_async(&mut self.connection).await;
        let ((seconds, micros), texts, generation) = heard.map_err(|error| self.lost(&error))?;
        let now = seconds * 1_000 + micros / 1_000;
        self.clock = (now, Instant::now());
        let mut records = super::read_records(&texts);
        records.truncate(MAX_HOSTS);
        if generation != Some(dispatch.generation()) {
            self.agree(dispatch, 0).await?;
        }
        // Who has just begun waits for nobody who is dead; others may have an old backlog.
        let is_alone =
            presence.is_new && !record::others_cover(now, &records, &presence.instance, FRESH);
        let until = presence.away_until;
        if until.is_some_and(|until| is_alone || Instant::now() >= until) {
            presence.away_until = None;
            presence.is_new = false;
            presence.covers_since = Some(now);
            tracing::info!("this ingest host is in step with the others");
        }
        let ingests = record::alive(now, &records).count();
        let count = i64::try_from(ingests).unwrap_or(i64::MAX);
        self.ingest.metrics.ingests.set(count);
        self.ingest.status.note_relay(ingests);
        self.records = records;
        if speaks {
            self.speak(presence, now, &texts).await?;
        }
        let (path_delay, channel) = &self.ingest.path_delay;
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(path_delay.next(Instant::now()));
        // Where the user may not, nothing comes back, and nothing is made of that.
        let _: RedisResult<u64> = publish.query_async(&mut self.connection).await;
        Ok(())
    }

    async fn speak(
        &mut self,
        presence: &mut Presence,
        now: u64,
        texts: &BTreeMap<String, String>,
    ) -> Result<(), RelayLost> {
        let names = &self.ingest.names;
        let mut say = Pipeline::new();
        if presence.catalog.follow(&self.ingest.catalog, now) {
            let (digest, text) = (&presence.catalog.digest, &presence.catalog.text);
            say.cmd("SET").arg(names.catalog(digest)).arg(text);
            say.arg("EX").arg(CATALOG_STAYS).ignore();
        }
        let text = self.record(presence, now)?;
        say.cmd("HSET").arg(names.ingests()).arg(&presence.instance);
        say.arg(text).ignore();
        for (instance, text) in texts {
            let record: Option<IngestRecord> = serde_json::from_str(text).ok();
            if record.is_none_or(|record| now.saturating_sub(record.at) > GONE) {
                say.cmd("HDEL").arg(names.ingests()).arg(instance).ignore();
            }
        }
        say.cmd("SPUBLISH").arg(names.notes()).arg("s").ignore();
        let said: RedisResult<()> = say.query_async(&mut self.connection).await;
        said.map_err(|error| self.lost(&error))
    }

    /// What this host says of itself.
    fn record(&self, presence: &mut Presence, now: u64) -> Result<String, RelayLost> {
        let making = at_work(&self.ingest.intake).into_iter();
        let making = making.map(|working| {
            let account = self.ingest.hub.account(&working.family);
            (working, account)
        });
        let record = presence.record(
            &self.ingest.settings.host,
            now,
            making.collect(),
            &self.records,
        );
        serde_json::to_string(&record).map_err(|error| RelayLost(error.to_string()))
    }

    /// This host begins, or was out of step: others that send everything go on alone for a while.
    async fn step_in(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        let (now, _) = self.clock;
        let covers_since = presence.covers_since.take();
        let text = self.record(presence, now)?;
        let mut leave = redis::cmd("EVALSHA");
        leave
            .arg(&self.leave)
            .arg(1)
            .arg(self.ingest.names.ingests())
            .arg(&presence.instance)
            .arg(text)
            .arg(ALIVE);
        let left: RedisResult<bool> = leave.query_async(&mut self.connection).await;
        // Where there is no answer, it is asked again on the next connection.
        presence.covers_since = covers_since;
        if left.map_err(|error| self.lost(&error))? {
            if presence.away_until.is_none() {
                tracing::info!(
                    "this ingest host leaves its messages to the others until it is in step"
                );
            }
            presence.covers_since = None;
            presence.away_until = Some(Instant::now() + Duration::from_millis(WINDOW));
            dispatch.leave(0);
        } else if presence.covers_since.is_none() {
            presence.away_until = None;
            presence.is_new = false;
            presence.covers_since = Some(now);
        }
        Ok(())
    }

    /// Says what this host does where that is due, and sees whether it stood still, or its events
    /// did on their way: then what it has may have been sent by others long ago.
    async fn look_at_the_clock(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        let late = Duration::from_millis(LATE);
        let stood_still = presence.alive_at.elapsed() > late;
        if stood_still || self.clock.1.elapsed() > BEAT * 4 / 5 {
            self.beat(presence, dispatch, !stood_still).await?;
        }
        // The beat itself may have been what was waited for.
        let stood_still = stood_still || presence.alive_at.elapsed() > late;
        let (path_delay, _) = &self.ingest.path_delay;
        if stood_still || path_delay.lateness(Instant::now()) > late {
            self.step_in(presence, dispatch).await?;
        }
        presence.alive_at = Instant::now();
        Ok(())
    }

    async fn hand_on(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        loop {
            self.look_at_the_clock(presence, dispatch).await?;
            let messages = match dispatch.has_pending() {
                true => Vec::new(),
                false => self.ingest.outbox.take(BATCH),
            };
            if presence.away_until.is_some() {
                if messages.is_empty() {
                    return Ok(());
                }
                dispatch.leave(messages.len());
                continue;
            }
            dispatch.take(messages);
            if !dispatch.has_pending() {
                return Ok(());
            }
            let (at, since) = self.clock;
            let elapsed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            let until = at.saturating_add(elapsed).saturating_add(LATE);
            let sent = dispatch.send(&mut self.connection, &self.publish, until);
            let outcome = sent.await.map_err(|error| self.lost(&error))?;
            if outcome.epoch_is_over {
                let lost = match outcome.numbers_were_lost {
                    true => dispatch.generation(),
                    false => 0,
                };
                let before = dispatch.generation();
                self.agree(dispatch, lost).await?;
                if dispatch.generation() == before {
                    // The clock of Redis has gone back; it is tried until it has caught up.
                    self.agree(dispatch, before).await?;
                    return Err(RelayLost(
                        "Redis has numbers of a later epoch than it knows of".to_owned(),
                    ));
                }
            }
            if outcome.is_late {
                self.beat(presence, dispatch, false).await?;
            }
            if outcome.is_late || outcome.behind > LATE {
                self.step_in(presence, dispatch).await?;
            }
        }
    }
}
