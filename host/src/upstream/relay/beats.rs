//! The beat of an ingest host: what it hears of the others, what it says of itself, and whether it
//! is in step with them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use redis::{RedisResult, Value};

use super::commands::KeyedCommand;
use super::dispatch::Dispatch;
use super::ingest::{BEAT, IngestWork, LATE};
use super::link::RelayLost;
use super::presence::Presence;
use super::record::{self, ALIVE, FRESH, GONE, IngestRecord, MAX_HOSTS, WINDOW};
use super::server_clock::ServerClock;
use crate::pipeline::at_work;
use crate::upstream::redis::{ASK_THE_CLOCK, with_steady_clock};

const LEAVE: &str = include_str!("leave.lua");

/// For how many seconds a catalog stays that nobody renews.
const CATALOG_STAYS: u64 = 120;

impl IngestWork<'_> {
    /// Hears what the other ingest hosts say, and says what this one does.
    pub(super) async fn beat(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
        speaks: bool,
    ) -> Result<(), RelayLost> {
        type Heard = ((u64, u64), BTreeMap<String, String>, Option<u64>);
        self.shards.check().await?;
        let (epoch, ingests) = (self.ingest.names.epoch(), self.ingest.names.ingests());
        let clock = KeyedCommand::beside("EVAL", &epoch).with(with_steady_clock(ASK_THE_CLOCK));
        let hear = [
            clock.with(1).with(&epoch).with(presence.now()),
            KeyedCommand::new("HGETALL", &ingests),
            KeyedCommand::new("HGET", &epoch).with("g"),
        ];
        let heard: Heard = self.shards.ask(&hear).await?;
        let ((reached, server_now), texts, generation) = heard;
        self.heard_at = Instant::now();
        presence.clock.reach(reached, self.heard_at);
        let now = presence.clock.now(self.heard_at);
        let clock = ServerClock {
            said: server_now,
            at: self.heard_at,
        };
        self.shards.note_clock(self.shards.place(&epoch), clock);
        let mut records = super::read_records(&texts);
        records.truncate(MAX_HOSTS);
        if generation != Some(dispatch.generation()) || self.shards.take_change().is_some() {
            let known = (dispatch.generation(), false);
            if self.agree(presence, dispatch, known).await? {
                self.step_in(presence, dispatch).await?;
            }
        }
        // Who has just begun waits for nobody who is dead; others may have an old backlog.
        let is_alone =
            presence.is_new && !record::others_cover(now, &records, &presence.instance, FRESH);
        // What others had not begun to send they have never sent: of what this host has held back that
        // would come behind what followed it. One that begins again and again is not waited for.
        let have_begun = have_begun(now, &records, &presence.instance);
        let is_due = |until: Instant| {
            let waited = Instant::now().checked_duration_since(until);
            waited.is_some_and(|waited| have_begun || waited > Duration::from_millis(WINDOW))
        };
        if presence
            .away_until
            .is_some_and(|until| is_alone || is_due(until))
        {
            presence.away_until = None;
            presence.is_new = false;
            presence.covers_since = Some(now);
            dispatch.come_in_step();
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
        self.probe_the_path(presence).await;
        Ok(())
    }

    /// Publishes what shows how late events are: in a cluster at another node than the one that
    /// brings them, as that may be cut off from where others publish.
    async fn probe_the_path(&self, presence: &mut Presence) {
        let (path_delay, channel) = &self.ingest.path_delay;
        let brings = self.ingest.status.report().server.unwrap_or_default();
        presence.probes = presence.probes.wrapping_add(1);
        let mut connection = self
            .shards
            .another(&brings, presence.probes)
            .commands
            .clone();
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(path_delay.next(Instant::now()));
        // Where the user may not, nothing comes back, and nothing is made of that.
        let _: RedisResult<u64> = publish.query_async(&mut connection).await;
    }

    async fn speak(
        &mut self,
        presence: &mut Presence,
        now: u64,
        texts: &BTreeMap<String, String>,
    ) -> Result<(), RelayLost> {
        let names = &self.ingest.names;
        let ingests = names.ingests();
        let mut say = Vec::new();
        if self.shards.leap() > 1_000 * CATALOG_STAYS / 2 {
            // It may have been taken for old.
            presence.catalog.renewed = None;
        }
        if presence.catalog.follow(&self.ingest.catalog, now) {
            let (digest, text) = (&presence.catalog.digest, &presence.catalog.text);
            let set = KeyedCommand::new("SET", &names.catalog(digest)).with(text);
            say.push(set.with("EX").with(CATALOG_STAYS));
        }
        let changes = self.ingest.outbox.changes();
        let record = self.record(presence, now);
        let set = KeyedCommand::new("HSET", &ingests).with(&presence.instance);
        say.push(set.with(text_of(&record)?));
        for (instance, text) in texts {
            let record: Option<IngestRecord> = serde_json::from_str(text).ok();
            if record.is_none_or(|record| now.saturating_sub(record.at) > GONE) {
                say.push(KeyedCommand::new("HDEL", &ingests).with(instance));
            }
        }
        say.push(KeyedCommand::new("SPUBLISH", &names.notes()).with("s"));
        let _: Vec<Value> = self.shards.ask(&say).await?;
        self.said = (changes, record.changes);
        Ok(())
    }

    /// What this host says of itself.
    fn record(&self, presence: &mut Presence, now: u64) -> IngestRecord {
        let making = at_work(&self.ingest.intake).into_iter();
        let making = making.map(|working| {
            let account = self.ingest.hub.account(&working.family);
            (working, account)
        });
        let host = &self.ingest.settings.host;
        presence.record(host, now, making.collect(), &self.records)
    }

    /// Whether its events were lost for a moment since this was last asked, and are there again.
    pub(super) fn events_came_back(&self, presence: &mut Presence) -> bool {
        let changes = self.ingest.outbox.changes();
        if changes == presence.seen_changes {
            return false;
        }
        presence.seen_changes = changes;
        let making = at_work(&self.ingest.intake).into_iter();
        let back = making.filter_map(|working| self.ingest.hub.account(&working.family).back);
        let back = back.max();
        let before = std::mem::replace(&mut presence.back, back);
        back > before
    }

    /// This host begins, or was out of step: others that send everything go on alone for a while.
    pub(super) async fn step_in(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        let now = presence.now();
        let covers_since = presence.covers_since.take();
        let text = text_of(&self.record(presence, now))?;
        let (epoch, ingests) = (self.ingest.names.epoch(), self.ingest.names.ingests());
        let leave = KeyedCommand::beside("EVAL", &ingests).with(with_steady_clock(LEAVE));
        let leave = leave.with(2).with(&ingests).with(&epoch);
        let leave = leave.with(&presence.instance).with(text).with(ALIVE);
        let leave = leave.with(presence.now());
        let left = self.shards.ask::<(bool,)>(&[leave]).await;
        // Where there is no answer, it is asked again on the next connection.
        presence.covers_since = covers_since;
        let (has_left,) = left?;
        if has_left {
            if presence.away_until.is_none() {
                tracing::info!(
                    "this ingest host leaves its messages to the others until it is in step"
                );
            }
            presence.covers_since = None;
            presence.away_until = Some(Instant::now() + Duration::from_millis(WINDOW));
            dispatch.leave(0);
        } else if presence.covers_since.is_none() {
            tracing::info!("this ingest host is in step, as no other one sends everything");
            presence.away_until = None;
            presence.is_new = false;
            presence.covers_since = Some(now);
            dispatch.come_in_step();
        }
        Ok(())
    }

    /// Says what this host does where that is due, and sees whether it stood still, or its events
    /// did on their way: then what it has may have been sent by others long ago.
    pub(super) async fn look_at_the_clock(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        let late = Duration::from_millis(LATE);
        let stood_still = presence.alive_at.elapsed() > late;
        if stood_still || self.heard_at.elapsed() > BEAT * 4 / 5 {
            self.beat(presence, dispatch, !stood_still).await?;
        }
        // The beat itself may have been what was waited for.
        let stood_still = stood_still || presence.alive_at.elapsed() > late;
        let (path_delay, _) = &self.ingest.path_delay;
        if stood_still || path_delay.lateness(Instant::now()) > late {
            self.step_in(presence, dispatch).await?;
        }
        let is_deaf = path_delay.silence(Instant::now()) > Duration::from_millis(WINDOW);
        if presence.is_deaf != is_deaf {
            presence.is_deaf = is_deaf;
            let now = presence.now();
            presence.covers_since = presence.covers_since.map(|_| now);
            self.beat(presence, dispatch, true).await?;
        }
        presence.alive_at = Instant::now();
        Ok(())
    }
}

/// Whether all other hosts that send everything began with that before whatever this one holds back.
fn have_begun(now: u64, records: &[IngestRecord], instance: &str) -> bool {
    let living = record::alive(now, records).filter(|record| record.instance != instance);
    let families = living.flat_map(|record| record.families.values());
    let mut begun = families.filter_map(|family| family.covered_since);
    begun.all(|since| since.saturating_add(WINDOW) <= now)
}

fn text_of(record: &IngestRecord) -> Result<String, RelayLost> {
    serde_json::to_string(record).map_err(|error| RelayLost(error.to_string()))
}
