//! One loop: what came in, what goes out, whose time is over; then it sleeps until there is
//! more.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use prometheus::IntCounter;

use super::budget::Share;
use super::connection::{Connection, Connections};
use super::letting_go::{self, TIDY};
use super::{Arrivals, Newcomer, WAKER, ending, orders, reading, sending};
use crate::hub::inbox::{Inbox, Item, Passed};
use crate::hub::log::{FamilyId, Log, LogMessage, SessionKey, relayed};
use crate::hub::notice::Reason;
use crate::hub::wheel::Wheel;
use crate::hub::{LoopOrder, SessionId};
use crate::metrics::{FamilyMetrics, Metrics};
use crate::session::{CloseReason, Parser, Session, SessionContext};
use crate::tasks::TaskEnd;

/// Bytes that are published before they are sent.
const PUBLISH: usize = 1 << 20;

/// After more than so many sends the loop rests before it looks for further messages, so that
/// those of a burst go out together. Sockets are looked at meanwhile, and one message alone is
/// sent at once.
const RESTLESS: usize = 16;
const REST: Duration = Duration::from_millis(1);

/// How often in the time of a stall it is tried whether the client takes a little after all.
const RETRIES: u32 = 8;

/// Pings are sent at so many moments of a heartbeat's interval.
const MOMENTS: u32 = 256;

pub(super) struct Loop {
    pub(super) poll: Poll,
    pub(super) inbox: Arc<Inbox>,
    arrivals: Arrivals,
    pub(super) share: Share,
    pub(super) context: Arc<SessionContext>,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    /// By key.
    pub(super) connections: Connections,
    pub(super) ids: HashMap<SessionId, SessionKey>,
    pub(super) wheel: Wheel,
    /// Families by their number; they are few.
    pub(super) families: Vec<Arc<FamilyMetrics>>,
    /// What was taken from the inbox and is not published yet.
    items: VecDeque<Item>,
    passed: Passed,
    orders: VecDeque<LoopOrder>,
    /// Sessions that wait to be flushed, and to be read.
    pub(super) queue: VecDeque<SessionKey>,
    pub(super) reading: VecDeque<SessionKey>,
    /// Sessions whose requests wait for the relay.
    pub(super) unanswered: Vec<SessionKey>,
    /// For views, used again and again.
    pub(super) keys: Vec<SessionKey>,
    /// Sends since the loop last rested or slept.
    pub(super) sends: usize,
    pub(super) untimed: u32,
    /// Counts gaps that slow sessions are told.
    pub(super) gaps: IntCounter,
    pub(super) parser: Parser,
    pub(super) buffer: Vec<u8>,
    pub(super) tidied: Instant,
    started: Instant,
    /// When the host began to drain.
    pub(super) drains_since: Option<Instant>,
}

impl Loop {
    pub(super) fn new(
        poll: Poll,
        inbox: Arc<Inbox>,
        arrivals: Arrivals,
        share: Share,
        lists_limit: usize,
        context: Arc<SessionContext>,
    ) -> Self {
        let now = Instant::now();
        Self {
            poll,
            inbox,
            arrivals,
            share,
            metrics: context.metrics.clone(),
            log: Log::new(lists_limit),
            connections: Connections::default(),
            ids: HashMap::new(),
            wheel: Wheel::new(now),
            families: Vec::new(),
            items: VecDeque::new(),
            passed: Passed::new(),
            orders: VecDeque::new(),
            queue: VecDeque::new(),
            reading: VecDeque::new(),
            unanswered: Vec::new(),
            keys: Vec::new(),
            sends: 0,
            untimed: 0,
            gaps: context
                .metrics
                .stream
                .gaps
                .with_label_values(&[Reason::Slow.word()]),
            parser: Parser::new(context.limits.max_message_size),
            buffer: Vec::new(),
            tidied: now,
            started: now,
            drains_since: None,
            context,
        }
    }

    /// Runs for as long as the process, and may be called again after a panic.
    pub(super) fn run(&mut self) -> TaskEnd {
        match catch_unwind(AssertUnwindSafe(|| self.run_steps())) {
            Ok(error) => TaskEnd::Failed(format!("cannot wait for sockets: {error}")),
            Err(panic) => {
                ending::end_all(self);
                resume_unwind(panic);
            }
        }
    }

    fn run_steps(&mut self) -> io::Error {
        let mut events = Events::with_capacity(1024);
        loop {
            let is_idle = self.step(Instant::now());
            let timeout = if !is_idle {
                Some(Duration::ZERO)
            } else if std::mem::take(&mut self.sends) > RESTLESS {
                Some(REST)
            } else if self.inbox.may_sleep() && self.arrivals.lock().is_empty() {
                self.sleep()
            } else {
                Some(Duration::ZERO)
            };
            let looked = self.look_at_sockets(&mut events, timeout);
            self.inbox.is_awake();
            if let Err(error) = looked {
                return error;
            }
        }
    }

    /// Waits until something happens to a socket, or the time is over.
    pub(super) fn look_at_sockets(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self.poll.poll(events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &*events {
            if event.token() != WAKER {
                let key = SessionKey(event.token().0 as u32);
                let readable = event.is_readable() || event.is_error();
                self.note_event(key, readable, event.is_writable());
            }
        }
        Ok(())
    }

    /// Until when there is nothing to do.
    fn sleep(&self) -> Option<Duration> {
        let next = self.wheel.next(Instant::now());
        if self.log.is_empty() {
            next
        } else {
            Some(next.map_or(TIDY, |next| next.min(TIDY)))
        }
    }

    fn note_event(&mut self, key: SessionKey, readable: bool, writable: bool) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.flags.is_readable |= readable;
        if writable && std::mem::take(&mut connection.flags.is_blocked) {
            self.metrics.stream.sessions_behind.dec();
            self.queue(key);
        }
        reading::read_on(self, key);
    }

    /// Does a part of everything; `true` where nothing is left to do.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        self.orders.extend(self.inbox.take_orders());
        while let Some(order) = self.orders.pop_front() {
            orders::follow(self, order, now);
        }
        let arrivals = std::mem::take(&mut *self.arrivals.lock());
        arrivals
            .into_iter()
            .for_each(|newcomer| self.enter(newcomer, now));
        let mut is_idle = self.publish();
        is_idle &= sending::flush_views(self, now);
        is_idle &= sending::flush_queued(self, now);
        is_idle &= reading::read_some(self, now);
        ending::pass_deadlines(self, now);
        letting_go::tidy(self, now);
        is_idle
            && !self.inbox.is_urgent()
            && self.queue.is_empty()
            && self.log.next_view().is_none()
    }

    /// Publishes some of what waits; `false` where more does. Nothing further is taken before
    /// all of that is published, so that what waits is bounded by the inbox.
    pub(super) fn publish(&mut self) -> bool {
        if self.items.is_empty() && self.passed.is_empty() {
            (self.items, self.passed) = self.inbox.take_messages();
            if self.items.is_empty() && self.passed.is_empty() {
                return true;
            }
        }
        let mut bytes = 0;
        while bytes < PUBLISH {
            let Some(item) = self.items.front().cloned() else {
                break;
            };
            match &item {
                Item::Batch(batch) => {
                    bytes += batch.cost();
                    for (message, frame) in batch.iter() {
                        let entry = LogMessage {
                            name: &message.channel,
                            id: message.id,
                            seq: message.seq,
                            family: self.family(&message.family),
                            received: message.received,
                            last: message.last.as_ref(),
                        };
                        if let Some(from) = message.missing {
                            relayed::miss(&mut self.log, entry, from);
                        }
                        self.log.publish(entry, frame);
                    }
                }
                Item::State(family, state) => self.log.set_state(family, *state),
                Item::Loss(family, reason) => self.log.lose_somewhere(family, *reason),
                Item::Sweep => self.log.sweep(),
                Item::Number(name, id, seq) => {
                    relayed::note_number(&mut self.log, name, *id, *seq);
                }
            }
            self.items.pop_front();
        }
        if self.items.is_empty() {
            // They are newer than everything that was taken with them.
            while let Some((id, passed)) = self.passed.pop_first() {
                let newest = LogMessage {
                    name: &passed.channel,
                    id,
                    seq: passed.range.1,
                    family: self.family(&passed.family),
                    received: passed.received,
                    last: passed.last.as_ref(),
                };
                self.log.pass(newest, passed.range.0);
            }
            self.inbox.note_published();
        }
        self.items.is_empty()
    }

    fn family(&mut self, metrics: &Arc<FamilyMetrics>) -> FamilyId {
        let known = self
            .families
            .iter()
            .position(|known| Arc::ptr_eq(known, metrics));
        let at = known.unwrap_or_else(|| {
            self.families.push(metrics.clone());
            self.families.len() - 1
        });
        FamilyId(at as u16)
    }

    fn enter(&mut self, newcomer: Newcomer, now: Instant) {
        let Newcomer {
            mut socket,
            leftover,
            address,
            permit,
            remote,
            holdings,
        } = newcomer;
        let id = address.id;
        let key = self.log.enter();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self
            .poll
            .registry()
            .register(&mut socket, Token(key.at()), interest);
        let limits = &self.context.limits;
        let session = Session::new(permit, limits, now);
        let first_beat = self.beat(now + spread(id, limits.heartbeat_interval));
        let connection = Connection::new(socket, id, session, remote, holdings, first_beat);
        self.metrics.connections.inc();
        self.ids.insert(id, key);
        self.connections.insert(key, connection);
        if registered.is_err() {
            return ending::end(self, key, CloseReason::ClientLeft);
        }
        self.arm(key);
        reading::look_at_rights(self, key, now);
        if !leftover.is_empty() {
            reading::receive(self, key, &leftover, now);
        }
    }

    /// Has the session flushed by itself, if it has something of its own to send.
    pub(super) fn queue(&mut self, key: SessionKey) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.flags.is_queued || connection.flags.is_blocked {
            return;
        }
        self.log.set_apart(key);
        connection.flags.is_queued = true;
        self.queue.push_back(key);
    }

    /// Sets when the session is to be looked at again.
    pub(super) fn arm(&mut self, key: SessionKey) {
        if let Some(connection) = self.connections.get(key) {
            let stall_limit = self.context.limits.stall_limit;
            let mut deadline = connection.deadline(stall_limit, self.leaves(key));
            if connection.stalled.is_some() {
                deadline = deadline.min(Instant::now() + stall_limit / RETRIES);
            }
            self.wheel.set(key.0, deadline);
        }
    }

    /// When the session leaves, where the host drains.
    pub(super) fn leaves(&self, key: SessionKey) -> Option<Instant> {
        let since = self.drains_since?;
        let id = self.connections.get(key)?.id;
        Some(since + spread(id, self.context.limits.drain_time))
    }

    /// When a ping that is due at `at` is sent: together with others of the same moment, as each
    /// time that the loop wakes costs more than a ping.
    pub(super) fn beat(&self, at: Instant) -> Instant {
        let moment = self.context.limits.heartbeat_interval / MOMENTS;
        let since = at.saturating_duration_since(self.started);
        let moments = since.as_nanos().div_ceil(moment.as_nanos().max(1));
        let moments = u32::try_from(moments).unwrap_or(u32::MAX);
        at.max(self.started + moment * moments)
    }

    pub(super) fn count_subscriptions(&mut self, key: SessionKey) {
        if let Some(connection) = self.connections.get_mut(key) {
            let held = self.log.subscriptions(key).len() as u32;
            let before = std::mem::replace(&mut connection.subscriptions, held);
            let change = i64::from(held) - i64::from(before);
            self.metrics.subscriptions.add(change);
        }
    }

    pub(super) fn count_replies(&mut self, key: SessionKey) {
        if let Some(connection) = self.connections.get_mut(key) {
            let waiting = connection.waiting() as u32;
            let before = std::mem::replace(&mut connection.counted, waiting);
            let change = i64::from(waiting) - i64::from(before);
            self.metrics.stream.reply_bytes.add(change);
        }
    }
}

/// A session's own share of `over`: consecutive sessions are spread evenly (multiples of the
/// golden ratio), so that neither heartbeats nor the ends of a drain come in a herd.
pub(super) fn spread(id: SessionId, over: Duration) -> Duration {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let share = (id.0.wrapping_mul(GOLDEN) >> 11) as f64 / (1_u64 << 53) as f64;
    over.mul_f64(share)
}
