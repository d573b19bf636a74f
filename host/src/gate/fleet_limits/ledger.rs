//! What this host has let in of each key and subject, and what of it the others have been told:
//! decisions without I/O, by a clock that the caller has.
//!
//! A host announces before it lets in: its count with the newcomers in it goes out, and in the
//! same step comes back what all others have announced. Who fits comes in, and the rest is taken
//! back with the next exchange. So what is announced is never less than what is inside, and as
//! long as the exchange answers nobody is let in beyond the limit.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::OwnerName;

/// How often a host shows that it lives, and what of the others' counts has gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Counts that went down wait so long for others, so that a crowd that leaves costs little.
const COALESCE: Duration = Duration::from_millis(20);

/// How long until it is tried again where nobody answered.
const RETRY: Duration = Duration::from_millis(250);

/// How long what the others say may not be whole after it was lost: each of them has noticed by
/// then, at its heartbeat, and said everything again.
const SETTLING: Duration = Duration::from_secs(3);

/// How often everything is said again, so that nothing that is wrong for whatever reason stays so.
const REFRESH: Duration = Duration::from_secs(60);

/// The most owners in one exchange.
const MAX_REPORTS: usize = 256;

/// What one exchange says: it is sent whole, and takes effect at one moment.
#[derive(Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Grows; what comes later with a smaller number must change nothing any more.
    pub number: u64,
    pub reports: Vec<OwnerReport>,
}

/// How many connections of one owner this host has, with those that it would let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerReport {
    pub owner: OwnerName,
    pub announced: u32,
}

/// What is answered to an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeAnswer {
    /// The number of this process's exchange before, as it is remembered there; none where it is
    /// not, or where this host was taken for dead since.
    pub previous: Option<u64>,
    /// Live hosts, this one included.
    pub hosts: u32,
    /// What the others that live have announced of each owner of the exchange, in its order.
    pub others: Vec<u32>,
}

/// What somebody who comes in has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To wait for an exchange, under this number.
    Wait(u64),
    /// This host decides by itself, by this limit.
    Here(u32),
    /// Too many wait already.
    TooMany,
}

/// What became of somebody who waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitOutcome {
    /// It comes in, and is counted.
    Enters,
    /// The fleet has as many as there may be.
    Full,
    /// This host decides by itself, by this limit.
    Here(u32),
}

/// Whose limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LimitScope {
    /// Nothing was answered yet since the start: newcomers wait for that.
    Unknown,
    Fleet,
    /// Nobody answers: each host has its share.
    Share,
    /// Somebody answers again, and what the others say may not be whole before that time.
    Settling(Instant),
}

/// Somebody who waits.
#[derive(Debug, Clone, Copy)]
struct Asking {
    ticket: u64,
    owner: OwnerName,
    limit: u32,
}

/// What is known of one owner. There is an entry for as long as there is a connection, or another
/// count than none is announced.
#[derive(Debug, Default)]
struct OwnerCount {
    held: u32,
    /// It is among those to be announced.
    is_queued: bool,
    /// What of it is announced may have been lost.
    is_unsure: bool,
}

#[derive(Debug)]
pub(super) struct Ledger {
    owners: HashMap<OwnerName, OwnerCount>,
    /// Those whose count was not announced as it is, each once.
    unreported: VecDeque<OwnerName>,
    /// How many are unsure.
    unsure: usize,
    waiting: VecDeque<Asking>,
    /// Those who wait for the exchange that is under way.
    asked: Vec<Asking>,
    max_waiting: usize,
    scope: LimitScope,
    /// Live hosts, as last heard.
    hosts: u32,
    tickets: u64,
    /// The number of the last exchange that was sent, and of the last that was answered.
    sent: u64,
    acknowledged: u64,
    last_sent: Option<Instant>,
    refreshed: Option<Instant>,
}

impl Ledger {
    pub(super) fn new(max_waiting: usize) -> Self {
        Self {
            owners: HashMap::new(),
            unreported: VecDeque::new(),
            unsure: 0,
            waiting: VecDeque::new(),
            asked: Vec::new(),
            max_waiting,
            scope: LimitScope::Unknown,
            hosts: 1,
            tickets: 0,
            sent: 0,
            acknowledged: 0,
            last_sent: None,
            refreshed: None,
        }
    }

    pub(super) fn scope(&self) -> LimitScope {
        self.scope
    }

    pub(super) fn hosts(&self) -> u32 {
        self.hosts
    }

    /// Whether the others know all that there is to say.
    pub(super) fn is_reported(&self) -> bool {
        self.unreported.is_empty() && self.asked.is_empty()
    }

    /// Somebody comes in whose owner may have `limit` connections.
    pub(super) fn ask(&mut self, owner: OwnerName, limit: u32) -> Asked {
        match self.scope {
            LimitScope::Share | LimitScope::Settling(_) => Asked::Here(share(limit, self.hosts)),
            _ if self.waiting.len() + self.asked.len() >= self.max_waiting => Asked::TooMany,
            LimitScope::Unknown | LimitScope::Fleet => {
                self.tickets += 1;
                self.waiting.push_back(Asking {
                    ticket: self.tickets,
                    owner,
                    limit,
                });
                Asked::Wait(self.tickets)
            }
        }
    }

    /// So many connections of the owner have come without an exchange, or left; `true` where
    /// that is to be announced and nothing of it was to be before.
    pub(super) fn change(&mut self, owner: OwnerName, by: i64) -> bool {
        if by == 0 {
            return false;
        }
        let count = self.owners.entry(owner).or_default();
        let held = i64::from(count.held) + by;
        count.held = u32::try_from(held.max(0)).unwrap_or(u32::MAX);
        self.queue(owner)
    }

    fn queue(&mut self, owner: OwnerName) -> bool {
        let count = self.owners.entry(owner).or_default();
        let is_new = !std::mem::replace(&mut count.is_queued, true);
        if is_new {
            self.unreported.push_back(owner);
        }
        is_new
    }

    /// Everything is to be said again, and whether it stands there is not known until then.
    fn report_everything(&mut self, is_unsure: bool) {
        for (owner, count) in &mut self.owners {
            count.is_unsure |= is_unsure;
            if !std::mem::replace(&mut count.is_queued, true) {
                self.unreported.push_back(*owner);
            }
        }
        if is_unsure {
            self.unsure = self.owners.len();
        }
    }

    /// How long until the next exchange is to be sent.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let Some(last) = self.last_sent else {
            return Duration::ZERO;
        };
        let interval = match self.scope {
            _ if !self.waiting.is_empty() => Duration::ZERO,
            LimitScope::Share => RETRY,
            _ if !self.unreported.is_empty() => COALESCE,
            _ => HEARTBEAT,
        };
        (last + interval).saturating_duration_since(now)
    }

    /// The next exchange: those who wait first, then what is new, as far as there is room.
    pub(super) fn next(&mut self, now: Instant) -> Exchange {
        if self.refreshed.is_none_or(|last| now >= last + REFRESH) {
            self.refreshed = Some(now);
            self.report_everything(false);
        }
        let mut reports: Vec<OwnerReport> = Vec::new();
        let mut places: HashMap<OwnerName, usize> = HashMap::new();
        while let Some(asking) = self.waiting.front() {
            let owner = asking.owner;
            let held = self.owners.get(&owner).map_or(0, |count| count.held);
            let place = match places.get(&owner) {
                Some(place) => *place,
                None if reports.len() == MAX_REPORTS => break,
                None => {
                    reports.push(OwnerReport {
                        owner,
                        announced: held,
                    });
                    places.insert(owner, reports.len() - 1);
                    reports.len() - 1
                }
            };
            reports[place].announced += 1;
            self.asked.extend(self.waiting.pop_front());
        }
        while reports.len() < MAX_REPORTS
            && let Some(owner) = self.unreported.pop_front()
        {
            let Some(count) = self.owners.get_mut(&owner) else {
                continue;
            };
            count.is_queued = false;
            if !places.contains_key(&owner) {
                let announced = count.held;
                reports.push(OwnerReport { owner, announced });
            }
        }
        self.sent += 1;
        self.last_sent = Some(now);
        Exchange {
            number: self.sent,
            reports,
        }
    }

    /// Takes in what was answered, and says what became of those who waited for it.
    pub(super) fn settle(
        &mut self,
        exchange: &Exchange,
        answer: &ExchangeAnswer,
        now: Instant,
    ) -> Vec<(u64, WaitOutcome)> {
        // Of a process that begins, nothing can have been lost.
        let is_whole = self.acknowledged == 0
            || answer
                .previous
                .is_some_and(|number| number >= self.acknowledged);
        self.acknowledged = exchange.number;
        for report in &exchange.reports {
            if let Some(count) = self.owners.get_mut(&report.owner)
                && std::mem::take(&mut count.is_unsure)
            {
                self.unsure -= 1;
            }
        }
        self.scope = match self.scope {
            LimitScope::Unknown => LimitScope::Fleet,
            LimitScope::Fleet if is_whole => LimitScope::Fleet,
            LimitScope::Settling(until) if is_whole && now >= until && self.unsure == 0 => {
                LimitScope::Fleet
            }
            LimitScope::Settling(until) if is_whole => LimitScope::Settling(until),
            LimitScope::Fleet | LimitScope::Share | LimitScope::Settling(_) => {
                self.report_everything(true);
                LimitScope::Settling(now + SETTLING)
            }
        };
        self.hosts = match self.scope {
            LimitScope::Fleet => answer.hosts.max(1),
            // Some may not have said again that they are there.
            _ => self.hosts.max(answer.hosts),
        };
        let others: HashMap<OwnerName, u32> = exchange
            .reports
            .iter()
            .zip(&answer.others)
            .map(|(report, others)| (report.owner, *others))
            .collect();
        let mut answered = Vec::with_capacity(self.asked.len());
        for asking in std::mem::take(&mut self.asked) {
            let became = if self.scope == LimitScope::Fleet {
                let others = others.get(&asking.owner).copied().unwrap_or(u32::MAX);
                let count = self.owners.entry(asking.owner).or_default();
                let fits = others.saturating_add(count.held) < asking.limit;
                count.held += u32::from(fits);
                if fits {
                    WaitOutcome::Enters
                } else {
                    WaitOutcome::Full
                }
            } else {
                WaitOutcome::Here(share(asking.limit, self.hosts))
            };
            answered.push((asking.ticket, became));
        }
        for report in &exchange.reports {
            match self.owners.get(&report.owner) {
                Some(count) if count.held != report.announced => {
                    self.queue(report.owner);
                }
                Some(count) if count.held == 0 && !count.is_queued && !count.is_unsure => {
                    self.owners.remove(&report.owner);
                }
                Some(_) => {}
                // Whoever waited was not let in, and it stands there all the same.
                None if report.announced > 0 => {
                    self.queue(report.owner);
                }
                None => {}
            }
        }
        answered
    }

    /// Nobody answers: those who wait are decided on here, each by the limit beside it.
    pub(super) fn lose(&mut self) -> Vec<(u64, u32)> {
        self.scope = LimitScope::Share;
        let asked = std::mem::take(&mut self.asked);
        let waiting = std::mem::take(&mut self.waiting);
        let hosts = self.hosts;
        asked
            .into_iter()
            .chain(waiting)
            .map(|asking| (asking.ticket, share(asking.limit, hosts)))
            .collect()
    }
}

/// A host's share of a limit: nobody is left without any place.
pub(super) fn share(limit: u32, hosts: u32) -> u32 {
    (limit / hosts.max(1)).max(1)
}
