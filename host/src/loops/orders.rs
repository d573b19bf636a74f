//! What reaches sessions from elsewhere: other rights, other channels, the end of the host, and
//! what an operator asks.

use std::time::Instant;

use jiff::Timestamp;

use super::event_loop::Loop;
use super::{ending, reading};
use crate::hub::log::{SessionKey, relayed};
use crate::hub::{Listed, LoopOrder};
use crate::session::CloseReason;

/// Follows what an operator, a changed file or the end of the host asks for.
pub(super) fn follow(looped: &mut Loop, order: LoopOrder, now: Instant) {
    match order {
        LoopOrder::Rights => for_each(looped, |looped, key| {
            reading::look_at_rights(looped, key, now)
        }),
        LoopOrder::Catalog => for_each(looped, reading::look_at_catalog),
        LoopOrder::Drain => {
            looped.drains_since = Some(now);
            for_each(looped, |looped, key| looped.arm(key));
        }
        LoopOrder::Replaced(id) => {
            if let Some(key) = looped.ids.get(&id).copied() {
                reading::look_at_rights(looped, key, now);
            }
        }
        LoopOrder::Close(id, answer) => {
            let live = looped
                .ids
                .get(&id)
                .copied()
                .and_then(|key| Some((key, listed(looped, key)?)));
            if let Some((key, listed)) = live {
                ending::close(looped, key, CloseReason::ClosedByOperator, now);
                // Whoever asked may have left.
                let _ = answer.send(listed);
            }
        }
        LoopOrder::List(answer) => {
            let keys = looped.connections.keys();
            let _ = answer.send(keys.filter_map(|key| listed(looped, key)).collect());
        }
        LoopOrder::Count(answer) => {
            let usage = looped.context.usage.clone();
            usage.note(looped.connections.take_usage());
            let _ = answer.send(());
        }
        LoopOrder::Patterns(answer) => {
            // Whoever asked may have left.
            let _ = answer.send(relayed::patterns(&looped.log));
        }
        LoopOrder::Answer => {
            for key in std::mem::take(&mut looped.unanswered) {
                reading::answer(looped, key);
            }
        }
        LoopOrder::Renumbered => for_each(looped, |looped, key| {
            ending::close(looped, key, CloseReason::Renumbered, now);
        }),
        #[cfg(test)]
        LoopOrder::Poison => panic!("as asked"),
    }
}

fn for_each(looped: &mut Loop, mut visit: impl FnMut(&mut Loop, SessionKey)) {
    for key in looped.connections.keys().collect::<Vec<_>>() {
        visit(looped, key);
    }
}

/// A live session as operators see it; none where it is over.
fn listed(looped: &Loop, key: SessionKey) -> Option<Listed> {
    let connection = looped
        .connections
        .get(key)
        .filter(|connection| connection.goodbye.is_none())?;
    let grant = connection.session.grant();
    let oldest = looped.log.oldest(key);
    Some(Listed {
        id: connection.id.0,
        remote: connection.remote,
        key_id: grant.key_id.clone(),
        key_name: grant.key_name.clone(),
        since: Timestamp::from_second(connection.since).unwrap_or_default(),
        subscriptions: looped.log.subscriptions(key).len(),
        waiting_messages: looped.log.waiting(key),
        lag_seconds: oldest.map_or(0.0, |oldest| oldest.elapsed().as_secs_f64()),
        reply_bytes: connection.waiting(),
        delivered: connection.delivered,
        missed: connection.missed,
    })
}
