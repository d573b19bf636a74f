//! What a session is told: which frames, what it missed, and from which number on it goes on.

use std::collections::HashMap;

use super::{ChannelId, Key, Log, PatternId, What};
use crate::channel::Pattern;
use crate::hub::frame;
use crate::hub::notice::{self, Reason};

/// Writes the frames that tell a session what it missed, and how many gaps they are.
pub(crate) fn write_missed(log: &mut Log, key: Key, out: &mut Vec<u8>) -> u64 {
    let Some(missed) = log.cursors.get_mut(key).missed.take() else {
        return 0;
    };
    log.missed_size -= missed.size();
    let mut gaps = 0;
    let mut write = |text: serde_json::Value| frame::write_text(&[&text.to_string()], out);
    for (channel, (from, to)) in &missed.channels {
        let name = log.channels.name(*channel).as_str();
        write(notice::gap(name, *from, *to, Reason::Slow));
        gaps += 1;
    }
    for (pattern, count) in &missed.patterns {
        let (pattern, count) = (pattern.as_str(), Some(*count));
        write(notice::gap_somewhere(pattern, count, Reason::Slow));
        gaps += 1;
    }
    for (pattern, reason) in &missed.losses {
        write(notice::gap_somewhere(pattern.as_str(), None, *reason));
    }
    for pattern in &missed.states {
        let state = log.state(pattern.family());
        write(notice::status(pattern.as_str(), state));
    }
    gaps
}

/// Whether a session with these patterns gets a frame. What it finds of channels is `known` to
/// the next, as many frames may wait.
pub(super) fn concerns(
    log: &Log,
    number: u64,
    patterns: &[PatternId],
    known: &mut HashMap<ChannelId, bool>,
) -> bool {
    let views = &log.cursors.views;
    match &log.arena.frame(number).what {
        What::Message { channel, .. } | What::Passed { channel, .. } => {
            let name = log.channels.name(*channel);
            let is_matched = || views.first_match(name, patterns).is_some();
            *known.entry(*channel).or_insert_with(is_matched)
        }
        What::Notice(pattern, _) => {
            let id = views.find(pattern.as_str());
            id.is_some_and(|id| patterns.binary_search(&id).is_ok())
        }
    }
}

/// Forgets what the session missed of what it does not hold any more.
pub(super) fn forget_missed(log: &mut Log, key: Key) {
    let Some(mut missed) = log.cursors.get_mut(key).missed.take() else {
        return;
    };
    log.missed_size -= missed.size();
    let (views, patterns) = (&log.cursors.views, log.subscriptions(key));
    let held = || patterns.iter().map(|id| views.pattern(*id));
    missed.keep(
        |channel| {
            let name = log.channels.name(channel);
            views.first_match(name, patterns).is_some()
        },
        |pattern| log.holds(key, pattern),
        |pattern| held().find(|held| held.overlaps(pattern)).cloned(),
    );
    log.missed_size += missed.size();
    log.cursors.get_mut(key).missed = Some(missed).filter(|missed| !missed.is_empty());
}

/// The first number of each channel that the session is still to get, or to be told that it
/// missed. Looks at all that waits for it.
fn first_owed(log: &Log, key: Key) -> HashMap<ChannelId, u64> {
    let missed = log.cursors.get(key).missed.iter();
    let missed = missed.flat_map(|missed| missed.channels.iter());
    let mut first: HashMap<ChannelId, u64> = missed
        .map(|(channel, (from, _))| (*channel, *from))
        .collect();
    for number in log.cursors.pending(key) {
        match log.arena.frame(number).what {
            What::Message { channel, seq, .. } => first.entry(channel).or_insert(seq),
            What::Passed { channel, range, .. } => first.entry(channel).or_insert(range.0),
            What::Notice(..) => continue,
        };
    }
    first
}

/// For each channel, the number before the first that the session is still to get: what was
/// published last, unless the session is behind and held the channel before.
pub(crate) fn seqs(log: &Log, key: Key, channels: &[&Pattern]) -> Vec<u64> {
    let is_behind = log.cursors.waiting(key) > 0 || log.cursors.get(key).missed.is_some();
    let owed = if is_behind {
        first_owed(log, key)
    } else {
        HashMap::new()
    };
    let seq = |channel: &&Pattern| {
        let (id, last) = log.channels.find(channel.as_str())?;
        Some(owed.get(&id).map_or(last, |first| first - 1))
    };
    channels
        .iter()
        .map(|channel| seq(channel).unwrap_or_default())
        .collect()
}
