//! How much one address may have of the public listener: sessions, connections that are none,
//! and new ones a second. IPv6 is counted by its /64, which is what one subscriber has.
//!
//! The table is bounded. Where it is full of addresses that are connected now, further ones
//! are let in uncounted: whoever has that many addresses is not held by a limit for each.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{IntCounter, IntGauge};
use tokio::time::Instant;

/// How often a full table is searched for addresses that are gone.
const SWEEP: Duration = Duration::from_secs(1);

/// What one address may have. Zero is no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct AddressLimits {
    /// Sessions of one address; it may have as many connections that are no sessions.
    pub sessions: u32,
    /// New connections a second in the long run.
    pub rate: u32,
    /// New connections at once.
    pub burst: u32,
    /// Addresses that are counted at a time.
    pub tracked: usize,
}

/// The addresses that are connected, or were a moment ago.
#[derive(Debug)]
pub struct Addresses {
    limits: AddressLimits,
    table: Mutex<Table>,
    tracked: IntGauge,
    untracked: IntCounter,
}

#[derive(Debug)]
struct Table {
    entries: HashMap<IpAddr, AddressRecord>,
    swept: Option<Instant>,
}

#[derive(Debug)]
struct AddressRecord {
    open: u32,
    sessions: u32,
    /// New connections that may come at `at`.
    tokens: f64,
    at: Instant,
}

/// What a place of an address is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Any connection.
    Open,
    Session,
}

/// A place among those of an address, given back on drop.
#[derive(Debug)]
pub(crate) struct AddressPermit {
    /// None where nothing is counted.
    of: Option<(Arc<Addresses>, IpAddr)>,
    what: Use,
}

impl AddressPermit {
    /// Whether its drop gives anything back.
    pub(crate) fn counts(&self) -> bool {
        self.of.is_some()
    }
}

impl Addresses {
    pub fn new(limits: AddressLimits, tracked: IntGauge, untracked: IntCounter) -> Arc<Self> {
        Arc::new(Self {
            limits,
            table: Mutex::new(Table {
                entries: HashMap::new(),
                swept: None,
            }),
            tracked,
            untracked,
        })
    }

    /// Whether one more new connection is within the rate.
    pub(crate) fn pass(&self, ip: IpAddr) -> bool {
        if self.limits.rate == 0 {
            return true;
        }
        let now = Instant::now();
        let mut table = self.table.lock();
        self.entry(&mut table, network(ip), now)
            .is_none_or(|entry| entry.pass(&self.limits, now))
    }

    /// A place, unless the address has all of its own.
    pub(crate) fn hold(self: &Arc<Self>, ip: IpAddr, what: Use) -> Option<AddressPermit> {
        let limit = match what {
            Use::Session => self.limits.sessions,
            Use::Open => self.limits.sessions.saturating_mul(2),
        };
        let uncounted = AddressPermit { of: None, what };
        if limit == 0 {
            return Some(uncounted);
        }
        let network = network(ip);
        let mut table = self.table.lock();
        let Some(entry) = self.entry(&mut table, network, Instant::now()) else {
            return Some(uncounted);
        };
        let held = entry.held(what);
        if *held >= limit {
            return None;
        }
        *held += 1;
        Some(AddressPermit {
            of: Some((self.clone(), network)),
            what,
        })
    }

    fn entry<'t>(
        &self,
        table: &'t mut Table,
        of: IpAddr,
        now: Instant,
    ) -> Option<&'t mut AddressRecord> {
        let full = table.entries.len() >= self.limits.tracked;
        if full && !table.entries.contains_key(&of) {
            if table.swept.is_none_or(|swept| now >= swept + SWEEP) {
                table.swept = Some(now);
                table
                    .entries
                    .retain(|_, entry| !entry.is_gone(&self.limits, now));
            }
            if table.entries.len() >= self.limits.tracked {
                self.untracked.inc();
                return None;
            }
        }
        let fresh = || AddressRecord {
            open: 0,
            sessions: 0,
            tokens: self.limits.burst.into(),
            at: now,
        };
        table.entries.entry(of).or_insert_with(fresh);
        self.show(table);
        table.entries.get_mut(&of)
    }

    fn show(&self, table: &Table) {
        let tracked = i64::try_from(table.entries.len()).unwrap_or(i64::MAX);
        self.tracked.set(tracked);
    }
}

impl AddressRecord {
    fn held(&mut self, what: Use) -> &mut u32 {
        match what {
            Use::Open => &mut self.open,
            Use::Session => &mut self.sessions,
        }
    }

    fn refill(&mut self, limits: &AddressLimits, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let tokens = self.tokens + elapsed * f64::from(limits.rate);
        self.tokens = tokens.min(limits.burst.into());
        self.at = now;
    }

    /// Takes a token, if there is one. What is refused takes none, so that whoever waits comes in.
    fn pass(&mut self, limits: &AddressLimits, now: Instant) -> bool {
        self.refill(limits, now);
        let passes = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(passes));
        passes
    }

    /// Whether nothing would be forgotten if the record were dropped.
    fn is_gone(&mut self, limits: &AddressLimits, now: Instant) -> bool {
        self.refill(limits, now);
        let rested = limits.rate == 0 || self.tokens >= f64::from(limits.burst);
        self.open == 0 && self.sessions == 0 && rested
    }
}

impl Drop for AddressPermit {
    fn drop(&mut self) {
        let Some((addresses, network)) = &self.of else {
            return;
        };
        let mut table = addresses.table.lock();
        if let Some(entry) = table.entries.get_mut(network) {
            *entry.held(self.what) -= 1;
            if entry.is_gone(&addresses.limits, Instant::now()) {
                table.entries.remove(network);
            }
        }
        addresses.show(&table);
    }
}

fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(six) => {
            let upper = six.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(upper))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(limits: AddressLimits) -> Arc<Addresses> {
        let tracked = IntGauge::new("tracked", "Of a test.").unwrap();
        Addresses::new(
            limits,
            tracked,
            IntCounter::new("untracked", "Of a test.").unwrap(),
        )
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_sessions_and_as_many_connections_again() {
        let addresses = addresses(AddressLimits {
            sessions: 2,
            tracked: 10,
            ..AddressLimits::default()
        });
        let hold = |text: &str, what| addresses.hold(ip(text), what);
        let first = hold("192.0.2.1", Use::Session);
        let _second = hold("::ffff:192.0.2.1", Use::Session).unwrap();
        assert!(hold("192.0.2.1", Use::Session).is_none());
        assert!(hold("192.0.2.2", Use::Session).is_some());
        drop(first);
        assert!(hold("192.0.2.1", Use::Session).is_some());
        let open: Vec<_> = (0..4)
            .map(|_| hold("192.0.2.1", Use::Open).unwrap())
            .collect();
        assert!(hold("192.0.2.1", Use::Open).is_none());
        drop(open);
        assert_eq!(addresses.tracked.get(), 1);
    }

    #[test]
    fn an_ipv6_subscriber_is_one_address() {
        let addresses = addresses(AddressLimits {
            sessions: 1,
            tracked: 10,
            ..AddressLimits::default()
        });
        let _held = addresses.hold(ip("2001:db8:1:2::7"), Use::Session).unwrap();
        assert!(
            addresses
                .hold(ip("2001:db8:1:2:ffff::1"), Use::Session)
                .is_none()
        );
        assert!(
            addresses
                .hold(ip("2001:db8:1:3::7"), Use::Session)
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn new_connections_have_a_burst_and_a_rate() {
        let addresses = addresses(AddressLimits {
            rate: 2,
            burst: 3,
            tracked: 10,
            ..AddressLimits::default()
        });
        let passing = || (0..10).filter(|_| addresses.pass(ip("192.0.2.1"))).count();
        assert_eq!(passing(), 3);
        assert!(addresses.pass(ip("192.0.2.2")));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(passing(), 2);
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(passing(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_whoever_is_gone_makes_room() {
        let addresses = addresses(AddressLimits {
            rate: 1,
            burst: 1,
            tracked: 2,
            ..AddressLimits::default()
        });
        for number in 1..=2 {
            assert!(addresses.pass(ip(&format!("192.0.2.{number}"))));
        }
        for _ in 0..3 {
            assert!(addresses.pass(ip("192.0.2.3")), "it is not counted");
        }
        assert_eq!((addresses.tracked.get(), addresses.untracked.get()), (2, 3));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(addresses.pass(ip("192.0.2.3")));
        assert!(!addresses.pass(ip("192.0.2.3")), "now it is");
        assert_eq!(addresses.tracked.get(), 1);
    }

    #[test]
    fn without_limits_nothing_is_counted() {
        let addresses = addresses(AddressLimits::default());
        assert!(addresses.pass(ip("192.0.2.1")));
        let _held = addresses.hold(ip("192.0.2.1"), Use::Open).unwrap();
        assert_eq!(addresses.tracked.get(), 0);
    }
}
