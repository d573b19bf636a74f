//! Every two seconds, and when somebody announces a change: what the fleet wants is read and
//! followed, what this host has to say is written, and so is what it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::decide::{decide_start, decide_stop, stamp};
use super::super::prepare::ITSELF;
use super::super::{Refused, Registry};
use super::claims::leave_conflicts;
use super::components::{keys_of, offer_component};
use super::earlier::move_earlier;
use super::envelope::{SharedDesired, Unreadable};
use super::first::{first_patience, is_overdue};
use super::history::share_history;
use super::hosts::{HostRecord, HostTransform, Hosts};
use super::share::{hear_desired, offer_desired};
use super::{Fleet, Unreachable};
use crate::revision::Revision;
use crate::transform::{is_transform_name, printable};
use crate::wanted::desired::Failed;
use crate::wanted::request::Request;

/// How long a change can stay unnoticed whose announcement was lost.
pub(super) const EVERY: Duration = Duration::from_secs(2);

/// The least time between two looks: whoever floods the announcements costs Redis no more.
const AT_LEAST: Duration = Duration::from_millis(50);

/// As much of a name that no transform can have is shown, in characters.
const SHOWN_NAME: usize = 64;

/// The most transforms that are read.
pub(super) const MAX_TRANSFORMS: usize = 1_000;

/// What was said in the log, so that it is said once.
#[derive(Debug, Default)]
struct Said {
    connected: Option<bool>,
    unreadable: BTreeMap<String, Unreadable>,
    /// When this process wrote its report last, by the clock that hosts speak by.
    reported: Option<f64>,
    /// Another process with this host's name.
    namesake: Option<String>,
}

/// What stands in Redis of each transform.
pub(super) type Read = BTreeMap<String, Result<Arc<SharedDesired>, Unreadable>>;

/// Keeps looking for as long as the host runs.
pub(super) async fn keep_looking(registry: Arc<Registry>, fleet: Arc<Fleet>) {
    let mut said = Said::default();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = fleet.announced.notified() => {}
        }
        let looked = look(&registry, &fleet, &mut said).await;
        registry.metrics.fleet_connected.set(looked.is_ok().into());
        match (&looked, said.connected) {
            (Ok(()), Some(true)) | (Err(_), Some(false)) => {}
            (Ok(()), _) => {
                tracing::info!(fleet = fleet.member.fleet(), "the fleet's Redis answers")
            }
            (Err(error), _) => tracing::error!(
                fleet = fleet.member.fleet(),
                %error,
                "the fleet's Redis cannot be asked; what runs here runs on"
            ),
        }
        said.connected = Some(looked.is_ok());
        tokio::time::sleep(AT_LEAST).await;
    }
}

async fn look(
    registry: &Arc<Registry>,
    fleet: &Arc<Fleet>,
    said: &mut Said,
) -> Result<(), Unreachable> {
    let (mut hosts, mut read) = read_all(fleet).await?;
    if move_earlier(fleet, &read, hosts.now, &stamp(ITSELF)).await? {
        (hosts, read) = read_all(fleet).await?;
    }
    said.note_unreadable(&read);
    said.note_namesake(fleet, &hosts);
    if let Some(reported) = said.reported {
        let own = hosts.record_of(fleet.host());
        fleet
            .history
            .note_loss(own, fleet.member.instance(), reported);
    }
    let mut names: BTreeSet<String> = read.keys().cloned().collect();
    names.extend(registry.deployments.lock().keys().cloned());
    if fleet.is_edge {
        // It runs none of them, and is one of the hosts all the same.
        names.clear();
    }
    let mut refused = None;
    for name in names {
        let of = read.get(&name).map(Result::as_ref).transpose();
        let shared = of.as_ref().map(|shared| shared.map(|shared| &**shared));
        let shared = shared.map_err(|unreadable| *unreadable);
        let others = hosts.others_know(fleet.host(), &name);
        if let Some(offer) = hear_desired(registry, &name, shared, others, &stamp(ITSELF)) {
            let before = shared.ok().flatten();
            // Whoever was faster is heard at the next look.
            if let Err(why) = offer_desired(registry, fleet, &name, before, offer).await {
                refused = Some(why);
            }
        }
    }
    leave_conflicts(registry, &read).await;
    forget_what_is_gone(registry, &read);
    report_to(registry, fleet, &hosts).await?;
    said.reported = Some(hosts.now);
    count(registry, fleet, &hosts, &said.unreadable);
    for name in read.keys() {
        speak_for_all(registry, fleet, name, &hosts).await;
    }
    share_history(registry, fleet, hosts.now).await;
    offer_missing(registry, fleet, &read).await?;
    match refused {
        Some(Refused::FleetUnreachable(why) | Refused::FleetUncertain(why)) => {
            Err(Unreachable(why))
        }
        _ => Ok(()),
    }
}

/// Forgets transforms that were learnt from Redis, never ran here, and are not there any more.
fn forget_what_is_gone(registry: &Registry, read: &Read) {
    registry.deployments.lock().retain(|name, deployment| {
        let wanted = deployment.intent.wanted();
        read.contains_key(name)
            || deployment.running.is_some()
            || deployment.configured.is_some()
            || wanted.choice.revision.is_none()
            || !deployment.intent.pending.is_empty()
            || !deployment.ready.is_empty()
    });
}

/// What is to be said in the name of the fleet, by what its hosts say of themselves. Every
/// host looks at that; who is slower than another finds it done.
async fn speak_for_all(registry: &Arc<Registry>, fleet: &Arc<Fleet>, name: &str, hosts: &Hosts) {
    let Ok((desired, has_stood)) = registry.with(name, |deployment| {
        let intent = &deployment.intent;
        (intent.desired.clone(), intent.has_stood())
    }) else {
        return;
    };
    let Some(revision) = desired.choice.revision.clone() else {
        return;
    };
    let overdue = is_overdue(fleet, name, &desired, first_patience(registry));
    let request = if desired.choice.first.is_empty() {
        let is_news = has_stood && !desired.proven.contains(&revision);
        is_news.then(|| Request::Prove(revision.clone()))
    } else {
        crate::wanted::canary::judge(&desired, &hosts.reports(name), overdue)
    };
    let Some(request) = request else { return };
    if let Request::Fail(Failed { revision, why }) = &request {
        let (revision, why) = (revision.clone(), why.clone());
        // It holds here at once, and is shared with the next look.
        if decide_stop(registry, name, request, ITSELF).is_ok() {
            registry
                .trail
                .write_own("return", name, Some(revision), &why)
                .await;
        }
        return;
    }
    let opens = matches!(request, Request::Open(_));
    let decided = decide_start(registry, name, &request, ITSELF, None, |_| Ok(())).await;
    if opens && decided.is_ok() {
        tracing::info!(
            transform = name,
            %revision,
            first = ?desired.choice.first,
            "the first hosts have stood the probation; now the others"
        );
    }
}

/// Whoever has a component that is wanted sees to it that it is in Redis.
async fn offer_missing(registry: &Registry, fleet: &Fleet, read: &Read) -> Result<(), Unreachable> {
    let Some(store) = registry.loader.store.clone() else {
        return Ok(());
    };
    let shared = read.values().filter_map(|read| read.as_ref().ok());
    let records: Vec<_> = shared.flat_map(|shared| &shared.records).collect();
    let missing = missing(fleet, &records).await?;
    for record in missing {
        if store.revision(&record.id).is_some()
            && let Err(error) = offer_component(fleet, &store, record).await
        {
            tracing::warn!(transform = record.transform, %error, "a component cannot be offered");
        }
    }
    Ok(())
}

fn count(
    registry: &Registry,
    fleet: &Fleet,
    hosts: &Hosts,
    unreadable: &BTreeMap<String, Unreadable>,
) {
    let others = hosts
        .alive()
        .filter(|record| record.host != fleet.host())
        .count();
    let deployments = registry.deployments.lock();
    let behind = deployments.iter().filter(|(name, deployment)| {
        let wanted = &deployment.intent.desired;
        let runs = deployment
            .running
            .as_ref()
            .map(|running| &running.revision.id);
        unreadable.contains_key(*name)
            || deployment.unlooked
            || runs != wanted.target(fleet.host())
            || deployment.held && !wanted.paused.yes && runs.is_some()
    });
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    registry.metrics.fleet_hosts.set(count(others) + 1);
    registry.metrics.fleet_behind.set(count(behind.count()));
}

/// Writes this host's report, and forgets who has been gone for long.
async fn report_to(registry: &Registry, fleet: &Fleet, hosts: &Hosts) -> Result<(), Unreachable> {
    let transforms = {
        let deployments = registry.deployments.lock();
        let report =
            |(name, deployment): (&String, &_)| (name.clone(), HostTransform::of(deployment));
        deployments.iter().map(report).collect()
    };
    let record = HostRecord {
        host: fleet.host().to_owned(),
        instance: fleet.member.instance().to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: fleet.member.started(),
        seen: hosts.now,
        transforms,
    };
    write_report(fleet, hosts, &record).await
}

/// What stands in Redis of one transform, by a name that can be shown.
fn read((name, text): (String, String)) -> (String, Result<Arc<SharedDesired>, Unreadable>) {
    if is_transform_name(&name) {
        let read = SharedDesired::read(&name, text).map(Arc::new);
        return (name, read);
    }
    let unreadable = Unreadable {
        paused: false,
        why: "no transform can be called so".to_owned(),
    };
    (printable(&name, SHOWN_NAME), Err(unreadable))
}

/// What stands in Redis now.
///
/// # Errors
/// Redis does not answer.
pub(super) async fn read_all(fleet: &Fleet) -> Result<(Hosts, Read), Unreachable> {
    type Fields = BTreeMap<String, String>;
    let mut look = redis::pipe();
    fleet.member.ask_the_clock(&mut look);
    // In this order: who is there has said before what it knows.
    look.cmd("HGETALL").arg(fleet.member.names().hosts());
    look.cmd("HGETALL").arg(fleet.member.names().deployments());
    let (clock, hosts, fields): ((u64, u64), Fields, Fields) = fleet.link().ask(&look).await?;
    let read: Read = fields.into_iter().map(read).take(MAX_TRANSFORMS).collect();
    let known = read.iter().filter_map(|(name, read)| {
        let shared = read.as_ref().ok()?;
        Some((name.clone(), shared.clone()))
    });
    *fleet.shared.lock() = known.collect();
    let hosts = Hosts::of(fleet.member.reach(clock.0), &hosts);
    Ok((hosts, read))
}

/// Those of which something is not in Redis.
async fn missing<'a>(
    fleet: &Fleet,
    records: &[&'a Revision],
) -> Result<Vec<&'a Revision>, Unreachable> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let mut look = redis::pipe();
    let keys: Vec<_> = records
        .iter()
        .map(|record| keys_of(fleet.member.names(), record))
        .collect();
    for keys in &keys {
        look.cmd("EXISTS").arg(keys);
    }
    let there: Vec<usize> = fleet.link().ask(&look).await?;
    let short = records.iter().zip(&keys).zip(there);
    let short = short.filter(|((_, keys), there)| keys.len() != *there);
    Ok(short.map(|((record, _), _)| *record).collect())
}

async fn write_report(
    fleet: &Fleet,
    hosts: &Hosts,
    record: &HostRecord,
) -> Result<(), Unreachable> {
    let text = serde_json::to_string(record).map_err(|error| Unreachable(error.to_string()))?;
    let mut write = redis::pipe();
    write
        .cmd("HSET")
        .arg(fleet.member.names().hosts())
        .arg(fleet.host())
        .arg(text)
        .ignore();
    for gone in hosts.gone() {
        write
            .cmd("HDEL")
            .arg(fleet.member.names().hosts())
            .arg(gone)
            .ignore();
    }
    fleet.link().ask(&write).await
}

impl Said {
    fn note_unreadable(&mut self, read: &Read) {
        let unreadable: BTreeMap<String, Unreadable> = read
            .iter()
            .filter_map(|(name, read)| Some((name.clone(), read.as_ref().err()?.clone())))
            .collect();
        for (name, Unreadable { paused, why }) in &unreadable {
            if !self.unreadable.contains_key(name) {
                tracing::error!(
                    transform = name,
                    paused,
                    why,
                    "what the fleet wants of it cannot be read; what runs here runs on unless \
                     that says it is paused"
                );
            }
        }
        self.unreadable = unreadable;
    }

    /// Two processes that call themselves the same take turns in writing one report.
    fn note_namesake(&mut self, fleet: &Fleet, hosts: &Hosts) {
        let own = hosts
            .records
            .iter()
            .find(|record| record.host == fleet.host());
        let own = own
            .filter(|record| self.reported.is_some() && record.instance != fleet.member.instance());
        let Some(namesake) = own else { return };
        if self.namesake.as_ref() != Some(&namesake.instance) {
            tracing::error!(
                host = fleet.host(),
                started = %namesake.started,
                "another process in the fleet has this host's name; give each a --host-name of its own"
            );
            self.namesake = Some(namesake.instance.clone());
        }
    }
}
