//! The limit of a key, or of a subject of signed tokens, as one of a whole fleet: newcomers wait
//! for what the other hosts have let in. How that is exchanged is for whoever calls `due`; while
//! it cannot be, each host lets in its share, and nobody who is inside has to leave.

mod ledger;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use self::ledger::{Asked, Ledger, LimitScope, WaitOutcome};
pub use self::ledger::{Exchange, ExchangeAnswer, OwnerReport};
use super::permit::{Permit, Shown};
use super::{EntryRefusal, GateRefusal};
use crate::count::count;
use crate::credentials::digest_of;
use crate::hub::SessionAddress;
use crate::metrics::FleetLimitMetrics;

/// How long a host that ends tries to tell the others of those who left last.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_LOOK: Duration = Duration::from_millis(10);

/// Whose connections count together, by a name that all hosts give it and that shows nobody who
/// it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerName([u8; 16]);

impl OwnerName {
    /// Of a key, by the digest that its file has: it stays the same when the key is renamed.
    pub(super) fn of_key(digest: &[u8; 32]) -> Self {
        Self::of(b"key", digest)
    }

    /// Of a subject of signed tokens.
    pub(super) fn of_subject(name: &str) -> Self {
        Self::of(b"subject", name.as_bytes())
    }

    fn of(kind: &[u8], name: &[u8]) -> Self {
        let digest = digest_of(&[kind, b":", name].concat());
        Self(std::array::from_fn(|place| digest[place]))
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// What this host has let in of each owner, and who waits for a word of the others.
#[derive(Debug)]
pub struct FleetPlaces {
    book: Mutex<PlaceBook>,
    /// There is something to exchange before its time.
    news: Notify,
    wait: Duration,
    metrics: FleetLimitMetrics,
}

#[derive(Debug)]
struct PlaceBook {
    ledger: Ledger,
    /// Those who wait, by their tickets.
    clients: HashMap<u64, WaitingClient>,
    /// Why the others cannot be heard.
    trouble: String,
}

/// Somebody at the door.
#[derive(Debug)]
struct WaitingClient {
    owner: OwnerName,
    shown: Shown,
    address: SessionAddress,
    answer: oneshot::Sender<Result<Permit, EntryRefusal>>,
}

impl FleetPlaces {
    /// At most `max_waiting` newcomers wait at a time, each for at most twice `wait`.
    pub fn new(wait: Duration, max_waiting: usize, metrics: FleetLimitMetrics) -> Self {
        Self {
            book: Mutex::new(PlaceBook {
                ledger: Ledger::new(max_waiting),
                clients: HashMap::new(),
                trouble: String::new(),
            }),
            news: Notify::new(),
            wait,
            metrics,
        }
    }

    /// How long an exchange may take until newcomers do without.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// Waits until there is something to exchange, for as long as a heartbeat at most.
    pub async fn due(&self) -> Exchange {
        loop {
            let pause = {
                let (mut book, now) = (self.book.lock(), Instant::now());
                let pause = book.ledger.pause(now);
                if pause.is_zero() {
                    return book.ledger.next(now);
                }
                pause
            };
            // Whichever comes first: it is looked at anew.
            let _ = tokio::time::timeout(pause, self.news.notified()).await;
        }
    }

    /// Takes in what was answered to an exchange, and lets those in who fit.
    pub fn settle(&self, exchange: &Exchange, answer: &ExchangeAnswer) {
        let mut answers = Vec::new();
        {
            let mut book = self.book.lock();
            let before = book.ledger.scope();
            let answered = book.ledger.settle(exchange, answer, Instant::now());
            let after = book.ledger.scope();
            for (ticket, became) in answered {
                let Some(client) = book.clients.remove(&ticket) else {
                    continue;
                };
                let (answer, entered) = match became {
                    WaitOutcome::Enters => client.enters(),
                    WaitOutcome::Full => client.full(&mut book.ledger),
                    WaitOutcome::Here(limit) => client.decide(&mut book.ledger, limit),
                };
                answers.push((answer, entered));
            }
            self.say_change(before, after, &book);
        }
        self.answer(answers);
    }

    /// Nobody answers, and why: those who wait are decided on here, and so is whoever comes
    /// until somebody does.
    pub fn lose(&self, why: &str) {
        let mut answers = Vec::new();
        {
            let mut book = self.book.lock();
            let before = book.ledger.scope();
            for (ticket, limit) in book.ledger.lose() {
                if let Some(client) = book.clients.remove(&ticket) {
                    answers.push(client.decide(&mut book.ledger, limit));
                }
            }
            book.trouble = why.to_owned();
            self.say_change(before, LimitScope::Share, &book);
        }
        self.answer(answers);
    }

    /// Outside of the lock: a client that has gone gives its place back at once.
    fn answer(&self, answers: Vec<ClientAnswer>) {
        for (answer, entered) in answers {
            self.metrics.waiting.dec();
            drop(answer.send(entered));
        }
    }

    fn say_change(&self, before: LimitScope, after: LimitScope, book: &PlaceBook) {
        self.metrics.shared.set((after == LimitScope::Fleet).into());
        self.metrics.hosts.set(book.ledger.hosts().into());
        if std::mem::discriminant(&before) == std::mem::discriminant(&after) {
            return;
        }
        let (hosts, why) = (book.ledger.hosts(), &book.trouble);
        match after {
            LimitScope::Unknown => {}
            LimitScope::Fleet => {
                tracing::info!(hosts, "limits of keys count all hosts of the fleet");
            }
            LimitScope::Share => tracing::error!(
                hosts,
                why,
                "what other hosts have let in cannot be learnt; this host lets in its share of each key's limit, and \
                 whoever is inside stays"
            ),
            LimitScope::Settling(_) => tracing::info!(
                hosts,
                "other hosts can be heard again; limits of keys count all of them once each has said what it has"
            ),
        }
    }

    /// Why limits are not those of the whole fleet now, for operators; none while they are.
    pub fn trouble(&self) -> Option<String> {
        let book = self.book.lock();
        let hosts = book.ledger.hosts();
        let share = format!(
            "this host lets in its share, as one of {}",
            count(u64::from(hosts), "host")
        );
        match book.ledger.scope() {
            LimitScope::Unknown | LimitScope::Fleet => None,
            LimitScope::Share => Some(format!(
                "limits of keys: what other hosts have let in cannot be learnt ({}); {share}",
                book.trouble
            )),
            LimitScope::Settling(_) => Some(format!(
                "limits of keys: other hosts are saying what they have let in; until then {share}"
            )),
        }
    }

    /// Waits until the others know who has left, as far as they can be told in time.
    pub async fn farewell(&self) {
        let said = async {
            loop {
                {
                    let ledger = &self.book.lock().ledger;
                    if ledger.is_reported() || ledger.scope() != LimitScope::Fleet {
                        break;
                    }
                }
                tokio::time::sleep(FAREWELL_LOOK).await;
            }
        };
        // What they were not told, they learn when this host is silent.
        let _ = tokio::time::timeout(FAREWELL, said).await;
    }

    /// Somebody who holds no place yet comes in, once it is known what the others have let in.
    pub(super) async fn enter(
        &self,
        owner: OwnerName,
        shown: Shown,
        address: SessionAddress,
    ) -> Result<Permit, EntryRefusal> {
        let answered = {
            let mut book = self.book.lock();
            let (answer, answered) = oneshot::channel();
            let client = WaitingClient {
                owner,
                shown,
                address,
                answer,
            };
            match book.ledger.ask(owner, client.shown.limit()) {
                Asked::TooMany => return Err(EntryRefusal::Busy),
                Asked::Here(limit) => return client.decide(&mut book.ledger, limit).1,
                Asked::Wait(ticket) => {
                    book.clients.insert(ticket, client);
                }
            }
            answered
        };
        self.metrics.waiting.inc();
        self.news.notify_one();
        answered.await.unwrap_or(Err(EntryRefusal::Busy))
    }

    /// Somebody has given a place back.
    pub(super) fn note_left(&self, owner: OwnerName) {
        if self.book.lock().ledger.change(owner, -1) {
            self.news.notify_one();
        }
    }
}

type ClientAnswer = (
    oneshot::Sender<Result<Permit, EntryRefusal>>,
    Result<Permit, EntryRefusal>,
);

impl WaitingClient {
    /// It is counted already.
    fn enters(self) -> ClientAnswer {
        (self.answer, Ok(self.shown.hold(self.address)))
    }

    /// The fleet has as many as there may be: whoever may replace somebody does so here.
    fn full(self, ledger: &mut Ledger) -> ClientAnswer {
        let taken = self.shown.replace(self.address);
        let refusal = GateRefusal::ConnectionLimit;
        settled(ledger, self.owner, self.answer, taken, refusal)
    }

    /// This host decides alone.
    fn decide(self, ledger: &mut Ledger, limit: u32) -> ClientAnswer {
        let refusal = if limit < self.shown.limit() {
            GateRefusal::ConnectionShare
        } else {
            GateRefusal::ConnectionLimit
        };
        let taken = self.shown.take(limit, self.address);
        settled(ledger, self.owner, self.answer, taken, refusal)
    }
}

/// Notes by how many connections there are more, and words the answer.
fn settled(
    ledger: &mut Ledger,
    owner: OwnerName,
    answer: oneshot::Sender<Result<Permit, EntryRefusal>>,
    (permit, change): (Option<Permit>, i64),
    refusal: GateRefusal,
) -> ClientAnswer {
    ledger.change(owner, change);
    (answer, permit.ok_or(EntryRefusal::Refused(refusal)))
}
