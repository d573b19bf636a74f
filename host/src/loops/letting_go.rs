//! What a loop lets go of: what nobody needs any more, and what is too old or too much, which
//! those who have not got it are to be told.

use std::time::{Duration, Instant};

use super::event_loop::Loop;
use crate::hub::log::trimming;

/// How often the loop looks for memory that it can let go, while somebody is behind.
pub(super) const TIDY: Duration = Duration::from_millis(100);

/// Lets go of what nobody needs, and of what is too old or too much.
pub(super) fn tidy(looped: &mut Loop, now: Instant) {
    let is_thorough = now.duration_since(looped.tidied) >= TIDY;
    trimming::settle(&mut looped.log, is_thorough);
    if looped.log.is_empty() {
        // No frame refers to these families any more, and a family that is gone must not be held.
        looped.families.clear();
    }
    looped.share.set(trimming::size(&looped.log));
    if is_thorough {
        looped.tidied = now;
        let oldest = now.checked_sub(looped.context.limits.lag_limit);
        let first = oldest.map_or(0, |oldest| trimming::first_since(&looped.log, oldest));
        trim(looped, first);
    }
    while looped.share.is_over() && !looped.log.is_empty() {
        trim(looped, looped.log.first_of_next_segment());
    }
}

fn trim(looped: &mut Loop, first: u64) {
    trimming::trim(&mut looped.log, first);
    note_passed(looped);
    looped.share.set(trimming::size(&looped.log));
}

/// Counts what sessions missed, and has them told.
pub(super) fn note_passed(looped: &mut Loop) {
    let passed = looped.log.take_passed();
    for (key, missed) in passed.sessions {
        if let Some(connection) = looped.connections.get_mut(key) {
            connection.missed += missed;
        }
        looped.metrics.stream.missed.inc_by(missed);
        looped.queue(key);
    }
    for (family, missed) in looped.families.iter().zip(passed.families) {
        family.note_missed(missed);
    }
    for (family, replaced) in looped.families.iter().zip(passed.replaced) {
        family.note_replaced(replaced);
    }
}
