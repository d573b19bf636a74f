//! Many hosts that run the same: what each transform shall run lies in Redis, and every host
//! comes to it by itself. Nobody leads.
//!
//! ```text
//! apply, resume, … ─► share ─(compare and set)─► what is wanted, in Redis ─► look ─► deployments
//!                       ▲                             ▲                       │
//!        stops that hold here already ────────────────┘◄── reports of hosts ◄─┘
//! ```
//! Without Redis, hosts keep what they have. Neither events nor stops ever wait for any of this.

mod api_keys;
mod claims;
mod clock;
mod components;
mod earlier;
mod envelope;
mod first;
mod history;
mod hosts;
mod keys;
mod link;
mod listen;
mod look;
mod patience;
mod places;
mod receive;
mod report;
mod routing;
mod share;
mod usage;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::api_keys::{KeyChanges, KeyText, KeyWrite, RedisKeys};
use self::clock::RedisClock;
use self::earlier::EarlierHosts;
use self::envelope::SharedDesired;
use self::history::SharedHistory;
use self::keys::Keys;
use self::link::{Link, Unreachable};
pub use self::report::{DesiredReport, FailedReport, FleetReport};
use super::Registry;
use crate::gate::fleet_limits::FleetPlaces;
use crate::metrics::Metrics;
use crate::revision::Revision;
use crate::settings::{self, Settings};
use crate::tasks::{Unasked, ever};
use crate::transform::RevisionId;
use crate::upstream::redis::{Server, machine_name};
use crate::wanted::desired::DecisionId;

/// This host's part in its fleet.
#[derive(Debug)]
pub(super) struct Fleet {
    name: String,
    /// This host runs no transform: it is counted, and comes to nothing that the fleet wants.
    is_edge: bool,
    /// Known when the admin port is.
    host: OnceLock<String>,
    instance: String,
    started: Timestamp,
    keys: Keys,
    link: Link,
    /// Its own, as newcomers wait for it.
    places_link: Link,
    pub(super) places: Arc<FleetPlaces>,
    /// What was last read of each transform.
    shared: Mutex<BTreeMap<String, Arc<SharedDesired>>>,
    /// Since when a choice is known here that first hosts try, by this process's own clock.
    tried_since: Mutex<BTreeMap<String, (DecisionId, Instant)>>,
    clock: Mutex<RedisClock>,
    /// Hosts whose keys have other names.
    earlier: Mutex<EarlierHosts>,
    /// How long a host lets nothing through that does not know what the fleet wants.
    patience: Duration,
    /// How much of this host's audit log the others can see.
    history: SharedHistory,
    /// Somebody said that something has changed.
    announced: Notify,
}

impl Fleet {
    /// None where the settings name no fleet. Connects to nothing yet.
    ///
    /// # Errors
    /// The certificates for Redis cannot be used.
    pub(super) fn new(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Option<Arc<Self>>> {
        if settings.fleet == settings::Fleet::Off {
            return Ok(None);
        }
        let server = Server::new(settings)?;
        // Where the port is chosen by the machine, the name is known when it is.
        let port = settings.admin_listen.port();
        let by_port = || (port != 0).then(|| name_of(port));
        let host = settings.host_name.clone().or_else(by_port);
        let host = host.map(OnceLock::from);
        Ok(Some(Arc::new(Self {
            name: settings.fleet_name.clone(),
            is_edge: settings.role == settings::Role::Edge,
            host: host.unwrap_or_default(),
            instance: instance(),
            started: Timestamp::now(),
            keys: Keys::new(&settings.fleet_name),
            places_link: Link::new(server.clone()),
            link: Link::new(server),
            places: Arc::new(FleetPlaces::new(
                settings.fleet_limit_wait,
                settings.fleet_limit_waiting,
                metrics.fleet_limits.clone(),
            )),
            shared: Mutex::default(),
            tried_since: Mutex::default(),
            clock: Mutex::default(),
            earlier: Mutex::default(),
            patience: settings.fleet_patience,
            history: SharedHistory::default(),
            announced: Notify::new(),
        })))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What this host is called.
    pub(super) fn host(&self) -> &str {
        self.host.get().map_or("", String::as_str)
    }

    /// What is known in the fleet of a revision of this transform.
    pub(super) fn record(&self, name: &str, revision: &RevisionId) -> Option<Revision> {
        let shared = self.shared.lock().get(name).cloned()?;
        let mut records = shared.records.iter();
        records.find(|record| record.id == *revision).cloned()
    }

    /// Has this host look again at once: it has something to share.
    pub(super) fn look_soon(&self) {
        self.announced.notify_one();
    }
}

impl Registry {
    /// Begins to follow the fleet, where there is one. `admin_port` is part of the name of a
    /// host that was given none.
    pub fn join_fleet(self: &Arc<Self>, admin_port: u16) {
        let Some(fleet) = &self.fleet else {
            return;
        };
        let host = fleet.host.get_or_init(|| name_of(admin_port));
        tracing::info!(fleet = fleet.name, host, "following the fleet");
        let (registry, of) = (self.clone(), fleet.clone());
        self.tasks.spawn("fleet_look", Unasked::Restart, move || {
            ever(registry.clone().keep_looking(of.clone()))
        });
        let of = fleet.clone();
        self.tasks.spawn("fleet_listen", Unasked::Restart, move || {
            ever(of.clone().listen())
        });
        let of = fleet.clone();
        self.tasks.spawn("fleet_places", Unasked::Restart, move || {
            ever(of.clone().exchange_places(of.places.clone()))
        });
        let (registry, patience) = (self.clone(), fleet.patience);
        // It ends by itself, and nobody waits for it.
        drop(self.tasks.brief("fleet_patience", async move {
            tokio::time::sleep(patience).await;
            registry.wait_no_longer().await;
        }));
    }

    /// What the hosts of the fleet have let in together; none where this host is on its own.
    pub fn fleet_places(&self) -> Option<Arc<FleetPlaces>> {
        self.fleet.as_ref().map(|fleet| fleet.places.clone())
    }

    /// What is wrong that concerns no transform: the state folder takes nothing, or limits of keys
    /// are not those of the whole fleet.
    pub(super) fn host_troubles(&self) -> impl Iterator<Item = String> {
        let limits = self.fleet_places().and_then(|places| places.trouble());
        self.state_trouble().into_iter().chain(limits)
    }

    /// Reads the certificates for the fleet's next connections anew.
    ///
    /// # Errors
    /// They cannot be read or used; those of before stay in use.
    pub fn reload_certificates(&self) -> anyhow::Result<()> {
        if let Some(fleet) = &self.fleet {
            fleet.link.server().reload()?;
        }
        Ok(())
    }
}

/// What a restricted Redis user needs besides where something of a fleet lies there, as rules for
/// `ACL SETUSER`.
pub fn acl_rules(settings: &Settings) -> Option<[String; 2]> {
    let needs = settings.fleet == settings::Fleet::Redis || settings.has_keys_in_redis();
    needs.then(|| keys::acl_rules(&settings.fleet_name))
}

/// What a host is called that was given no name.
fn name_of(admin_port: u16) -> String {
    let machine = machine_name();
    format!("{machine}:{admin_port}")
}

/// Another one for each process.
fn instance() -> String {
    let mut token = [0; 8];
    // Without randomness the process's number is telling enough.
    if getrandom::fill(&mut token).is_err() {
        token[..4].copy_from_slice(&std::process::id().to_be_bytes());
    }
    data_encoding::HEXLOWER.encode(&token)
}
