//! A fleet as its Redis has it: who this host is in it, and what its hosts keep there together:
//! places of connections, API keys and usage. What they run is for `rollout`, and what follows
//! from a place or a key for `gate`.
//!
//! ```text
//! gate ─► places ──┐
//! usage ─► usage ──┼─► link ─(routing)─► Redis, under names that have one hash tag
//! api_keys ────────┤
//! rollout ─────────┘
//! ```

mod api_keys;
mod link;
mod names;
mod places;
mod usage;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;

pub use self::api_keys::{KeyChanges, KeyText, KeyWrite, RedisKeys};
pub use self::link::{Link, Unreachable};
pub use self::names::FleetNames;
use self::places::exchange_places;
pub use self::usage::{UsageDays, read_usage, write_usage};
use crate::gate::fleet_limits::FleetPlaces;
use crate::metrics::Metrics;
use crate::settings::{self, Settings};
use crate::tasks::{Tasks, Unasked, ever};
use crate::upstream::redis::{ASK_THE_CLOCK, Server, SteadyClock, machine_name, with_steady_clock};

/// After how many silent seconds a host does not count as alive.
pub const SILENT: f64 = 15.0;

/// This host as one of its fleet.
#[derive(Debug)]
pub struct Member {
    fleet: String,
    /// Known when the admin port is.
    host: OnceLock<String>,
    instance: String,
    started: Timestamp,
    names: FleetNames,
    link: Link,
    /// Its own, as newcomers wait for it.
    places_link: Link,
    places: Arc<FleetPlaces>,
    clock: Mutex<SteadyClock>,
}

impl Member {
    /// None where the settings name no fleet. Connects to nothing yet.
    ///
    /// # Errors
    /// The certificates for Redis cannot be used.
    pub fn of(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Option<Arc<Self>>> {
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
            fleet: settings.fleet_name.clone(),
            host: host.unwrap_or_default(),
            instance: instance(),
            started: Timestamp::now(),
            names: FleetNames::new(&settings.fleet_name),
            places_link: Link::new(server.clone()),
            link: Link::new(server),
            places: Arc::new(FleetPlaces::new(
                settings.fleet_limit_wait,
                settings.fleet_limit_waiting,
                metrics.fleet_limits.clone(),
            )),
            clock: Mutex::default(),
        })))
    }

    /// Begins to exchange places with the other hosts. `admin_port` is part of the name of a host
    /// that was given none.
    pub fn join(self: &Arc<Self>, admin_port: u16, tasks: &Tasks) {
        let host = self.host.get_or_init(|| name_of(admin_port));
        tracing::info!(fleet = self.fleet, host, "joining the fleet");
        let member = self.clone();
        tasks.spawn("fleet_places", Unasked::Restart, move || {
            ever(exchange_places(member.clone()))
        });
    }

    /// The fleet's name.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// What this host is called.
    pub fn host(&self) -> &str {
        self.host.get().map_or("", String::as_str)
    }

    /// Tells this process from others of the host's name.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// When this process began.
    pub const fn started(&self) -> Timestamp {
        self.started
    }

    /// What the fleet's things are called in Redis.
    pub const fn names(&self) -> &FleetNames {
        &self.names
    }

    /// The connection for everything but places and API keys, which have their own.
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// What the hosts of the fleet have let in together.
    pub const fn places(&self) -> &Arc<FleetPlaces> {
        &self.places
    }

    /// Adds the question what the clock is that the fleet's hosts speak by, which has two numbers for
    /// an answer.
    pub fn ask_the_clock(&self, look: &mut redis::Pipeline) {
        look.cmd("EVAL")
            .arg(with_steady_clock(ASK_THE_CLOCK))
            .arg(1)
            .arg(self.names.clock())
            .arg(self.clock_now());
    }

    /// What that clock says here, in milliseconds; 0 before the first answer.
    fn clock_now(&self) -> u64 {
        self.clock.lock().now(Instant::now())
    }

    /// Takes in what all hosts have reached, and gives in seconds what the clock says now.
    pub fn reach(&self, reached: u64) -> f64 {
        let (mut clock, now) = (self.clock.lock(), Instant::now());
        clock.reach(reached, now);
        clock.now(now) as f64 / 1e3
    }

    /// Reads the certificates for the next connections anew.
    ///
    /// # Errors
    /// They cannot be read or used; those of before stay in use.
    pub fn reload_certificates(&self) -> anyhow::Result<()> {
        self.link.server().reload().map(drop)
    }
}

/// What a restricted Redis user needs besides, as rules for `ACL SETUSER`: names first, then
/// commands. None where nothing of a fleet is in Redis.
pub fn acl_rules(settings: &Settings) -> Option<[String; 2]> {
    let needs = settings.fleet == settings::Fleet::Redis || settings.has_keys_in_redis();
    needs.then(|| names::acl_rules(&settings.fleet_name))
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
