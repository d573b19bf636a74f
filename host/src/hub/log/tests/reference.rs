//! What a log should do, done plainly: a list of frames for each session.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::missed::Missed;
use super::super::*;
use super::CHANNELS;

/// A frame that a session has not got.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: Key,
    pub(super) patterns: BTreeSet<Pattern>,
    pending: VecDeque<Pending>,
    missed: Missed,
    /// What is sent before anything of the log.
    aside: Vec<u8>,
    /// Bytes that its socket takes.
    pub(super) room: usize,
    pub(super) is_blocked: bool,
    pub(super) is_queued: bool,
    pub(super) is_finished: bool,
}

#[derive(Debug, Default)]
pub(super) struct Reference {
    pub(super) sessions: Vec<Session>,
    seq: [u64; CHANNELS.len()],
}

pub(super) fn channel(at: usize) -> (Channel, ChannelId) {
    (CHANNELS[at].parse().unwrap(), ChannelId(at as u32))
}

impl Reference {
    pub(super) fn session(&mut self, key: Key) -> &mut Session {
        let mut sessions = self.sessions.iter_mut();
        sessions.find(|session| session.key == key).unwrap()
    }

    /// The next numbers of a channel.
    pub(super) fn next(&mut self, channel: usize, count: u64) -> (u64, u64) {
        let first = self.seq[channel] + 1;
        self.seq[channel] += count;
        (first, self.seq[channel])
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
    pub(super) fn trim(&mut self, number: u64) -> HashMap<Key, u64> {
        let sessions = self.sessions.iter_mut();
        let missed = sessions.map(|session| (session.key, session.trim(number)));
        missed
            .filter_map(|(key, missed)| Some((key, missed?)))
            .collect()
    }
}

impl Session {
    pub(super) fn new(key: Key) -> Self {
        Self {
            key,
            patterns: BTreeSet::new(),
            pending: VecDeque::new(),
            missed: Missed::default(),
            aside: Vec::new(),
            room: 0,
            is_blocked: false,
            is_queued: false,
            is_finished: false,
        }
    }

    /// Whether it gets what is published to this channel.
    pub(super) fn gets(&self, channel: &Pattern) -> bool {
        self.patterns.iter().any(|pattern| pattern.covers(channel))
    }

    fn concerns(&self, what: &What) -> bool {
        match what {
            What::Message { channel: id, .. } | What::Passed { channel: id, .. } => {
                self.gets(channel(id.0 as usize).0.as_pattern())
            }
            What::Notice(pattern, _) => self.patterns.contains(pattern),
        }
    }

    pub(super) fn unsubscribe(&mut self, gone: &[Pattern]) {
        let before = self.patterns.len();
        self.patterns.retain(|pattern| !gone.contains(pattern));
        if self.patterns.len() == before {
            return;
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.retain(|frame| self.concerns(&frame.what));
        self.pending = pending;
        let mut missed = std::mem::take(&mut self.missed);
        let name = |id: &ChannelId| channel(id.0 as usize).0;
        missed
            .channels
            .retain(|id, _| self.gets(name(id).as_pattern()));
        missed
            .losses
            .retain(|(pattern, _)| self.patterns.contains(pattern));
        missed
            .states
            .retain(|pattern| self.patterns.contains(pattern));
        self.missed = missed;
    }

    /// Gives how many messages it does not get.
    pub(super) fn stop(&mut self) -> u64 {
        self.patterns.clear();
        self.is_finished = true;
        self.missed = Missed::default();
        let dropped = self.pending.drain(..);
        let is_message = |frame: &Pending| matches!(frame.what, What::Message { .. });
        dropped.filter(is_message).count() as u64
    }

    pub(super) fn trim(&mut self, number: u64) -> Option<u64> {
        let mut messages = None;
        while self
            .pending
            .front()
            .is_some_and(|frame| frame.number < number)
        {
            let frame = self.pending.pop_front().unwrap();
            let count = messages.get_or_insert(0);
            let (channel, range) = match frame.what {
                What::Message { channel, seq, .. } => (channel, (seq, seq)),
                What::Passed { channel, range, .. } => (channel, range),
                What::Notice(pattern, Notice::State) => {
                    self.missed.states.insert(pattern);
                    continue;
                }
                What::Notice(pattern, Notice::Loss(reason)) => {
                    self.missed.losses.insert((pattern, reason));
                    continue;
                }
            };
            *count += range.1 - range.0 + 1;
            let known = self.missed.channels.entry(channel).or_insert(range);
            assert!(
                known.1 == range.1 || known.1 + 1 == range.0,
                "without a hole"
            );
            known.1 = range.1;
        }
        messages
    }

    pub(super) fn queue(&mut self, log: &mut Log) {
        if !self.is_blocked {
            log.set_apart(self.key);
            self.is_queued = true;
        }
    }

    pub(super) fn block(&mut self, log: &mut Log) {
        log.set_apart(self.key);
        self.is_blocked = true;
    }

    /// The socket takes what it has room for; it is what is pending, in its order.
    pub(super) fn write(&mut self, log: &Log, plan: &Plan) -> usize {
        assert!(self.aside.is_empty(), "what is aside goes first");
        let slices = log.slices(&plan.runs);
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter())
            .copied()
            .collect();
        assert_eq!(bytes.len(), plan.bytes);
        let wrote = bytes.len().min(self.room);
        self.room -= wrote;
        let pending = self.pending.iter().flat_map(|frame| &frame.bytes);
        assert!(pending.take(wrote).eq(&bytes[..wrote]));
        if wrote == plan.bytes {
            self.pending.drain(..plan.frames);
        }
        wrote
    }

    /// A part of what is pending was written.
    pub(super) fn advance_bytes(&mut self, log: &mut Log, bytes: usize) {
        let mut left = bytes;
        while left > 0 {
            let frame = self.pending.pop_front().unwrap();
            let taken = left.min(frame.bytes.len());
            self.aside.extend_from_slice(&frame.bytes[taken..]);
            left -= taken;
        }
        let mut rest = Vec::new();
        log.advance_bytes(self.key, bytes, &mut rest);
        assert_eq!(rest, self.aside);
    }

    /// As `loops::sending` does it.
    pub(super) fn flush(
        &mut self,
        log: &mut Log,
        bounds: (usize, usize),
        state: impl Fn(&str) -> State,
    ) {
        let mut plan = Plan::default();
        loop {
            let wrote = self.aside.len().min(self.room);
            self.room -= wrote;
            self.aside.drain(..wrote);
            if !self.aside.is_empty() {
                return self.block(log);
            }
            telling::write_missed(log, self.key, &mut self.aside);
            let told = self.take_missed(&state);
            assert_eq!(self.aside, told);
            if !self.aside.is_empty() {
                continue;
            }
            log.plan_for(self.key, bounds, &mut plan);
            if plan.frames == 0 {
                assert!(self.pending.is_empty());
                if !self.is_finished {
                    log.set_ready(self.key);
                }
                return;
            }
            let wrote = self.write(log, &plan);
            if wrote < plan.bytes {
                self.advance_bytes(log, wrote);
                return self.block(log);
            }
            log.advance_bytes(self.key, wrote, &mut self.aside);
            assert!(self.aside.is_empty());
        }
    }

    /// The frames that tell what it missed.
    fn take_missed(&mut self, state: impl Fn(&str) -> State) -> Vec<u8> {
        let missed = std::mem::take(&mut self.missed);
        let gaps = missed.channels.iter().map(|(id, (from, to))| {
            let name = channel(id.0 as usize).0;
            notice::gap(name.as_str(), *from, *to, Reason::Slow)
        });
        let losses = missed
            .losses
            .iter()
            .map(|(pattern, reason)| notice::gap_somewhere(pattern.as_str(), None, *reason));
        let states = missed.states.iter();
        let states =
            states.map(|pattern| notice::status(pattern.as_str(), state(pattern.family())));
        let told = gaps.chain(losses).chain(states);
        told.flat_map(|text| frame::text(&text)).collect()
    }

    /// The first number of a channel that it has not got and not been told of.
    fn first_owed(&self, channel: ChannelId) -> Option<u64> {
        let missed = self.missed.channels.get(&channel).map(|range| range.0);
        let mut pending = self.pending.iter();
        missed.or_else(|| {
            pending.find_map(|frame| match frame.what {
                What::Message {
                    channel: of, seq, ..
                } => (of == channel).then_some(seq),
                What::Passed {
                    channel: of, range, ..
                } => (of == channel).then_some(range.0),
                What::Notice(..) => None,
            })
        })
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.iter().map(|frame| frame.bytes.len()).sum()
    }

    pub(super) fn has_all(&self) -> bool {
        self.pending.is_empty() && self.aside.is_empty() && self.missed == Missed::default()
    }

    /// The log has the same of it.
    pub(super) fn check(&self, log: &Log) {
        let numbers = self.pending.iter().map(|frame| frame.number);
        assert!(log.cursors.pending(self.key).eq(numbers));
        assert_eq!(log.lag(self.key).0, self.pending.len());
        let missed = log.cursors.get(self.key).missed.as_deref();
        assert_eq!(missed.unwrap_or(&Missed::default()), &self.missed);
        // After the number that it would be told of a channel comes what it is owed. Whoever has
        // finished asks no more.
        let asks = !self.patterns.is_empty();
        let channels: Vec<Pattern> = CHANNELS.map(|name| name.parse().unwrap()).to_vec();
        let channels: Vec<&Pattern> = channels.iter().collect();
        for (at, seq) in telling::seqs(log, self.key, &channels).iter().enumerate() {
            if let Some(first) = self.first_owed(ChannelId(at as u32)).filter(|_| asks) {
                assert_eq!(*seq + 1, first);
            }
        }
        let held = log.subscriptions(self.key).iter();
        let held: BTreeSet<Pattern> = held.map(|id| log.pattern(*id).clone()).collect();
        assert_eq!(held, self.patterns);
    }
}
