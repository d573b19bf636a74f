//! What a log should do, done plainly: a list of frames for each session.

use std::collections::{BTreeSet, HashMap};

use super::super::missed::Missed;
use super::super::*;
use super::CHANNELS;
use super::session::Session;
use crate::hub::held::{HeldMessage, Last};
use crate::transform::Delivery;

/// A frame that a session has not got.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) what: FrameContent,
}

#[derive(Debug)]
pub(super) struct Reference {
    pub(super) sessions: Vec<Session>,
    pub(super) channels: [Kept; CHANNELS.len()],
}

/// What is known of a channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) delivery: Delivery,
    pub(super) seq: u64,
    /// As the last message was delivered, and from which number on.
    last: Option<Last>,
    pub(super) first: u64,
    /// The number of the last message that came so and not as a gap.
    pub(super) newest: Option<u64>,
}

impl Kept {
    pub(super) fn held(&self) -> Option<&HeldMessage> {
        let held = self.last.as_ref()?.held.as_deref();
        held.filter(|held| held.again().is_some())
    }

    pub(super) fn is_latest(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| last.delivery.is_latest)
    }

    pub(super) fn has_snapshot(&self) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| last.delivery.has_snapshot)
    }
}

impl Default for Reference {
    fn default() -> Self {
        let mut channels: [Kept; CHANNELS.len()] = Default::default();
        for (at, kept) in channels.iter_mut().enumerate() {
            kept.delivery.has_snapshot = at == 3 || at == 4;
            kept.delivery.is_latest = at >= 4;
        }
        Self {
            sessions: Vec::new(),
            channels,
        }
    }
}

pub(super) fn channel(at: usize) -> (Channel, ChannelId) {
    (CHANNELS[at].parse().unwrap(), ChannelId(at as u32))
}

impl Reference {
    pub(super) fn session(&mut self, key: SessionKey) -> &mut Session {
        let mut sessions = self.sessions.iter_mut();
        sessions.find(|session| session.key == key).unwrap()
    }

    /// The next numbers of a channel.
    pub(super) fn next(&mut self, channel: usize, count: u64) -> (u64, u64) {
        let seq = &mut self.channels[channel].seq;
        let first = *seq + 1;
        *seq += count;
        (first, *seq)
    }

    /// The channel's last message is this one.
    pub(super) fn keep(&mut self, channel: usize, seq: u64, last: Option<Last>) {
        let kept = &mut self.channels[channel];
        let delivery = |last: &Option<Last>| last.as_ref().map(|last| last.delivery);
        if delivery(&kept.last) != delivery(&last) {
            (kept.first, kept.newest) = (seq, None);
        }
        kept.last = last;
    }

    /// A new message of the channel takes the place of those that wait, if only the last counts.
    pub(super) fn overtake(&mut self, channel: usize) {
        let kept = &mut self.channels[channel];
        kept.newest = Some(kept.seq);
        let kept = &self.channels[channel];
        let pending = self.sessions.iter_mut();
        let pending = pending.flat_map(|session| &mut session.pending);
        for frame in pending.filter(|_| kept.is_latest()) {
            if let FrameContent::Message {
                channel: of,
                seq,
                family,
            } = frame.what
                && of.0 as usize == channel
                && seq >= kept.first
            {
                frame.what = FrameContent::Overtaken(family);
            }
        }
    }

    pub(super) fn note(&mut self, of: &Pattern, frame: &Pending) {
        let holders = self.sessions.iter_mut();
        for session in holders.filter(|session| session.gets(of)) {
            session.pending.push_back(frame.clone());
        }
    }

    pub(super) fn tell(&mut self, pattern: &Pattern, frame: &Pending) {
        let holders = self.sessions.iter_mut();
        for session in holders.filter(|session| session.patterns.contains(pattern)) {
            session.pending.push_back(frame.clone());
        }
    }

    /// The patterns of a family that somebody holds.
    pub(super) fn held(&self, family: &str) -> Vec<Pattern> {
        let held = self.sessions.iter().flat_map(|session| &session.patterns);
        let held: BTreeSet<&Pattern> = held.filter(|held| held.family() == family).collect();
        held.into_iter().cloned().collect()
    }

    /// The oldest frame that somebody has not got.
    pub(super) fn oldest(&self) -> Option<u64> {
        let fronts = self.sessions.iter();
        let fronts = fronts.filter_map(|session| session.pending.front());
        fronts.map(|frame| frame.number).min()
    }

    /// How many messages each misses who has not got what is older.
    pub(super) fn trim(&mut self, number: u64) -> HashMap<SessionKey, u64> {
        let sessions = self.sessions.iter_mut();
        let channels = &self.channels;
        let missed = sessions.map(|session| (session.key, session.trim(number, channels)));
        missed
            .filter_map(|(key, missed)| Some((key, missed?)))
            .collect()
    }
}

/// The frames that tell what was missed and no last message takes the place of.
pub(super) fn take_missed(missed: &mut Missed, state: impl Fn(&str) -> Availability) -> Vec<u8> {
    let owed = std::mem::take(&mut missed.owed);
    let rest = Missed {
        owed,
        ..Missed::default()
    };
    let missed = std::mem::replace(missed, rest);
    let gaps = missed.channels.iter().map(|(id, (from, to))| {
        let name = channel(id.0 as usize).0;
        notice::gap(name.as_str(), *from, *to, Reason::Slow)
    });
    let losses = missed
        .losses
        .iter()
        .map(|(pattern, reason)| notice::gap_somewhere(pattern.as_str(), None, *reason));
    let states = missed.states.iter();
    let states = states.map(|pattern| notice::status(pattern.as_str(), state(pattern.family())));
    let notices = gaps.chain(losses).chain(states);
    notices.flat_map(|text| frame::text(&text)).collect()
}
