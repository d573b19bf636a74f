//! The work of an ingest host beside its lanes: it hands finished messages to Redis, and says what
//! it makes and whether that is all.
//!
//! ```text
//! lanes ─► outbox ─► dispatch ─(script: number, once)─► Redis ─► edge hosts
//! ```
//! Where several work, each sends everything, and what was sent already goes no further. One that
//! was late or cut off leaves its messages to the others for a moment, until it is in step again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::MissedTickBehavior;

use super::RelaySettings;
use super::commands::KeyedCommand;
use super::dispatch::Dispatch;
use super::link::RelayLost;
use super::names::RelayNames;
use super::presence::Presence;
use super::record::{IngestRecord, WINDOW};
use super::shards::{KnownServers, Purpose, Shards};
use crate::catalog::Catalog;
use crate::hub::{Hub, Outbox};
use crate::metrics::RelayMetrics;
use crate::pipeline::Intake;
use crate::upstream::Status;
use crate::upstream::redis::{PathDelay, Server, Subscriber};

const PUBLISH: &str = include_str!("publish.lua");
const EPOCH: &str = include_str!("epoch.lua");

/// How often an ingest host says what it does.
pub(super) const BEAT: Duration = Duration::from_millis(500);

/// Messages that are taken together.
const BATCH: usize = 256;

/// Messages that may wait for slots of a cluster that are on their way, before all others wait too.
const MAX_WAITING: usize = 4 * BATCH;

/// A host that is later than this leaves its messages to the others, in milliseconds.
pub(super) const LATE: u64 = WINDOW / 2;

/// The pause before what a cluster does not take now is tried again.
const CLUSTER_PAUSE: Duration = Duration::from_millis(20);

/// For how long a host that knows less of a cluster than another one did waits to hear of it: longer
/// than a master that was cut off from the others goes on. After that the other one is believed to
/// have spoken of a cluster that is no more.
const OLD_VIEW: Duration = Duration::from_secs(30);

/// What an ingest host works with.
#[derive(Debug)]
pub struct Ingest {
    server: Server,
    /// How late events are, and the channel by which that is found out.
    pub(super) path_delay: (Arc<PathDelay>, String),
    pub(super) names: RelayNames,
    pub(super) outbox: Arc<Outbox>,
    pub(super) hub: Arc<Hub>,
    pub(super) intake: Arc<Intake>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) metrics: RelayMetrics,
    pub(super) status: Arc<Status>,
    pub(super) settings: RelaySettings,
}

/// An ingest host at work, for as long as all connections stand.
pub(super) struct IngestWork<'a> {
    pub(super) ingest: &'a Ingest,
    pub(super) shards: Shards,
    pub(super) records: Vec<IngestRecord>,
    /// When it last heard what the others say.
    pub(super) heard_at: Instant,
    /// How often what is to be known of families had changed when this host last said what it is,
    /// and what its record called that.
    pub(super) said: (u64, u64),
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
        let mut known = KnownServers::default();
        loop {
            let working = self.try_work(&mut presence, &mut dispatch, &mut known);
            let RelayLost(why) = match working.await {
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
        known: &mut KnownServers,
    ) -> Result<std::convert::Infallible, RelayLost> {
        let shards = Shards::connect(&self.server, known, Purpose::Send(PUBLISH)).await?;
        let mut work = IngestWork {
            ingest: self,
            shards,
            records: Vec::new(),
            heard_at: Instant::now(),
            said: (0, 0),
        };
        let working = work.run(presence, dispatch).await;
        // By now it may be others than at first.
        *known = work.shards.known().clone();
        working
    }
}

impl IngestWork<'_> {
    async fn run(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<std::convert::Infallible, RelayLost> {
        let known = (dispatch.generation(), false);
        self.agree(presence, dispatch, known).await?;
        self.beat(presence, dispatch, false).await?;
        self.step_in(presence, dispatch).await?;
        self.beat(presence, dispatch, true).await?;
        self.ingest.metrics.connected.set(1);
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changed = tokio::select! {
                () = self.ingest.outbox.filled() => false,
                () = self.ingest.outbox.changed() => true,
                // What is due then is seen by the clock.
                _ = beats.tick() => false,
            };
            self.look_at_the_clock(presence, dispatch).await?;
            if changed {
                self.beat(presence, dispatch, true).await?;
            }
            self.hand_on(presence, dispatch).await?;
        }
    }

    /// Takes the epoch that all ingest hosts have agreed on, or makes one. `last` is the last
    /// generation that is known of, and `lost` whether numbers of it were lost. Says whether it is
    /// another one than before in which others may have sent already what waits here, as it is not
    /// known again there.
    pub(super) async fn agree(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
        (last, lost): (u64, bool),
    ) -> Result<bool, RelayLost> {
        self.shards.identify().await?;
        // Its generation alone tells it from others.
        let own_name = format!("{:016x}", getrandom::u64().unwrap_or_default());
        let since = presence.knows_less_since;
        let insists = since.is_some_and(|since| since.elapsed() >= OLD_VIEW);
        let epoch = self.ingest.names.epoch();
        let agree = KeyedCommand::beside("EVAL", &epoch).with(EPOCH);
        let agree = agree.with(1).with(&epoch).with(&own_name);
        let agree = agree.with(last).with(u8::from(lost));
        let ids: Vec<&str> = self.shards.ids().collect();
        let agree = agree.with(self.shards.version());
        let agree = agree.with(u8::from(insists)).with(ids);
        let agreed = self.shards.ask::<((u64, String, bool),)>(&[agree]).await?;
        let ((generation, name, knows_less),) = agreed;
        if knows_less {
            presence.knows_less_since.get_or_insert_with(Instant::now);
            return Err(RelayLost(
                "another ingest host knows of a later change of the cluster; looking again"
                    .to_owned(),
            ));
        }
        presence.knows_less_since = None;
        let is_another = ![0, generation].contains(&dispatch.generation());
        let others_send = name != own_name || presence.away_until.is_some();
        dispatch.set_epoch((generation, name));
        Ok(is_another && others_send)
    }

    async fn hand_on(
        &mut self,
        presence: &mut Presence,
        dispatch: &mut Dispatch,
    ) -> Result<(), RelayLost> {
        loop {
            self.look_at_the_clock(presence, dispatch).await?;
            if presence.away_until.is_some() {
                // Others may be so late, and have what is younger still before them.
                let before = Instant::now().checked_sub(Duration::from_millis(LATE));
                dispatch.leave(before.map_or(0, |before| self.ingest.outbox.leave(before)));
            } else {
                let room = MAX_WAITING.saturating_sub(dispatch.pending());
                dispatch.take(self.ingest.outbox.take(room.min(BATCH)));
            }
            if self.events_came_back(presence) {
                // Others may still be at what is missing here: what came after it would go out first.
                self.step_in(presence, dispatch).await?;
            }
            if presence.away_until.is_some() || dispatch.pending() == 0 {
                return Ok(());
            }
            // What is lost before a message is to be known before it.
            if self.said.0 != self.ingest.outbox.changes() {
                self.beat(presence, dispatch, true).await?;
            }
            let now = presence.now();
            let sending = dispatch.send(&mut self.shards, LATE, (now, self.said.1));
            let outcome = sending.await?;
            if let Some(error) = outcome.failure {
                return Err(RelayLost::of(&error, &self.ingest.server));
            }
            if outcome.has_moved || outcome.waits {
                tokio::time::sleep(CLUSTER_PAUSE).await;
            }
            if outcome.has_moved {
                self.shards.follow().await?;
            }
            let lost = outcome.numbers_were_lost;
            if lost || outcome.later > 0 || self.shards.take_change().is_some() {
                let last = outcome.later.max(dispatch.generation());
                if self.agree(presence, dispatch, (last, lost)).await? {
                    self.step_in(presence, dispatch).await?;
                }
            }
            if outcome.is_late {
                self.beat(presence, dispatch, false).await?;
            }
            // One whose server's clock was set ahead only seems to be late.
            let is_late = outcome.is_late && self.shards.leap() < LATE;
            if is_late || outcome.behind > LATE {
                self.step_in(presence, dispatch).await?;
            }
        }
    }
}
