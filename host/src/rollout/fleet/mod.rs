//! Many hosts that run the same: what each transform shall run lies in Redis, and every host
//! comes to it by itself. Nobody leads.
//!
//! ```text
//! apply, resume, … ─► share ─(compare and set)─► what is wanted, in Redis ─► look ─► deployments
//!                       ▲                             ▲                       │
//!        stops that hold here already ────────────────┘◄── reports of hosts ◄─┘
//! ```
//! Without Redis, hosts keep what they have. Neither events nor stops ever wait for any of this.

mod claims;
mod components;
mod earlier;
mod envelope;
mod first;
mod history;
mod hosts;
mod listen;
mod look;
mod patience;
mod receive;
mod report;
mod share;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::earlier::EarlierHosts;
use self::envelope::SharedDesired;
pub(super) use self::first::first_hosts;
use self::history::SharedHistory;
pub(super) use self::history::fleet_history;
use self::listen::listen;
use self::look::keep_looking;
use self::patience::wait_no_longer;
pub(super) use self::receive::receive_revision;
pub use self::report::{DesiredReport, FailedReport, FleetReport, fleet_report};
pub(super) use self::share::{decide_with_all, hear_desired_now};
use super::state::state_trouble;
use super::{Refused, Registry};
use crate::fleet::{Link, Member, Unreachable};
use crate::revision::Revision;
use crate::settings::{Role, Settings};
use crate::tasks::{Unasked, ever};
use crate::transform::RevisionId;
use crate::wanted::desired::DecisionId;

/// This host's part in what its fleet runs.
#[derive(Debug)]
pub(super) struct Fleet {
    member: Arc<Member>,
    /// This host runs no transform: it is counted, and comes to nothing that the fleet wants.
    is_edge: bool,
    /// What was last read of each transform.
    shared: Mutex<BTreeMap<String, Arc<SharedDesired>>>,
    /// Since when a choice is known here that first hosts try, by this process's own clock.
    tried_since: Mutex<BTreeMap<String, (DecisionId, Instant)>>,
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
    /// Connects to nothing yet.
    pub(super) fn new(member: Arc<Member>, settings: &Settings) -> Arc<Self> {
        Arc::new(Self {
            member,
            is_edge: settings.role == Role::Edge,
            shared: Mutex::default(),
            tried_since: Mutex::default(),
            earlier: Mutex::default(),
            patience: settings.fleet_patience,
            history: SharedHistory::default(),
            announced: Notify::new(),
        })
    }

    /// What this host is called.
    pub(super) fn host(&self) -> &str {
        self.member.host()
    }

    fn link(&self) -> &Link {
        self.member.link()
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

/// Begins to follow the fleet, where there is one, which the host has joined.
pub fn follow_fleet(registry: &Arc<Registry>) {
    let Some(fleet) = &registry.fleet else {
        return;
    };
    let tasks = &registry.tasks;
    let (looking, of) = (registry.clone(), fleet.clone());
    tasks.spawn("fleet_look", Unasked::Restart, move || {
        ever(keep_looking(looking.clone(), of.clone()))
    });
    let of = fleet.clone();
    tasks.spawn("fleet_listen", Unasked::Restart, move || {
        ever(listen(of.clone()))
    });
    let (waiting, patience) = (registry.clone(), fleet.patience);
    // It ends by itself, and nobody waits for it.
    drop(tasks.brief("fleet_patience", async move {
        tokio::time::sleep(patience).await;
        wait_no_longer(&waiting).await;
    }));
}

/// What is wrong that concerns no transform: the state folder takes nothing, or limits of keys
/// are not those of the whole fleet.
pub(super) fn host_troubles(registry: &Registry) -> impl Iterator<Item = String> {
    let fleet = registry.fleet.as_ref();
    let limits = fleet.and_then(|fleet| fleet.member.places().trouble());
    state_trouble(registry).into_iter().chain(limits)
}

impl From<Unreachable> for Refused {
    fn from(error: Unreachable) -> Self {
        Self::FleetUnreachable(error.0)
    }
}
