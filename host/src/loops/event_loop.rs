//! One loop: what came in, what goes out, whose time is over; then it sleeps until there is
//! more.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use prometheus::IntCounter;

use super::budget::{Share, signed};
use super::connection::{Connection, Connections, Due, Flags, Goodbye};
use super::{Arrivals, Newcomer, WAKER, sending};
use crate::hub::inbox::{Inbox, Item, Taken};
use crate::hub::log::{FamilyId, Key, Log};
use crate::hub::notice::Reason;
use crate::hub::wheel::Wheel;
use crate::hub::{Listed, Order, SessionId, frame};
use crate::metrics::{FamilyMetrics, Metrics};
use crate::session::{CLOSE_PATIENCE, CloseReason, Context, Desk, Parser, Session};
use crate::tasks::Ended;

/// The same as `CLOSE_PATIENCE` for a client that was cut because it did not read: its socket is
/// full, so that the close frame waits until it reads again.
const SLOW_PATIENCE: Duration = Duration::from_secs(5);

/// How long after the time of a drain its last session may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are read of one client before it is another's turn.
const READ: usize = 16 << 10;

/// Clients that are read before the loop looks for what else there is to do.
const READS: usize = 64;

/// Bytes that are published before they are sent.
const PUBLISH: usize = 1 << 20;

/// How often the loop looks for memory that it can let go, while somebody is behind.
const TIDY: Duration = Duration::from_millis(100);

pub(super) struct Loop {
    poll: Poll,
    pub(super) inbox: Arc<Inbox>,
    arrivals: Arrivals,
    share: Share,
    context: Arc<Context>,
    pub(super) metrics: Metrics,
    pub(super) log: Log,
    /// By key.
    pub(super) connections: Connections,
    ids: HashMap<SessionId, Key>,
    wheel: Wheel,
    /// Families by their number; they are few.
    pub(super) families: Vec<Arc<FamilyMetrics>>,
    /// What was taken from the inbox and is not published yet.
    items: VecDeque<Item>,
    /// Sessions that wait for their turn to send, and to be read.
    pub(super) queue: VecDeque<Key>,
    reading: VecDeque<Key>,
    /// Whom the loop is busy with: a panic costs that session only.
    pub(super) at_work: Option<Key>,
    /// For views, used again and again.
    pub(super) keys: Vec<Key>,
    pub(super) untimed: u32,
    /// Counts gaps that slow sessions are told.
    pub(super) gaps: IntCounter,
    parser: Parser,
    buffer: Vec<u8>,
    tidied: Instant,
    /// While the host drains: until when sessions may take their time.
    drains_until: Option<Instant>,
}

impl Loop {
    pub(super) fn new(
        poll: Poll,
        inbox: Arc<Inbox>,
        arrivals: Arrivals,
        share: Share,
        missed_limit: usize,
        context: Arc<Context>,
    ) -> Self {
        let now = Instant::now();
        Self {
            poll,
            inbox,
            arrivals,
            share,
            metrics: context.metrics.clone(),
            log: Log::new(missed_limit),
            connections: Connections::default(),
            ids: HashMap::new(),
            wheel: Wheel::new(now),
            families: Vec::new(),
            items: VecDeque::new(),
            queue: VecDeque::new(),
            reading: VecDeque::new(),
            at_work: None,
            keys: Vec::new(),
            untimed: 0,
            gaps: context
                .metrics
                .gaps
                .with_label_values(&[Reason::Slow.word()]),
            parser: Parser::new(context.limits.max_message_size),
            buffer: vec![0; READ],
            tidied: now,
            drains_until: None,
            context,
        }
    }

    /// Runs for as long as the process. A panic over a session ends that session.
    pub(super) fn run(&mut self) -> Ended {
        loop {
            let ended = catch_unwind(AssertUnwindSafe(|| self.turns()));
            match (ended, self.at_work.take()) {
                (Ok(error), _) => {
                    return Ended::Failed(format!("cannot wait for sockets: {error}"));
                }
                (Err(_), Some(key)) => {
                    self.metrics.session_panics.inc();
                    self.end(key, CloseReason::ClientLeft);
                }
                (Err(panic), None) => std::panic::resume_unwind(panic),
            }
        }
    }

    fn turns(&mut self) -> std::io::Error {
        let mut events = Events::with_capacity(1024);
        loop {
            let is_idle = self.turn(Instant::now());
            let timeout = if is_idle && self.inbox.may_sleep() && self.arrivals.lock().is_empty() {
                self.sleep()
            } else {
                Some(Duration::ZERO)
            };
            let polled = self.poll.poll(&mut events, timeout);
            self.inbox.is_awake();
            match polled {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return error,
                _ => {}
            }
            for event in &events {
                if event.token() != WAKER {
                    let key = Key(event.token().0 as u32);
                    let readable = event.is_readable() || event.is_error();
                    self.note_event(key, readable, event.is_writable());
                }
            }
        }
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

    fn note_event(&mut self, key: Key, readable: bool, writable: bool) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        connection.flags.is_readable |= readable;
        if writable && std::mem::take(&mut connection.flags.is_blocked) {
            self.metrics.sessions_behind.dec();
            self.queue(key);
        }
        self.read_on(key);
    }

    /// Does a part of everything; `true` where nothing is left to do.
    fn turn(&mut self, now: Instant) -> bool {
        let Taken {
            items,
            passed,
            orders,
        } = self.inbox.take();
        self.items.extend(items);
        orders.into_iter().for_each(|order| self.follow(order, now));
        let arrivals = std::mem::take(&mut *self.arrivals.lock());
        arrivals
            .into_iter()
            .for_each(|newcomer| self.enter(newcomer, now));
        let mut is_idle = self.publish();
        if !passed.is_empty() {
            // They are newer than everything that was taken with them.
            while !self.publish() {}
            for (id, (channel, range)) in passed {
                self.log.pass(&channel, id, range);
            }
        }
        is_idle &= sending::flush_views(self, now);
        is_idle &= sending::flush_queued(self, now);
        is_idle &= self.read_some(now);
        self.pass_deadlines(now);
        self.tidy(now);
        is_idle
            && !self.inbox.is_urgent()
            && self.queue.is_empty()
            && self.log.next_view().is_none()
    }

    /// Publishes what was taken; `false` where some is left.
    fn publish(&mut self) -> bool {
        let mut bytes = 0;
        while bytes < PUBLISH {
            let Some(item) = self.items.pop_front() else {
                return true;
            };
            match item {
                Item::Batch(batch) => {
                    bytes += batch.frames.len();
                    for (message, frame) in batch.iter() {
                        let family = self.family(&message.family);
                        let (channel, id, seq) = (&message.channel, message.id, message.seq);
                        self.log
                            .publish(channel, id, seq, family, frame, message.received);
                    }
                }
                Item::State(family, state) => self.log.set_state(&family, state),
                Item::Loss(family, reason) => self.log.lose_somewhere(&family, reason),
                Item::Unnumbered(channel) => self.log.lose(&channel, Reason::Transform),
            }
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
            places,
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
        let first_beat = now + spread(id, limits.heartbeat_interval);
        let connection = Connection::new(socket, id, session, remote, places, now, first_beat);
        self.metrics.connections.inc();
        self.ids.insert(id, key);
        self.connections.insert(key, connection);
        if registered.is_err() {
            return self.end(key, CloseReason::ClientLeft);
        }
        if self.drains_until.is_some() {
            self.leave_soon(key, now);
        }
        self.arm(key);
        self.look_at_rights(key, now);
        if !leftover.is_empty() {
            self.receive(key, &leftover, now);
        }
    }

    /// Follows what an operator, a changed file or the end of the host asks for.
    fn follow(&mut self, order: Order, now: Instant) {
        match order {
            Order::Rights => self.for_each(|looped, key| looped.look_at_rights(key, now)),
            Order::Catalog => self.for_each(|looped, key| looped.look_at_catalog(key)),
            Order::Drain => {
                self.drains_until = Some(now + self.context.limits.drain_time + DRAIN_PATIENCE);
                self.for_each(|looped, key| looped.leave_soon(key, now));
            }
            Order::Replaced(id) | Order::Hurry(id) => {
                if let Some(key) = self.ids.get(&id).copied() {
                    self.look_at_rights(key, now);
                }
            }
            Order::Close(id, answer) => {
                let live = self
                    .ids
                    .get(&id)
                    .copied()
                    .and_then(|key| Some((key, self.listed(key)?)));
                if let Some((key, listed)) = live {
                    self.close(key, CloseReason::ClosedByOperator, now);
                    // Whoever asked may have left.
                    let _ = answer.send(listed);
                }
            }
            Order::List(answer) => {
                let keys = self.connections.keys();
                let _ = answer.send(keys.filter_map(|key| self.listed(key)).collect());
            }
        }
    }

    fn for_each(&mut self, mut visit: impl FnMut(&mut Self, Key)) {
        for key in self.connections.keys().collect::<Vec<_>>() {
            visit(self, key);
        }
    }

    /// A live session as operators see it; none where it is over.
    fn listed(&self, key: Key) -> Option<Listed> {
        let connection = self
            .connections
            .get(key)
            .filter(|connection| connection.goodbye.is_none())?;
        let grant = connection.session.grant();
        let (waiting_messages, oldest) = self.log.lag(key);
        Some(Listed {
            id: connection.id.0,
            remote: connection.remote,
            key_id: grant.key_id.clone(),
            key_name: grant.key_name.clone(),
            since: connection.since,
            subscriptions: self.log.subscriptions(key).len(),
            waiting_messages,
            lag_seconds: oldest.map_or(0.0, |oldest| oldest.elapsed().as_secs_f64()),
            reply_bytes: connection.waiting(),
            delivered: connection.delivered,
            missed: connection.missed,
        })
    }

    fn look_at_rights(&mut self, key: Key, now: Instant) {
        let Some(looked) = self.at_desk(key, |session, _, desk| session.look_at_rights(desk))
        else {
            return;
        };
        if let Err(reason) = looked {
            self.close(key, reason, now);
            if self
                .connections
                .get(key)
                .is_some_and(|connection| connection.session.is_hurried())
            {
                self.end(key, reason);
            }
        }
    }

    fn look_at_catalog(&mut self, key: Key) {
        self.at_desk(key, |_, _, desk| Session::look_at_catalog(desk));
    }

    fn receive(&mut self, key: Key, bytes: &[u8], now: Instant) {
        let received = self.at_desk(key, |session, parser, desk| {
            session.receive(bytes, parser, desk, now)
        });
        if let Some(Err(reason)) = received {
            self.close(key, reason, now);
        }
    }

    /// Lets a session that is not over act on its subscriptions, and has its replies sent.
    fn at_desk<T>(
        &mut self,
        key: Key,
        act: impl FnOnce(&mut Session, &mut Parser, &mut Desk<'_>) -> T,
    ) -> Option<T> {
        let connection = self.connections.get_mut(key)?;
        if connection.goodbye.is_some() {
            return None;
        }
        let before = self.log.subscriptions(key).len();
        let mut desk = Desk {
            log: &mut self.log,
            key,
            replies: &mut connection.aside,
            context: &self.context,
        };
        self.at_work = Some(key);
        let acted = act(&mut connection.session, &mut self.parser, &mut desk);
        self.at_work = None;
        let after = self.log.subscriptions(key).len();
        self.metrics
            .subscriptions
            .add(signed(after) - signed(before));
        self.queue(key);
        Some(acted)
    }

    /// Has the session flushed by itself, if it has something of its own to send.
    pub(super) fn queue(&mut self, key: Key) {
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

    /// Has the session read, if there is something to read and its replies are taken.
    pub(super) fn read_on(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let Flags {
            is_readable,
            is_reading,
            ..
        } = connection.flags;
        if is_readable && !is_reading && !connection.is_overfull() {
            connection.flags.is_reading = true;
            self.reading.push_back(key);
        }
    }

    /// Reads from some of those who have sent something; `false` where more have.
    fn read_some(&mut self, now: Instant) -> bool {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..self.reading.len().min(READS) {
            let Some(key) = self.reading.pop_front() else {
                break;
            };
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.flags.is_reading = false;
            let over = connection.goodbye.map(|goodbye| goodbye.reason);
            match connection.read(&mut buffer) {
                Ok(None) => connection.flags.is_readable = false,
                Ok(Some(0)) | Err(_) => self.end(key, over.unwrap_or(CloseReason::ClientLeft)),
                Ok(Some(bytes)) => {
                    connection.alive = now;
                    self.receive(key, &buffer[..bytes], now);
                    self.read_on(key);
                }
            }
        }
        self.buffer = buffer;
        self.reading.is_empty()
    }

    /// Begins the end of a session: what it is still to get, then a close frame.
    pub(super) fn close(&mut self, key: Key, reason: CloseReason, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.goodbye.is_some() {
            return;
        }
        if reason == CloseReason::SlowConsumer {
            let (messages, oldest) = self.log.lag(key);
            tracing::warn!(
                session = connection.id.0,
                key = connection.session.grant().key_id,
                address = %connection.remote,
                messages,
                lag = ?oldest.map(|oldest| oldest.elapsed()),
                reply_bytes = connection.waiting(),
                missed = connection.missed,
                "a slow client is cut"
            );
        }
        let until = match (reason, self.drains_until) {
            (CloseReason::Draining, Some(until)) => until,
            (CloseReason::SlowConsumer, _) => now + SLOW_PATIENCE,
            _ => now + CLOSE_PATIENCE,
        };
        connection.goodbye = Some(Goodbye {
            reason,
            until,
            is_said: false,
            is_told: false,
        });
        self.note_end(key, reason);
        if !reason.finishes() {
            let dropped = self.log.drop_pending(key);
            if reason == CloseReason::SlowConsumer {
                for (family, messages, _) in dropped {
                    self.families[usize::from(family.0)].note_cut(messages);
                }
            }
        }
        self.log.finish(key);
        if reason == CloseReason::DeadPeer {
            return self.end(key, reason);
        }
        self.queue(key);
        self.arm(key);
    }

    /// Counts that a session is over.
    fn note_end(&mut self, key: Key, reason: CloseReason) {
        tracing::debug!(reason = reason.label(), "session ends");
        self.metrics
            .closed
            .with_label_values(&[reason.label()])
            .inc();
        self.metrics
            .cuts
            .inc_by(u64::from(reason == CloseReason::SlowConsumer));
        self.metrics.connections.dec();
        self.metrics
            .subscriptions
            .sub(signed(self.log.subscriptions(key).len()));
    }

    /// Lets go of a session and its socket.
    pub(super) fn end(&mut self, key: Key, reason: CloseReason) {
        let Some(mut connection) = self.connections.remove(key) else {
            return;
        };
        if connection.goodbye.is_none() {
            self.note_end(key, reason);
        }
        connection.reset_unless_told(reason);
        // It is closed with the connection in any case.
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.metrics.reply_bytes.sub(signed(connection.counted));
        self.metrics
            .sessions_behind
            .sub(connection.flags.is_blocked.into());
        self.ids.remove(&connection.id);
        self.wheel.clear(key.0);
        self.log.leave(key);
    }

    fn leave_soon(&mut self, key: Key, now: Instant) {
        let over = self.context.limits.drain_time;
        if let Some(connection) = self.connections.get_mut(key) {
            connection.leaves = Some(now + spread(connection.id, over));
            self.arm(key);
        }
    }

    /// Sets when the session is to be looked at again.
    pub(super) fn arm(&mut self, key: Key) {
        if let Some(connection) = self.connections.get(key) {
            let deadline = connection.deadline(self.context.limits.stall_limit);
            self.wheel.set(key.0, deadline);
        }
    }

    fn pass_deadlines(&mut self, now: Instant) {
        let mut passed = Vec::new();
        self.wheel.advance(now, &mut passed);
        for key in passed.into_iter().map(Key) {
            self.look(key, now);
            self.arm(key);
        }
    }

    /// Does what is due for a session.
    fn look(&mut self, key: Key, now: Instant) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        let limits = &self.context.limits;
        let Some(due) = connection.due(now, limits.stall_limit) else {
            return;
        };
        match due {
            Due::Gone(reason) => self.end(key, reason),
            Due::Close(reason) => self.close(key, reason, now),
            Due::Ping => {
                connection.note_ping(now, limits.heartbeat_interval);
                connection.aside.extend_from_slice(&frame::ping());
                self.queue(key);
            }
        }
    }

    /// Lets go of what nobody needs, and of what is too old or too much.
    fn tidy(&mut self, now: Instant) {
        let is_thorough = now.duration_since(self.tidied) >= TIDY;
        self.log.settle(is_thorough);
        self.share.set(self.log.size());
        if is_thorough {
            self.tidied = now;
            let oldest = now.checked_sub(self.context.limits.lag_limit);
            let first = oldest.map_or(0, |oldest| self.log.first_since(oldest));
            self.trim(first);
        }
        while self.share.is_over() && !self.log.is_empty() {
            self.trim(self.log.first_of_next_segment());
        }
    }

    fn trim(&mut self, first: u64) {
        let mut behind = Vec::new();
        self.log.trim(first, &mut behind);
        for (key, missed) in behind {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.missed += missed;
            }
            self.metrics.missed.inc_by(missed);
            self.queue(key);
        }
        for (at, missed) in self.log.take_missed().into_iter().enumerate() {
            self.families[at].note_missed(missed);
        }
        self.share.set(self.log.size());
    }

    pub(super) fn count_replies(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            let waiting = connection.waiting();
            let before = std::mem::replace(&mut connection.counted, waiting);
            self.metrics
                .reply_bytes
                .add(signed(waiting) - signed(before));
        }
    }
}

/// A session's own share of `over`: consecutive sessions are spread evenly (multiples of the
/// golden ratio), so that neither heartbeats nor the ends of a drain come in a herd.
fn spread(id: SessionId, over: Duration) -> Duration {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let share = (id.0.wrapping_mul(GOLDEN) >> 11) as f64 / (1_u64 << 53) as f64;
    over.mul_f64(share)
}
