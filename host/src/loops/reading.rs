//! What clients send: read, acted upon by their sessions, and answered.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::connection::{Connection, ConnectionFlags};
use super::event_loop::Loop;
use super::{ending, letting_go};
use crate::hub::log::SessionKey;
use crate::session::{CloseReason, Parser, Responder, Session};

/// Bytes that are read of one client before another is read: some thirty requests.
const READ: usize = 4 << 10;

/// The same for a client with so many messages waiting that a request of it, which may look at
/// all of them, takes milliseconds.
const READ_BEHIND: usize = 256;
const FAR_BEHIND: usize = 1_000;

/// Clients that are read before the loop looks for what else there is to do.
const READS: usize = 64;

pub(super) fn receive(looped: &mut Loop, key: SessionKey, bytes: &[u8], now: Instant) {
    let connection = looped.connections.get(key);
    if connection.is_none_or(|connection| connection.goodbye.is_some()) {
        return;
    }
    let received = respond(looped, key, |session, parser, responder| {
        session.receive(bytes, parser, responder, now)
    });
    if let Some(Err(reason)) = received {
        ending::close(looped, key, reason, now);
    }
    answer(looped, key);
}

/// Goes on with requests of the session that wait for the relay, as far as it brings what they ask
/// for. What is known of their channels is published before.
pub(super) fn answer(looped: &mut Loop, key: SessionKey) {
    let is_over = |connection: &Connection| connection.goodbye.is_some();
    while let Some(connection) = looped.connections.get(key)
        && connection.session.is_waiting()
        && !is_over(connection)
    {
        let looked = respond(looped, key, |session, _, responder| {
            session.is_brought(responder)
        });
        if looked != Some(Some(true)) {
            looped.unanswered.push(key);
            return;
        }
        while !looped.publish() {}
        respond(looped, key, |session, _, responder| {
            session.go_on(responder)
        });
    }
    read_on(looped, key);
}

/// Lets a session that is not over act on its subscriptions, and has its replies sent. A panic
/// over it ends it.
fn respond<T>(
    looped: &mut Loop,
    key: SessionKey,
    act: impl FnOnce(&mut Session, &mut Parser, &mut Responder<'_>) -> T,
) -> Option<T> {
    let connection = looped.connections.get_mut(key)?;
    if connection.is_over() {
        return None;
    }
    let mut responder = Responder {
        log: &mut looped.log,
        key,
        replies: &mut connection.aside,
        context: &looped.context,
    };
    let (session, parser) = (&mut connection.session, &mut looped.parser);
    let acted = catch_unwind(AssertUnwindSafe(|| act(session, parser, &mut responder)));
    let Ok(acted) = acted else {
        ending::fail(looped, key);
        return None;
    };
    looped.count_subscriptions(key);
    letting_go::note_passed(looped);
    looped.count_replies(key);
    looped.queue(key);
    Some(acted)
}

/// Has the session read, if there is something to read and its replies are taken.
pub(super) fn read_on(looped: &mut Loop, key: SessionKey) {
    let Some(connection) = looped.connections.get_mut(key) else {
        return;
    };
    let ConnectionFlags {
        is_readable,
        is_reading,
        ..
    } = connection.flags;
    if is_readable && !is_reading && !connection.is_overfull() && !connection.session.is_waiting() {
        connection.flags.is_reading = true;
        looped.reading.push_back(key);
    }
}

/// Reads from some of those who have sent something; `false` where more have.
pub(super) fn read_some(looped: &mut Loop, now: Instant) -> bool {
    let mut buffer = std::mem::take(&mut looped.buffer);
    // A panic may have lost it.
    buffer.resize(READ, 0);
    for _ in 0..looped.reading.len().min(READS) {
        let Some(key) = looped.reading.pop_front() else {
            break;
        };
        let Some(connection) = looped.connections.get_mut(key) else {
            continue;
        };
        connection.flags.is_reading = false;
        let is_far_behind = looped.log.waiting(key) > FAR_BEHIND;
        let most = if is_far_behind { READ_BEHIND } else { READ };
        let over = connection.goodbye.as_ref().map(|goodbye| goodbye.reason);
        match connection.read(&mut buffer[..most]) {
            Ok(None) => connection.flags.is_readable = false,
            Ok(Some(0)) | Err(_) => {
                ending::end(looped, key, over.unwrap_or(CloseReason::ClientLeft))
            }
            Ok(Some(bytes)) => {
                connection.flags.is_silent = false;
                receive(looped, key, &buffer[..bytes], now);
                read_on(looped, key);
            }
        }
    }
    looped.buffer = buffer;
    looped.reading.is_empty()
}

pub(super) fn look_at_rights(looped: &mut Loop, key: SessionKey, now: Instant) {
    let looked = respond(looped, key, |session, _, responder| {
        session.look_at_rights(responder)
    });
    if let Some(Err(reason)) = looked {
        ending::close(looped, key, reason, now);
    }
    let connection = looped.connections.get(key);
    if connection
        .is_some_and(|connection| connection.goodbye.is_some() && connection.session.is_hurried())
    {
        ending::end(looped, key, CloseReason::Replaced);
    }
}

pub(super) fn look_at_catalog(looped: &mut Loop, key: SessionKey) {
    respond(looped, key, |_, _, responder| {
        Session::look_at_catalog(responder)
    });
}
