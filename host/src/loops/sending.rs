//! From the log into sockets: many sessions at once where they stand at the same place, and one
//! by one those that are behind or have something of their own to send.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::connection::{Connection, Wrote};
use super::event_loop::Loop;
use super::{ending, reading};
use crate::hub::log::telling::{self, MissedReport};
use crate::hub::log::{SendPlan, SessionKey, ViewId, changes};
use crate::session::CloseReason;

/// Slices of one write; Linux takes up to 1,024.
const MAX_SLICES: usize = 1024;

/// Bytes of one write: a socket seldom takes more at once.
const MAX_BYTES: usize = 1 << 20;

/// After so many sends the loop looks for what else there is to do: about a millisecond.
const SENDS: usize = 256;

/// So many bytes count as a further send, so that large ones take no longer.
const SEND_BYTES: usize = 32 << 10;

/// So many messages that are stepped over, because newer ones replace them, count as a send.
const STEPS: usize = SEND_BYTES / STEP_BYTES;
const STEP_BYTES: usize = 32;

/// To look at a channel for its last message costs as much as so many bytes.
const LOOK_BYTES: usize = 1 << 10;

/// After so many bytes the loop goes on to another session.
const FLUSH_BYTES: usize = 1 << 20;

/// Of so many sends one is timed from the receipt of its event: a look at the clock for each
/// would be felt.
const TIMED: u32 = 8;

/// How far a session was flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushed {
    /// It has all there is.
    Done,
    Blocked,
    /// It could take more.
    Again,
    Failed,
}

/// Sends what the ready members of the views have not got; `false` where that is not all of it.
pub(super) fn flush_views(looped: &mut Loop, now: Instant) -> bool {
    let mut sends = 0;
    while let Some(view) = looped.log.next_view() {
        if sends >= SENDS || looped.inbox.is_urgent() {
            return false;
        }
        let mut keys = std::mem::take(&mut looped.keys);
        looped.log.take_due(view, SENDS, &mut keys);
        let sent = flush_members(looped, view, &keys, now);
        looped.keys = keys;
        looped.sends += sent;
        sends += sent;
    }
    true
}

/// Sends to members of one view, as long as none stands elsewhere than the one before with one
/// plan. Gives the number of sends.
fn flush_members(looped: &mut Loop, view: ViewId, keys: &[SessionKey], now: Instant) -> usize {
    let mut plan = SendPlan::default();
    let mut sends = 0;
    let mut rest = keys;
    while let Some(first) = rest.first() {
        let Some(position) = looped.log.position(*first, view) else {
            rest = &rest[1..];
            continue;
        };
        looped
            .log
            .plan(view, position, (MAX_SLICES, MAX_BYTES), &mut plan);
        if plan.frames == 0 {
            rest = &rest[1..];
            continue;
        }
        let here = rest
            .iter()
            .take_while(|key| looped.log.position(**key, view) == Some(position));
        let weight = 1 + plan.bytes / SEND_BYTES;
        let most = (SENDS.saturating_sub(sends) / weight).max(1);
        let (here, after) = rest.split_at(here.count().min(most));
        // The view may be gone once its last member has left it, so this is looked up before.
        let has_more = !looped.log.is_end(view, position + plan.frames as u64);
        let sent = match plan.bytes {
            0 => vec![Wrote::Bytes(0); here.len()],
            _ => send_to_all(looped, here, &plan),
        };
        note_sent(looped, here, &sent, &plan, now);
        sends += sent.len() * weight + plan.stepped_over() / STEPS;
        let is_cut_short = sent.len() < here.len() || (sends >= SENDS && !after.is_empty());
        if is_cut_short {
            let unserved = here.len() - sent.len() + after.len();
            looped.log.make_due(view, unserved);
        } else if has_more {
            looped.log.make_due(view, 0);
        }
        // An order has come, or it is time for something else.
        if is_cut_short {
            return sends;
        }
        rest = after;
    }
    sends
}

/// Writes the same to each; ends early where an order has come.
fn send_to_all(looped: &mut Loop, keys: &[SessionKey], plan: &SendPlan) -> Vec<Wrote> {
    let Loop {
        log,
        connections,
        inbox,
        ..
    } = looped;
    let slices = log.slices(&plan.runs);
    let mut sent = Vec::with_capacity(keys.len());
    for key in keys {
        if inbox.is_urgent() {
            break;
        }
        let connection = connections.get_mut(*key);
        let wrote = connection.map(|connection| connection.write_slices(&slices));
        sent.push(wrote.unwrap_or(Wrote::Failed));
    }
    sent
}

fn note_sent(
    looped: &mut Loop,
    keys: &[SessionKey],
    sent: &[Wrote],
    plan: &SendPlan,
    now: Instant,
) {
    let (mut whole, messages, size) = (0, plan.messages(), plan.message_bytes());
    for (key, wrote) in keys.iter().zip(sent) {
        match *wrote {
            Wrote::Bytes(bytes) if bytes == plan.bytes => {
                looped.log.advance(*key, plan.frames);
                looped.connections[*key].note_delivered(messages, size);
                whole += 1;
            }
            Wrote::Bytes(bytes) => {
                take_bytes(looped, *key, bytes);
                set_blocked(looped, *key, now);
            }
            Wrote::Full => set_blocked(looped, *key, now),
            Wrote::Failed => ending::end(looped, *key, CloseReason::ClientLeft),
        }
    }
    looped.count_delivered(plan, whole);
    time(looped, plan, whole);
}

fn time(looped: &mut Loop, plan: &SendPlan, sends: u64) {
    looped.untimed += u32::try_from(sends).unwrap_or(u32::MAX);
    if looped.untimed < TIMED {
        return;
    }
    let timed = looped.untimed / TIMED;
    looped.untimed %= TIMED;
    let (Some(first), Some((family, ..))) = (plan.first, plan.families.first()) else {
        return;
    };
    let delay = looped.log.since(first).elapsed();
    (0..timed).for_each(|_| looped.families[usize::from(family.0)].note_delay(delay));
}

/// The session took a part of what comes next for it.
fn take_bytes(looped: &mut Loop, key: SessionKey, bytes: usize) {
    let connection = &mut looped.connections[key];
    let taken = looped.log.advance_bytes(key, bytes, &mut connection.aside);
    connection.note_delivered(taken.messages(), taken.message_bytes());
    looped.count_delivered(&taken, 1);
    time(looped, &taken, 1);
}

fn set_blocked(looped: &mut Loop, key: SessionKey, now: Instant) {
    looped.log.set_apart(key);
    looped.connections[key].note_full(now);
    looped.metrics.stream.sessions_behind.inc();
    looped.count_replies(key);
    looped.arm(key);
}

/// Lets sessions that have something of their own send it; `false` where some could go on.
pub(super) fn flush_queued(looped: &mut Loop, now: Instant) -> bool {
    let mut sends = 0;
    for _ in 0..looped.queue.len() {
        if looped.inbox.is_urgent() || sends >= SENDS {
            break;
        }
        let Some(key) = looped.queue.pop_front() else {
            break;
        };
        let Some(connection) = looped.connections.get_mut(key) else {
            continue;
        };
        connection.flags.is_queued = false;
        if !connection.flags.is_blocked {
            sends += 1 + flush_one(looped, key, now) / SEND_BYTES;
        }
    }
    looped.queue.is_empty()
}

/// Tries once more to send to a session that takes no more. The kernel tells of room only when
/// there is a good deal of it, and a client that takes a little at a time is no stalled one.
pub(super) fn retry(looped: &mut Loop, key: SessionKey, now: Instant) {
    let Some(connection) = looped.connections.get_mut(key) else {
        return;
    };
    if std::mem::take(&mut connection.flags.is_blocked) {
        looped.metrics.stream.sessions_behind.dec();
        flush_one(looped, key, now);
    }
}

/// Flushes a session, ends it where that fails, and says how many bytes it took.
fn flush_one(looped: &mut Loop, key: SessionKey, now: Instant) -> usize {
    let flushed = catch_unwind(AssertUnwindSafe(|| flush(looped, key)));
    let Ok((flushed, bytes)) = flushed else {
        ending::fail(looped, key);
        return 0;
    };
    match flushed {
        Flushed::Done => {}
        Flushed::Blocked => set_blocked(looped, key, now),
        Flushed::Again => looped.queue(key),
        Flushed::Failed => {
            let goodbye = &looped.connections[key].goodbye;
            let reason = goodbye.as_ref().map(|goodbye| goodbye.reason);
            ending::end(looped, key, reason.unwrap_or(CloseReason::ClientLeft));
        }
    }
    looped.count_replies(key);
    reading::read_on(looped, key);
    bytes
}

/// Sends one session what is aside, then what it is to be told, then the log. Gives the bytes
/// that it took, too.
fn flush(looped: &mut Loop, key: SessionKey) -> (Flushed, usize) {
    let mut plan = SendPlan::default();
    let mut taken = 0;
    while taken < FLUSH_BYTES {
        let connection = &mut looped.connections[key];
        if connection.waiting() > 0 {
            let before = connection.waiting();
            match connection.write_aside() {
                Wrote::Bytes(bytes) => {
                    connection.note_progress();
                    if bytes < before {
                        return (Flushed::Blocked, taken);
                    }
                    taken += bytes;
                }
                Wrote::Full => return (Flushed::Blocked, taken),
                Wrote::Failed => return (Flushed::Failed, taken),
            }
            continue;
        }
        let report = telling::write_missed(&mut looped.log, key, &mut connection.aside);
        note_missed(looped, key, &report);
        let connection = &mut looped.connections[key];
        taken += report.looks * LOOK_BYTES;
        if report.has_more || connection.waiting() > 0 {
            continue;
        }
        looped.log.plan_for(key, (MAX_SLICES, MAX_BYTES), &mut plan);
        if plan.frames == 0 {
            if connection.goodbye.is_none() {
                looped.log.set_ready(key);
                return (Flushed::Done, taken);
            }
            // After the close frame nothing may follow.
            changes::stop(&mut looped.log, key);
            if say_goodbye(connection) {
                continue;
            }
            looped.count_subscriptions(key);
            return (Flushed::Done, taken);
        }
        if plan.bytes == 0 {
            looped.log.advance(key, plan.frames);
            looped.count_delivered(&plan, 1);
            taken += plan.stepped_over() * STEP_BYTES;
            continue;
        }
        match connection.write_slices(&looped.log.slices(&plan.runs)) {
            Wrote::Bytes(bytes) => {
                connection.note_progress();
                take_bytes(looped, key, bytes);
                if bytes < plan.bytes {
                    return (Flushed::Blocked, taken);
                }
                taken += bytes;
            }
            Wrote::Full => return (Flushed::Blocked, taken),
            Wrote::Failed => return (Flushed::Failed, taken),
        }
    }
    (Flushed::Again, taken)
}

/// Puts the close frame aside, once everything before it has gone; then shuts the socket.
/// `false` where there is nothing more to send.
fn say_goodbye(connection: &mut Connection) -> bool {
    let Some(goodbye) = &mut connection.goodbye else {
        return false;
    };
    if !goodbye.is_said {
        goodbye.is_said = true;
        if let Some(frame) = goodbye.reason.frame() {
            connection.aside.extend_from_slice(&frame);
            return true;
        }
    }
    if !goodbye.is_told {
        goodbye.is_told = true;
        connection.shut();
    }
    false
}

/// Counts what a session was told of what it had missed.
fn note_missed(looped: &mut Loop, key: SessionKey, report: &MissedReport) {
    looped.gaps.inc_by(report.gaps);
    let connection = &mut looped.connections[key];
    let bytes = report.held.iter().map(|held| held.bytes()).sum();
    connection.note_delivered(report.held.len() as u64, bytes);
    looped
        .metrics
        .stream
        .deliveries
        .inc_by(report.held.len() as u64);
    for held in &report.held {
        held.note_given();
    }
    let family = |channel| {
        let family = looped.log.channel(channel).as_pattern().family();
        looped.metrics.family(family)
    };
    for (channel, messages) in &report.missed {
        connection.missed += messages;
        looped.metrics.stream.missed.inc_by(*messages);
        family(*channel).note_missed(*messages);
    }
    for (channel, messages) in &report.replaced {
        family(*channel).note_replaced(*messages);
    }
}

impl Loop {
    fn count_delivered(&self, plan: &SendPlan, sessions: u64) {
        for (family, messages, bytes) in &plan.families {
            let family = &self.families[usize::from(family.0)];
            family.note_sent(messages * sessions, bytes * sessions);
            self.metrics.stream.deliveries.inc_by(messages * sessions);
        }
        for (family, messages) in &plan.replaced {
            self.families[usize::from(family.0)].note_replaced(messages * sessions);
        }
        for (family, messages) in &plan.passed {
            self.families[usize::from(family.0)].note_missed(messages * sessions);
            self.metrics.stream.missed.inc_by(messages * sessions);
            self.gaps.inc_by(sessions);
        }
    }
}
