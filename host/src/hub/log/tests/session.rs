//! A session as it should be: what it is still to get, and what it has got.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::super::missed::{Missed, Owed};
use super::super::*;
use super::CHANNELS;
use super::reference::{self, Kept, Pending, channel};

#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: SessionKey,
    pub(super) patterns: BTreeSet<Pattern>,
    pub(super) pending: VecDeque<Pending>,
    missed: Missed,
    /// What is sent before anything of the log.
    aside: Vec<u8>,
    /// Bytes that its socket takes.
    pub(super) room: usize,
    pub(super) is_blocked: bool,
    pub(super) is_queued: bool,
    pub(super) is_finished: bool,
    /// By channel that it holds: the last number that it got, or was told it did not get.
    got: HashMap<ChannelId, u64>,
    /// By channel that it subscribed to: the number of the last message, which it is still to
    /// be given, or a newer one.
    due: HashMap<ChannelId, u64>,
}

impl Session {
    pub(super) fn new(key: SessionKey) -> Self {
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
            got: HashMap::new(),
            due: HashMap::new(),
        }
    }

    pub(super) fn subscribe(&mut self, patterns: Vec<Pattern>, channels: &[Kept]) {
        let ids = (0..).map(ChannelId);
        for (id, kept) in ids.zip(channels) {
            let name = channel(id.0 as usize).0;
            let is_new = patterns
                .iter()
                .any(|pattern| pattern.covers(name.as_pattern()))
                && !self.gets(name.as_pattern());
            if is_new {
                self.got.insert(id, 0);
                let held = kept.held().filter(|_| kept.has_snapshot());
                self.due.extend(held.map(|held| (id, held.seq)));
            }
        }
        self.patterns.extend(patterns);
    }

    /// It has got this number of a channel, or was told that it does not.
    fn note(&mut self, channel: ChannelId, seq: u64) {
        let got = self.got.get_mut(&channel);
        let got = got.expect("it holds a pattern that covers the channel");
        assert!(*got < seq, "{channel:?}: {seq} after {got}");
        *got = seq;
        self.due.remove(&channel);
    }

    /// Whether it gets what is published to this channel.
    pub(super) fn gets(&self, channel: &Pattern) -> bool {
        self.patterns.iter().any(|pattern| pattern.covers(channel))
    }

    fn concerns(&self, what: &FrameContent) -> bool {
        match what {
            FrameContent::Message { channel: id, .. }
            | FrameContent::Passed { channel: id, .. } => {
                self.gets(channel(id.0 as usize).0.as_pattern())
            }
            FrameContent::Notice(pattern, _) => self.patterns.contains(pattern),
            FrameContent::Overtaken(_) => false,
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
        let is_covered = |id: &ChannelId| self.gets(name(id).as_pattern());
        missed.channels.retain(|id, _| is_covered(id));
        missed.owed.retain(|id, _| is_covered(id));
        missed
            .losses
            .retain(|(pattern, _)| self.patterns.contains(pattern));
        missed
            .states
            .retain(|pattern| self.patterns.contains(pattern));
        let covered: Vec<ChannelId> = self.got.keys().copied().filter(is_covered).collect();
        self.got.retain(|id, _| covered.contains(id));
        self.due.retain(|id, _| covered.contains(id));
        self.missed = missed;
    }

    /// Gives how many messages it does not get.
    pub(super) fn stop(&mut self) -> u64 {
        self.patterns.clear();
        self.is_finished = true;
        self.missed = Missed::default();
        self.due.clear();
        let dropped = self.pending.drain(..);
        let is_message = |frame: &Pending| matches!(frame.what, FrameContent::Message { .. });
        dropped.filter(is_message).count() as u64
    }

    pub(super) fn trim(&mut self, number: u64, channels: &[Kept]) -> Option<u64> {
        let mut messages = None;
        while self
            .pending
            .front()
            .is_some_and(|frame| frame.number < number)
        {
            let frame = self.pending.pop_front().unwrap();
            if matches!(frame.what, FrameContent::Overtaken(_)) {
                continue;
            }
            let count = messages.get_or_insert(0);
            let (channel, range) = match frame.what {
                FrameContent::Overtaken(_) => unreachable!("it was passed over"),
                FrameContent::Message { channel, seq, .. } => {
                    let kept = &channels[channel.0 as usize];
                    if kept.is_latest() && seq >= kept.first && kept.held().is_some() {
                        let owed = Owed {
                            range: (seq, seq),
                            count: 0,
                        };
                        let owed = self.missed.owed.entry(channel).or_insert(owed);
                        owed.range.1 = seq;
                        owed.count += 1;
                        continue;
                    }
                    (channel, (seq, seq))
                }
                FrameContent::Passed { channel, range, .. } => (channel, range),
                FrameContent::Notice(pattern, Notice::State) => {
                    self.missed.states.insert(pattern);
                    continue;
                }
                FrameContent::Notice(pattern, Notice::Loss(reason)) => {
                    self.missed.losses.insert((pattern, reason));
                    continue;
                }
            };
            *count += range.1 - range.0 + 1;
            let mut range = range;
            if let Some(owed) = self.missed.owed.remove(&channel) {
                range.0 = owed.range.0;
                *count += owed.count;
            }
            let is_latest = channels[channel.0 as usize].first > 0;
            let known = self.missed.channels.entry(channel).or_insert(range);
            assert!(
                is_latest || known.1 == range.1 || known.1 + 1 == range.0,
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
    pub(super) fn write(&mut self, log: &Log, plan: &SendPlan) -> usize {
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
        let pending = self.pending.iter().filter(|frame| is_sent(frame));
        let pending = pending.flat_map(|frame| &frame.bytes);
        assert!(pending.take(wrote).eq(&bytes[..wrote]));
        if wrote == plan.bytes {
            for frame in self.pending.drain(..plan.frames).collect::<Vec<_>>() {
                self.note_frame(&frame);
            }
        }
        wrote
    }

    fn note_frame(&mut self, frame: &Pending) {
        if let Some((channel, range, _)) = frame.what.numbers() {
            self.note(channel, range.1);
        }
    }

    /// A part of what is pending was written.
    pub(super) fn advance_bytes(&mut self, log: &mut Log, bytes: usize) {
        let mut left = bytes;
        while left > 0 {
            let frame = self.pending.pop_front().unwrap();
            if !is_sent(&frame) {
                continue;
            }
            self.note_frame(&frame);
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
        state: impl Fn(&str) -> Availability,
        channels: &[Kept],
    ) {
        let mut plan = SendPlan::default();
        loop {
            let wrote = self.aside.len().min(self.room);
            self.room -= wrote;
            self.aside.drain(..wrote);
            if !self.aside.is_empty() {
                return self.block(log);
            }
            let report = telling::write_missed(log, self.key, &mut self.aside);
            self.check_told(&report, &state, channels);
            if !self.aside.is_empty() || report.has_more {
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
            log.advance(self.key, plan.frames);
        }
    }

    /// What it was told is what it missed; then come last messages that it is owed.
    fn check_told(
        &mut self,
        report: &telling::MissedReport,
        state: impl Fn(&str) -> Availability,
        channels: &[Kept],
    ) {
        let missed = self.missed.channels.clone();
        let mut expected = reference::take_missed(&mut self.missed, state);
        missed
            .iter()
            .for_each(|(id, range)| self.note(*id, range.1));
        let mut given = report.held.iter();
        let mut looks = 0..telling::LOOKS;
        while expected.len() < telling::PIECE
            && looks.next().is_some()
            && let Some((id, owed)) = self.missed.owed.pop_first()
        {
            let kept = &channels[id.0 as usize];
            let newest = |frame: &Pending| match frame.what {
                FrameContent::Message {
                    channel: of, seq, ..
                } => of == id && kept.newest == Some(seq),
                _ => false,
            };
            if kept.is_latest() && self.pending.iter().any(newest) {
                continue;
            }
            match kept.held().filter(|_| kept.is_latest()) {
                Some(held) => {
                    assert_eq!(given.next().unwrap().seq, held.seq);
                    expected.extend_from_slice(held.again().unwrap());
                    self.note(id, held.seq);
                }
                None => {
                    let name = channel(id.0 as usize).0;
                    let (from, to) = owed.range;
                    let gap = notice::gap(name.as_str(), from, to, Reason::Slow);
                    expected.extend(frame::text(&gap));
                    self.note(id, to);
                }
            }
        }
        // The rest are snapshots: of channels that it had nothing of.
        for held in given {
            let is_it = |kept: &Kept| kept.held().is_some_and(|last| std::ptr::eq(last, &**held));
            let at = channels.iter().position(is_it).expect("it is given out");
            assert!(channels[at].has_snapshot());
            let due = self.due.get(&ChannelId(at as u32)).copied();
            assert_eq!(due, Some(held.seq), "once, and of whoever came since");
            expected.extend_from_slice(held.again().unwrap());
            self.note(ChannelId(at as u32), held.seq);
        }
        assert_eq!(self.aside, expected);
    }

    /// The first number of a channel that it has not got and not been told of.
    fn first_owed(&self, channel: ChannelId) -> Option<u64> {
        let missed = self.missed.channels.get(&channel).map(|range| range.0);
        let missed = missed.or_else(|| Some(self.missed.owed.get(&channel)?.range.0));
        let mut pending = self.pending.iter();
        missed.or_else(|| {
            pending.find_map(|frame| match frame.what {
                FrameContent::Message {
                    channel: of, seq, ..
                } => (of == channel).then_some(seq),
                FrameContent::Passed {
                    channel: of, range, ..
                } => (of == channel).then_some(range.0),
                FrameContent::Notice(..) | FrameContent::Overtaken(_) => None,
            })
        })
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.iter().map(|frame| frame.bytes.len()).sum()
    }

    pub(super) fn has_all(&self) -> bool {
        self.pending.is_empty() && self.aside.is_empty() && self.missed == Missed::default()
    }

    /// When it has all: of each channel the last that there was, and what it was due.
    pub(super) fn check_end(&self, channels: &[Kept]) {
        for (id, got) in self.got.iter().filter(|_| !self.is_finished) {
            let kept = &channels[id.0 as usize];
            assert!(*got == 0 || *got == kept.seq, "{id:?}: {got}, {kept:?}");
            let due = self.due.get(id);
            let is_given = kept.has_snapshot() && kept.held().is_some();
            assert!(due.is_none() || !is_given, "{id:?} is due");
        }
    }

    /// The log has the same of it.
    pub(super) fn check(&self, log: &Log) {
        let numbers = self.pending.iter().map(|frame| frame.number);
        assert!(log.cursors.pending(self.key).eq(numbers));
        assert_eq!(log.waiting(self.key), self.pending.len());
        let missed = log.cursors.get(self.key).missed.as_deref();
        let mut missed = missed.cloned().unwrap_or_default();
        // They are judged by what comes of them.
        missed.snapshots.clear();
        assert_eq!(missed, self.missed);
        // After the number that it would be told of a channel comes what it is owed. Whoever has
        // finished asks no more.
        let asks = !self.patterns.is_empty();
        let names: Vec<Pattern> = CHANNELS.map(|name| name.parse().unwrap()).to_vec();
        let names: Vec<&Pattern> = names.iter().collect();
        for (at, seq) in telling::seqs(log, self.key, &names).iter().enumerate() {
            if let Some(first) = self.first_owed(ChannelId(at as u32)).filter(|_| asks) {
                assert_eq!(*seq + 1, first);
            }
        }
        let held = log.subscriptions(self.key).iter();
        let held: BTreeSet<Pattern> = held.map(|id| log.pattern(*id).clone()).collect();
        assert_eq!(held, self.patterns);
    }
}

/// Whether its bytes are sent.
fn is_sent(frame: &Pending) -> bool {
    !matches!(frame.what, FrameContent::Overtaken(_))
}
