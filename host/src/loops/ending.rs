//! What the clock asks of a session, and its end.

use std::time::{Duration, Instant};

use super::connection::{Connection, Due, Goodbye};
use super::event_loop::Loop;
use super::sending;
use crate::hub::frame;
use crate::hub::log::{SessionKey, changes};
use crate::metrics::Metrics;
use crate::session::{CLOSE_PATIENCE, CloseReason, Parser};

/// How long after the time of a drain its last session may take.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// The same as `CLOSE_PATIENCE` for a client that was cut because it did not read: its socket is
/// full, so that the close frame waits until it reads again.
const SLOW_PATIENCE: Duration = Duration::from_secs(5);

/// Begins the end of a session: what it is still to get, then a close frame.
pub(super) fn close(looped: &mut Loop, key: SessionKey, reason: CloseReason, now: Instant) {
    let Some(connection) = looped.connections.get_mut(key) else {
        return;
    };
    if connection.is_over() {
        return;
    }
    if reason == CloseReason::SlowConsumer {
        let (messages, oldest) = (looped.log.waiting(key), looped.log.oldest(key));
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
    let until = match (reason, looped.drains_since) {
        (CloseReason::Draining, Some(since)) => {
            since + looped.context.limits.drain_time + DRAIN_PATIENCE
        }
        (CloseReason::SlowConsumer, _) => now + SLOW_PATIENCE,
        _ => now + CLOSE_PATIENCE,
    };
    let goodbye = Goodbye {
        reason,
        until,
        is_said: false,
        is_told: false,
    };
    let was_leaving = connection.goodbye.replace(Box::new(goodbye)).is_some();
    if !was_leaving {
        note_end(&looped.metrics, reason);
    }
    if !reason.finishes() {
        let dropped = changes::stop(&mut looped.log, key);
        looped.count_subscriptions(key);
        if reason == CloseReason::SlowConsumer {
            for (family, messages, _) in dropped {
                looped.families[usize::from(family.0)].note_cut(messages);
            }
        }
    }
    if reason == CloseReason::DeadPeer {
        return end(looped, key, reason);
    }
    looped.queue(key);
    looped.arm(key);
}

/// Counts that a session is over.
fn note_end(metrics: &Metrics, reason: CloseReason) {
    tracing::debug!(reason = reason.label(), "session ends");
    metrics.closed.with_label_values(&[reason.label()]).inc();
    metrics
        .stream
        .cuts
        .inc_by(u64::from(reason == CloseReason::SlowConsumer));
    metrics.connections.dec();
}

/// Lets go of a session and its socket.
pub(super) fn end(looped: &mut Loop, key: SessionKey, reason: CloseReason) {
    if let Some(connection) = looped.connections.remove(key) {
        looped.ids.remove(&connection.id);
        looped.wheel.clear(key.0);
        let_go(looped, connection, reason);
        looped.log.leave(key);
    }
}

fn let_go(looped: &Loop, mut connection: Connection, reason: CloseReason) {
    let metrics = &looped.metrics;
    if connection.goodbye.is_none() {
        note_end(metrics, reason);
    }
    looped.context.usage.note(connection.take_usage());
    connection.reset_unless_told(reason);
    metrics.subscriptions.sub(connection.subscriptions.into());
    // It is closed with the connection in any case.
    let _ = looped.poll.registry().deregister(&mut connection.socket);
    metrics.stream.reply_bytes.sub(connection.counted.into());
    metrics
        .stream
        .sessions_behind
        .sub(connection.flags.is_blocked.into());
}

/// A panic over a session ends that session only.
///
/// # Panics
/// If it left the log changed halfway, which is all sessions' own.
pub(super) fn fail(looped: &mut Loop, key: SessionKey) {
    looped.metrics.stream.session_panics.inc();
    looped.parser = Parser::new(looped.context.limits.max_message_size);
    assert!(
        looped.log.is_sound(),
        "a panic left the log changed halfway"
    );
    end(looped, key, CloseReason::ClientLeft);
}

/// After a panic that was not over one session, nobody knows what was done by half. All sessions
/// end, so that none is short of something without knowing; their clients come back.
pub(super) fn end_all(looped: &mut Loop) {
    for key in looped.connections.keys().collect::<Vec<_>>() {
        if let Some(connection) = looped.connections.remove(key) {
            looped.wheel.clear(key.0);
            let_go(looped, connection, CloseReason::ClientLeft);
        }
    }
    looped.ids.clear();
    looped.queue.clear();
    looped.reading.clear();
    looped.parser = Parser::new(looped.context.limits.max_message_size);
    looped.log.clear();
    // The rest of what was taken is published, so that sessions to come find it noted.
    while !looped.publish() {}
}

/// Does what is due for a session.
fn look(looped: &mut Loop, key: SessionKey, now: Instant) {
    let next_ping = looped.beat(now + looped.context.limits.heartbeat_interval);
    let stall_limit = looped.context.limits.stall_limit;
    sending::retry(looped, key, now);
    let leaves = looped.leaves(key);
    let Some(connection) = looped.connections.get_mut(key) else {
        return;
    };
    let Some(due) = connection.due(now, stall_limit, leaves) else {
        return;
    };
    match due {
        Due::Gone(reason) => end(looped, key, reason),
        Due::Close(reason) => close(looped, key, reason, now),
        Due::Ping => {
            connection.note_ping(next_ping);
            connection.aside.extend_from_slice(&frame::ping());
            looped.queue(key);
        }
    }
}

pub(super) fn pass_deadlines(looped: &mut Loop, now: Instant) {
    let mut passed = Vec::new();
    looped.wheel.advance(now, &mut passed);
    for key in passed.into_iter().map(SessionKey) {
        look(looped, key, now);
        looped.arm(key);
    }
}
