//! Every two seconds, and when somebody announces a change: what the fleet wants is read,
//! what this host runs is written, and what the first hosts have proved is opened to all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::{AsyncConnectionConfig, ProtocolVersion, PushInfo, PushKind, RedisResult};
use tokio::sync::Notify;

use super::super::Registry;
use super::super::slot::Slot;
use super::board::{Known, Orders};
use super::hosts::{HostRecord, HostTransform, Hosts, seconds};
use super::{Fleet, Unreachable};
use crate::upstream::redis::{is_denied, is_resp2_only};

/// How long a change can stay unnoticed whose announcement was lost.
const EVERY: Duration = Duration::from_secs(2);

/// The least time between two looks: whoever floods the announcements costs Redis no more.
const AT_LEAST: Duration = Duration::from_millis(50);

/// How long a host that may not listen waits until it tries again; meanwhile it looks.
const DENIED: Duration = Duration::from_secs(60);

/// What was said in the log, so that it is said once.
#[derive(Debug, Default)]
struct Told {
    connected: Option<bool>,
    unreadable: BTreeSet<String>,
    /// This process has written its report.
    written: bool,
    /// Another process with this host's name.
    other: Option<String>,
}

/// The orders, and those transforms whose order cannot be read.
type Read = (Orders, BTreeSet<String>);

impl Registry {
    /// Keeps looking for as long as the host runs.
    pub(super) async fn pulse(self: Arc<Self>, fleet: Arc<Fleet>) {
        let mut told = Told::default();
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = tick.tick() => {}
                () = fleet.announced.notified() => {}
            }
            let beat = self.beat(&fleet, &mut told).await;
            self.metrics.fleet_connected.set(beat.is_ok().into());
            match (&beat, told.connected) {
                (Ok(()), Some(true)) | (Err(_), Some(false)) => {}
                (Ok(()), _) => tracing::info!(fleet = fleet.name, "the fleet's Redis answers"),
                (Err(error), _) => tracing::error!(
                    fleet = fleet.name,
                    %error,
                    "the fleet's Redis cannot be asked; what runs here runs on"
                ),
            }
            told.connected = Some(beat.is_ok());
            tokio::time::sleep(AT_LEAST).await;
        }
    }

    async fn beat(
        self: &Arc<Self>,
        fleet: &Arc<Fleet>,
        told: &mut Told,
    ) -> Result<(), Unreachable> {
        let (hosts, orders) = {
            let _looking = fleet.looking.lock().await;
            let (hosts, (orders, unreadable)) = fleet.look_at_all().await?;
            for name in unreadable.difference(&told.unreadable) {
                tracing::error!(
                    transform = name,
                    "what the fleet wants of it was written by another version of Tidegate"
                );
            }
            told.unreadable = unreadable;
            fleet.orders.write().clone_from(&orders);
            (hosts, orders)
        };
        fleet.looked.notify_one();
        told.clash(fleet, &hosts);
        for name in orders.keys() {
            self.observe(fleet, name);
        }
        fleet.report(&hosts, self.running(fleet)).await?;
        told.written = true;
        self.count(fleet, &hosts, &orders);
        for known in orders.values() {
            fleet.open_to_all(known, &hosts).await;
        }
        Ok(())
    }

    fn count(&self, fleet: &Fleet, hosts: &Hosts, orders: &Orders) {
        let others = hosts.alive().filter(|one| one.host != fleet.host()).count();
        let behind = orders.iter().filter(|(name, known)| {
            let order = &known.order;
            let as_wanted = order.target(fleet.host()).is_none_or(|target| {
                let is = |slot: &Slot| {
                    slot.active.revision == target.id && slot.active.paused == order.paused
                };
                self.with_slot(name, is).unwrap_or(false)
            });
            !as_wanted
        });
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.fleet_hosts.set(count(others) + 1);
        self.metrics.fleet_behind.set(count(behind.count()));
    }

    fn running(&self, fleet: &Fleet) -> BTreeMap<String, HostTransform> {
        let acted = fleet.acted.lock();
        let slots = self.slots.read();
        let one = |(name, slot): (&String, &Slot)| {
            let acted = acted.get(name);
            let report = HostTransform {
                revision: slot.revision.id.clone(),
                state: slot.state(),
                number: acted.map(|acted| acted.number),
                outcome: acted.map(|acted| acted.outcome.clone()),
            };
            (name.clone(), report)
        };
        slots.iter().map(one).collect()
    }
}

impl Fleet {
    /// The orders as they stand in Redis now.
    ///
    /// # Errors
    /// Redis does not answer.
    pub(super) async fn look(&self) -> Result<Orders, Unreachable> {
        let (_, (orders, _)) = self.look_at_all().await?;
        Ok(orders)
    }

    async fn look_at_all(&self) -> Result<(Hosts, Read), Unreachable> {
        type Fields = BTreeMap<String, String>;
        let mut look = redis::pipe();
        look.cmd("TIME");
        look.cmd("HGETALL").arg(self.keys.desired());
        look.cmd("HGETALL").arg(self.keys.hosts());
        let (time, desired, hosts): ((u64, u64), Fields, Fields) = self.link.ask(&look).await?;
        let mut orders = Orders::new();
        let mut unreadable = BTreeSet::new();
        for (name, text) in desired {
            match Known::read(&name, text) {
                Ok(known) => drop(orders.insert(name, known)),
                Err(_) => drop(unreadable.insert(name)),
            }
        }
        Ok((Hosts::of(seconds(time), &hosts), (orders, unreadable)))
    }

    /// Writes this host's report, and forgets who has been gone for long.
    async fn report(
        &self,
        hosts: &Hosts,
        transforms: BTreeMap<String, HostTransform>,
    ) -> Result<(), Unreachable> {
        let record = HostRecord {
            host: self.host().to_owned(),
            instance: self.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: self.started,
            seen: hosts.now,
            transforms,
        };
        let text =
            serde_json::to_string(&record).map_err(|error| Unreachable(error.to_string()))?;
        let mut write = redis::pipe();
        write
            .cmd("HSET")
            .arg(self.keys.hosts())
            .arg(self.host())
            .arg(text)
            .ignore();
        for gone in hosts.gone() {
            write.cmd("HDEL").arg(self.keys.hosts()).arg(gone).ignore();
        }
        self.link.ask(&write).await
    }

    /// Makes an order one for all hosts when the first have stood their probation. Every host
    /// looks at that; who is slower than another finds it done.
    async fn open_to_all(&self, known: &Known, hosts: &Hosts) {
        let order = &known.order;
        if hosts.have_stood(order) && self.replace(Some(known), order.for_all()).await.is_ok() {
            tracing::info!(
                transform = order.revision.transform,
                revision = %order.revision.id,
                first = ?order.canary,
                "the first hosts have stood the probation; now the others"
            );
        }
    }

    /// Listens for announcements, and again whenever the connection is lost: without one, a
    /// change is found by looking.
    pub(super) async fn listen(self: Arc<Self>) {
        loop {
            // Why it ended is said by those who look.
            let heard = self.hear().await;
            let denied = heard.is_err_and(|error| is_denied(&error));
            tokio::time::sleep(if denied { DENIED } else { EVERY }).await;
        }
    }

    async fn hear(self: &Arc<Self>) -> RedisResult<()> {
        let (fleet, closed) = (self.clone(), Arc::new(Notify::new()));
        let ended = closed.clone();
        let config = AsyncConnectionConfig::new().set_push_sender(move |push: PushInfo| {
            match push.kind {
                PushKind::Message => fleet.announced.notify_one(),
                PushKind::Disconnection => closed.notify_one(),
                _ => {}
            }
            Ok::<(), redis::aio::SendError>(())
        });
        let server = self.link.server();
        match server.connect(ProtocolVersion::RESP3, &config).await {
            Err(error) if is_resp2_only(&error) => self.hear_at_resp2().await,
            connected => {
                let mut connection = connected?;
                connection.subscribe(self.keys.changes()).await?;
                ended.notified().await;
                Ok(())
            }
        }
    }

    async fn hear_at_resp2(&self) -> RedisResult<()> {
        let mut heard = self.link.server().listen_at_resp2().await?;
        heard.subscribe(self.keys.changes()).await?;
        let mut heard = heard.into_on_message();
        while heard.next().await.is_some() {
            self.announced.notify_one();
        }
        Ok(())
    }
}

impl Told {
    /// Two processes that call themselves the same take turns in writing one report.
    fn clash(&mut self, fleet: &Fleet, hosts: &Hosts) {
        let own = hosts.all.iter().find(|one| one.host == fleet.host());
        let Some(other) = own.filter(|one| self.written && one.instance != fleet.instance) else {
            return;
        };
        if self.other.as_ref() != Some(&other.instance) {
            tracing::error!(
                host = fleet.host(),
                started = %other.started,
                "another process in the fleet has this host's name; give each a --host-name of its own"
            );
            self.other = Some(other.instance.clone());
        }
    }
}
