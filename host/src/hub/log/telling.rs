//! What a session is told: which frames, what it missed, and from which number on it goes on.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::channels::LastMessage;
use super::missed::{MOST_HAD, Missed, Owed, Snapshot};
use super::{ChannelId, FrameContent, Log, PatternId, SessionKey};
use crate::channel::{Channel, Pattern};
use crate::hub::frame;
use crate::hub::held::HeldMessage;
use crate::hub::notice::{self, Reason};

/// So many bytes of last messages, or one frame, are written at once, and so many channels are
/// looked at for them.
pub(super) const PIECE: usize = if cfg!(test) { 100 } else { 8 << 10 };
pub(super) const LOOKS: usize = if cfg!(test) { 3 } else { 1_024 };

/// What a session was told.
#[derive(Debug, Default)]
pub(crate) struct MissedReport {
    pub(crate) gaps: u64,
    /// The last messages that it was given.
    pub(crate) held: Vec<Arc<HeldMessage>>,
    /// Of channels whose last message was owed: how many messages are missed after all, and how
    /// many are replaced.
    pub(crate) missed: Vec<(ChannelId, u64)>,
    pub(crate) replaced: Vec<(ChannelId, u64)>,
    /// The rest is to be told before anything newer, too.
    pub(crate) has_more: bool,
    /// Channels that were looked at for last messages.
    pub(crate) looks: usize,
}

/// Writes the frames that tell a session what it missed, then the last messages that it is
/// owed: a piece of them.
pub(crate) fn write_missed(log: &mut Log, key: SessionKey, out: &mut Vec<u8>) -> MissedReport {
    let mut report = MissedReport::default();
    let Some(mut missed) = log.cursors.get_mut(key).missed.take() else {
        return report;
    };
    log.missed_size -= missed.size();
    write_gaps(log, &mut missed, out, &mut report);
    while out.len() < PIECE && report.looks < LOOKS {
        report.looks += 1;
        if let Some(owed) = missed.owed.pop_first() {
            write_owed(log, key, owed, out, &mut report);
        } else if missed.snapshots.is_empty() {
            break;
        } else if let Some((held, frame)) = next_of_snapshot(log, key, &mut missed) {
            out.extend_from_slice(frame);
            report.held.push(held.clone());
        }
    }
    if !missed.is_empty() {
        report.has_more = true;
        log.missed_size += missed.size();
        log.cursors.get_mut(key).missed = Some(missed);
    }
    report
}

fn write_gaps(log: &Log, missed: &mut Missed, out: &mut Vec<u8>, report: &mut MissedReport) {
    let mut write = |text: serde_json::Value| frame::write_text(&[&text.to_string()], out);
    for (channel, (from, to)) in std::mem::take(&mut missed.channels) {
        let name = log.channels.name(channel).as_str();
        write(notice::gap(name, from, to, Reason::Slow));
        report.gaps += 1;
    }
    for (pattern, count) in std::mem::take(&mut missed.patterns) {
        let (pattern, count) = (pattern.as_str(), Some(count));
        write(notice::gap_somewhere(pattern, count, Reason::Slow));
        report.gaps += 1;
    }
    for (pattern, reason) in std::mem::take(&mut missed.losses) {
        write(notice::gap_somewhere(pattern.as_str(), None, reason));
    }
    for pattern in std::mem::take(&mut missed.states) {
        let state = log.state(pattern.family());
        write(notice::status(pattern.as_str(), state));
    }
}

/// The last message takes the place of what was missed. If a newer one waits in the log, that
/// does; if it is held no more, the gap is told.
fn write_owed(
    log: &Log,
    key: SessionKey,
    (channel, owed): (ChannelId, Owed),
    out: &mut Vec<u8>,
    report: &mut MissedReport,
) {
    let (from, to) = owed.range;
    let last = log.channels.last_message(channel);
    let kept = last.filter(|kept| kept.delivery.is_latest);
    if kept.is_some_and(|kept| is_pending(log, key, kept)) {
        report.replaced.push((channel, owed.count));
        return;
    }
    let again = kept.and_then(LastMessage::again);
    match again.filter(|(held, _)| held.seq >= to) {
        Some((held, frame)) => {
            out.extend_from_slice(frame);
            report.held.push(held.clone());
            if owed.count > 1 {
                report.replaced.push((channel, owed.count - 1));
            }
        }
        None => {
            let name = log.channels.name(channel).as_str();
            let gap = notice::gap(name, from, to, Reason::Slow);
            frame::write_text(&[&gap.to_string()], out);
            report.gaps += 1;
            report.missed.push((channel, owed.count));
        }
    }
}

/// Whether the channel's last message waits in the log for the session.
fn is_pending(log: &Log, key: SessionKey, kept: &LastMessage) -> bool {
    kept.frame
        .is_some_and(|frame| log.cursors.is_pending(key, frame))
}

/// Whoever has just subscribed is owed the last message of each channel that it did not have
/// before.
pub(super) fn owe_snapshots(log: &mut Log, key: SessionKey, patterns: &[Pattern]) {
    let channels = &log.channels;
    let moment = channels.moment();
    let of_use = patterns
        .iter()
        .filter(|pattern| !channels.of_family(pattern.family()).is_empty());
    let snapshots = of_use.map(|pattern| Snapshot::new(pattern.clone(), moment));
    let snapshots: Vec<Snapshot> = snapshots.collect();
    if snapshots.is_empty() {
        return;
    }
    let mut missed = log.cursors.get_mut(key).missed.take().unwrap_or_default();
    log.missed_size -= missed.size();
    missed.snapshots.extend(snapshots);
    log.missed_size += missed.size();
    log.cursors.get_mut(key).missed = Some(missed);
    log.cursors.set_apart(key);
}

/// Looks at one channel of the first subscription whose last messages are to be given.
fn next_of_snapshot<'a>(
    log: &'a Log,
    key: SessionKey,
    missed: &mut Missed,
) -> Option<(&'a Arc<HeldMessage>, &'a [u8])> {
    let snapshot = missed.snapshots.front_mut()?;
    let channel = if snapshot.pattern.has_wildcard() {
        let of_family = log.channels.of_family(snapshot.pattern.family());
        let channel = of_family.get(snapshot.next).copied();
        snapshot.next += 1;
        channel
    } else {
        let known = log.channels.find(snapshot.pattern.as_str());
        let is_first = std::mem::replace(&mut snapshot.next, usize::MAX) == 0;
        known.filter(|_| is_first).map(|(channel, _)| channel)
    };
    let Some(channel) = channel else {
        missed.snapshots.pop_front();
        return None;
    };
    let snapshot = missed.snapshots.front()?;
    let name = log.channels.name(channel);
    let kept = log.channels.last_message(channel)?;
    let is_given = kept.delivery.has_snapshot
        && snapshot.has(name.as_pattern(), kept.place, kept.moment)
        && !had_before(log, key, name, &missed.snapshots);
    is_given.then(|| kept.again()).flatten()
}

/// Whether the session has the channel by a subscription whose last messages were given already,
/// or that came before these.
fn had_before(log: &Log, key: SessionKey, name: &Channel, snapshots: &VecDeque<Snapshot>) -> bool {
    let (views, patterns) = (&log.cursors.views, log.subscriptions(key));
    let mut had = false;
    name.for_each_pattern(|pattern| {
        let id = views.find(pattern);
        had |= id.is_some_and(|id| patterns.binary_search(&id).is_ok())
            && snapshots
                .iter()
                .all(|snapshot| snapshot.pattern.as_str() != pattern);
    });
    had
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
        FrameContent::Message { channel, .. } | FrameContent::Passed { channel, .. } => {
            let name = log.channels.name(*channel);
            let is_matched = || views.first_match(name, patterns).is_some();
            *known.entry(*channel).or_insert_with(is_matched)
        }
        FrameContent::Notice(pattern, _) => {
            let id = views.find(pattern.as_str());
            id.is_some_and(|id| patterns.binary_search(&id).is_ok())
        }
        FrameContent::Overtaken(_) => false,
    }
}

/// Forgets what the session missed of what it does not hold any more.
pub(super) fn forget_missed(log: &mut Log, key: SessionKey, gone: &[&Pattern]) {
    let Some(mut missed) = log.cursors.get_mut(key).missed.take() else {
        return;
    };
    log.missed_size -= missed.size();
    let has_room = log.missed_size <= log.missed_limit;
    missed.give_no_more(gone, if has_room { MOST_HAD } else { 0 });
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

/// The first number of each of these channels that the session is still to get, or to be told
/// that it missed. Looks at what waits for it until all are found.
fn first_owed(
    log: &Log,
    key: SessionKey,
    channels: &HashSet<ChannelId>,
) -> HashMap<ChannelId, u64> {
    let missed = log.cursors.get(key).missed.iter();
    let missed = missed.flat_map(|missed| {
        let owed = missed.owed.iter();
        let owed = owed.map(|(channel, owed)| (*channel, owed.range.0));
        let gaps = missed.channels.iter();
        // Of a channel that is in both, what is told comes first.
        owed.chain(gaps.map(|(channel, (from, _))| (*channel, *from)))
    });
    let mut first: HashMap<ChannelId, u64> = missed
        .filter(|(channel, _)| channels.contains(channel))
        .collect();
    for number in log.cursors.pending(key) {
        if first.len() == channels.len() {
            break;
        }
        let numbers = log.arena.frame(number).what.numbers();
        if let Some((channel, (from, _), _)) = numbers
            && channels.contains(&channel)
        {
            first.entry(channel).or_insert(from);
        }
    }
    first
}

/// For each channel, the number before the first that the session is still to get: what was
/// published last, unless the session is behind and held the channel before.
pub(crate) fn seqs(log: &Log, key: SessionKey, channels: &[&Pattern]) -> Vec<u64> {
    let is_behind = log.cursors.waiting(key) > 0 || log.cursors.get(key).missed.is_some();
    let (views, patterns) = (&log.cursors.views, log.subscriptions(key));
    let is_held = |id: &ChannelId| {
        views
            .first_match(log.channels.name(*id), patterns)
            .is_some()
    };
    let known = channels.iter().filter(|_| is_behind);
    let known = known.filter_map(|channel| Some(log.channels.find(channel.as_str())?.0));
    let owed = first_owed(log, key, &known.filter(is_held).collect());
    let seq = |channel: &&Pattern| {
        let (id, last) = log.channels.find(channel.as_str())?;
        Some(owed.get(&id).map_or(last, |first| first - 1))
    };
    channels
        .iter()
        .map(|channel| seq(channel).unwrap_or_default())
        .collect()
}
