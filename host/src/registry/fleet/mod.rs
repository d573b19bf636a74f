//! Many hosts that run the same: the revision that each transform shall have lies in Redis,
//! and every host comes to it by itself. Nobody leads.
//!
//! ```text
//! apply, rollback, pause ─► propose ─(compare and set)─► orders in Redis ─► pulse ─► converge
//!                                                            ▲               │          │
//!                  turned back, or on from the first to all ─┴──── reports ◄─┴──────────┘
//! ```
//! Without Redis, hosts keep what they have. Events never wait for any of this.

mod board;
mod components;
mod converge;
mod hosts;
mod keys;
mod link;
mod order;
mod propose;
mod pulse;
mod report;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use self::board::Orders;
use self::converge::Acted;
use self::keys::Keys;
use self::link::{Link, Unreachable};
pub(super) use self::order::Mark;
pub use self::report::FleetReport;
use super::Registry;
use crate::settings::{self, Settings};
use crate::tasks::{Unasked, ever};
use crate::upstream::redis::{Server, machine_name};

/// This host's part in its fleet.
#[derive(Debug)]
pub(super) struct Fleet {
    name: String,
    /// Known when the admin port is.
    host: OnceLock<String>,
    instance: String,
    started: Timestamp,
    keys: Keys,
    link: Link,
    /// As they were last read.
    orders: RwLock<Orders>,
    /// Held from a look at the orders in Redis, or a change there, to the note of it here, so
    /// that an older look never takes the place of a newer.
    looking: tokio::sync::Mutex<()>,
    /// What came of the orders on this host, by transform.
    acted: Mutex<BTreeMap<String, Acted>>,
    /// Somebody said that an order has changed.
    announced: Notify,
    /// The orders were looked at.
    looked: Notify,
}

impl Fleet {
    /// None where the settings name no fleet. Connects to nothing yet.
    ///
    /// # Errors
    /// The certificates for Redis cannot be used.
    pub(super) fn new(settings: &Settings) -> anyhow::Result<Option<Arc<Self>>> {
        if settings.fleet == settings::Fleet::Off {
            return Ok(None);
        }
        let server = Server::new(settings)?;
        let host = settings.host_name.clone().map(OnceLock::from);
        Ok(Some(Arc::new(Self {
            name: settings.fleet_name.clone(),
            host: host.unwrap_or_default(),
            instance: instance(),
            started: Timestamp::now(),
            keys: Keys::new(&settings.fleet_name),
            link: Link::new(server),
            orders: RwLock::default(),
            looking: tokio::sync::Mutex::default(),
            acted: Mutex::default(),
            announced: Notify::new(),
            looked: Notify::new(),
        })))
    }

    /// What this host is called.
    fn host(&self) -> &str {
        self.host.get().map_or("", String::as_str)
    }
}

impl Registry {
    /// Begins to follow the fleet, where there is one. `admin_port` is part of the name of a
    /// host that was given none.
    pub fn join_fleet(self: &Arc<Self>, admin_port: u16) {
        let Some(fleet) = &self.fleet else {
            return;
        };
        let host = fleet.host.get_or_init(|| {
            let machine = machine_name();
            format!("{machine}:{admin_port}")
        });
        tracing::info!(fleet = fleet.name, host, "following the fleet");
        let (registry, of) = (self.clone(), fleet.clone());
        self.tasks.spawn("fleet_pulse", Unasked::Restart, move || {
            ever(registry.clone().pulse(of.clone()))
        });
        let of = fleet.clone();
        self.tasks.spawn("fleet_listen", Unasked::Restart, move || {
            ever(of.clone().listen())
        });
        let (registry, of) = (self.clone(), fleet.clone());
        self.tasks.spawn("fleet_follow", Unasked::Restart, move || {
            ever(registry.clone().follow(of.clone()))
        });
    }
}

/// What a restricted Redis user needs besides where the settings name a fleet, as rules for
/// `ACL SETUSER`.
pub fn acl_rules(settings: &Settings) -> Option<[String; 2]> {
    (settings.fleet == settings::Fleet::Redis).then(|| keys::acl_rules(&settings.fleet_name))
}

impl Registry {
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

/// Another one for each process.
fn instance() -> String {
    let mut token = [0; 8];
    // Without randomness the process's number is telling enough.
    if getrandom::fill(&mut token).is_err() {
        token[..4].copy_from_slice(&std::process::id().to_be_bytes());
    }
    data_encoding::HEXLOWER.encode(&token)
}
