//! The hosts that go first with a revision: which they are, and when their time is over.

use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::super::{Refused, Registry};
use super::Fleet;
use super::hosts::hosts;
use crate::wanted::canary;
use crate::wanted::desired::{DecisionId, Desired};

/// How much longer than a probation the first hosts may take before silence counts as failure.
const FIRST_GRACE: Duration = Duration::from_secs(60);
const FIRST_FACTOR: u32 = 4;

/// How long first hosts may take.
pub(super) fn first_patience(registry: &Registry) -> Duration {
    registry.options.probation * FIRST_FACTOR + FIRST_GRACE
}

/// The hosts that go first where a share of them shall.
///
/// # Errors
/// There is no fleet, or its Redis does not answer.
pub(in crate::rollout) async fn first_hosts(
    registry: &Registry,
    percent: Option<u8>,
) -> Result<Vec<String>, Refused> {
    let Some(percent) = percent else {
        return Ok(Vec::new());
    };
    let fleet = registry.fleet.as_ref().ok_or(Refused::NoFleet)?;
    let hosts = hosts(fleet).await?;
    let mut names: Vec<String> = hosts.alive().map(|host| host.host.clone()).collect();
    if !names.iter().any(|name| name == fleet.host()) {
        names.push(fleet.host().to_owned());
    }
    Ok(drawn(names, percent, getrandom::u64().unwrap_or_default()))
}

/// Whether first hosts have had this long since this process knows of their choice.
pub(super) fn is_overdue(fleet: &Fleet, name: &str, desired: &Desired, patience: Duration) -> bool {
    let mut since = fleet.tried_since.lock();
    if desired.choice.first.is_empty() {
        since.remove(name);
        return false;
    }
    let fresh: (DecisionId, Instant) = (desired.choice.id, Instant::now());
    let known = since.entry(name.to_owned()).or_insert(fresh);
    if known.0 != desired.choice.id {
        *known = fresh;
    }
    known.1.elapsed() > patience
}

/// `percent` of the hosts, never more and one at least; others with each `draw`.
fn drawn(mut hosts: Vec<String>, percent: u8, draw: u64) -> Vec<String> {
    let count = canary::count(hosts.len(), percent);
    hosts.sort_by_cached_key(|host| Sha256::digest(format!("{draw} {host}")));
    hosts.truncate(count);
    hosts.sort();
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_share_goes_first_and_one_at_least() {
        let hosts = |count: usize| (0..count).map(|number| format!("h{number}")).collect();
        let count = |hosts_there: usize, percent| drawn(hosts(hosts_there), percent, 7).len();
        assert_eq!(count(3, 34), 1);
        assert_eq!(count(3, 67), 2);
        assert_eq!(count(10, 1), 1);
        assert_eq!(count(10, 100), 10);
    }

    #[test]
    fn it_is_not_always_the_same_hosts_turn() {
        let hosts = || vec!["a".to_owned(), "b".into(), "c".into()];
        let first = |draw| drawn(hosts(), 1, draw);
        let seen: std::collections::BTreeSet<_> = (0..50).map(first).collect();
        assert_eq!(seen.len(), 3);
    }
}
