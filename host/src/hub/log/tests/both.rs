//! A log and its reference, one step after the other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::super::*;
use super::reference::{self, Pending, Reference};
use super::session::Session;
use super::{ASKED, BOUNDS, CHANNELS, FAMILIES, LISTED, PATTERNS, Step, Which, pattern};
use crate::hub::held::{HeldMessage, Last, MessageOrigin};
use crate::metrics::{FamilyMetrics, Metrics};

fn family(id: ChannelId) -> FamilyId {
    FamilyId(id.0 as u16 / 3)
}

/// A log, what it should hold, and the time.
pub(super) struct Both {
    log: Log,
    reference: Reference,
    now: Instant,
    origins: [Arc<MessageOrigin>; CHANNELS.len()],
    metrics: Arc<FamilyMetrics>,
}

impl Both {
    pub(super) fn new() -> Self {
        let mut log = Log::new(usize::MAX);
        log.detour_limit = LISTED * size_of::<u64>();
        Self {
            log,
            reference: Reference::default(),
            now: Instant::now(),
            origins: Default::default(),
            metrics: Metrics::new().family("t"),
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let sessions = &mut self.reference.sessions;
        let pick = |which: Which| (!sessions.is_empty()).then(|| which.index(sessions.len()));
        match step {
            Step::Enter => sessions.push(Session::new(self.log.enter())),
            Step::Leave(which) => {
                if let Some(at) = pick(which) {
                    self.log.leave(sessions.swap_remove(at).key);
                }
            }
            Step::Subscribe(which, patterns) => {
                let Some(at) = pick(which).filter(|at| !sessions[*at].is_finished) else {
                    return;
                };
                let patterns: Vec<Pattern> = patterns.into_iter().map(pattern).collect();
                changes::subscribe(&mut self.log, sessions[at].key, &patterns);
                sessions[at].subscribe(patterns, &self.reference.channels);
                self.changed(at);
            }
            Step::Unsubscribe(which, patterns) => {
                let Some(at) = pick(which) else { return };
                let patterns: Vec<Pattern> = patterns.into_iter().map(pattern).collect();
                changes::unsubscribe(&mut self.log, sessions[at].key, &patterns);
                sessions[at].unsubscribe(&patterns);
                self.changed(at);
            }
            Step::Publish(channel, len, held) => self.publish(channel, len, held),
            Step::Pass(channel, count, held) => self.pass(channel, count, held),
            Step::Deliver(channel, delivery) => {
                self.reference.channels[channel].delivery = delivery
            }
            Step::Withdraw(channel) => self.origins[channel].withdraw(),
            Step::Restore(channel) => self.origins[channel].restore(),
            Step::Sweep => self.log.sweep(),
            Step::LoseSomewhere(family) => {
                let notice = Notice::Loss(Reason::Upstream);
                self.tell(FAMILIES[family], notice, |log, family| {
                    log.lose_somewhere(family, Reason::Upstream);
                });
            }
            Step::SetState(family, state) => {
                if self.log.state(FAMILIES[family]) != state {
                    self.tell(FAMILIES[family], Notice::State, |log, family| {
                        log.set_state(family, state);
                    });
                }
                assert_eq!(self.log.state(FAMILIES[family]), state);
            }
            Step::Room(which, room) => {
                if let Some(at) = pick(which) {
                    let session = &mut sessions[at];
                    session.room = room;
                    if room > 0 && std::mem::take(&mut session.is_blocked) {
                        session.queue(&mut self.log);
                    }
                }
            }
            Step::FlushViews => self.flush_views(),
            Step::FlushQueued => self.flush_queued(),
            Step::Settle(thorough) => self.settle(thorough),
            Step::TrimTo(which) => {
                let there = self.log.arena.end() - self.log.arena.start();
                self.trim(self.log.arena.start() + which.index(there as usize + 1) as u64);
            }
            Step::TrimOld(which) => {
                let back = std::time::Duration::from_millis(which.index(50) as u64);
                let oldest = self.now.checked_sub(back).unwrap();
                let first = trimming::first_since(&self.log, oldest);
                let frames = self.log.arena.start()..first;
                assert!(
                    frames
                        .into_iter()
                        .all(|number| self.log.since(number) < oldest)
                );
                self.trim(first);
            }
            Step::TrimSegment => {
                let (size, was_empty) = (self.log.arena.size(), self.log.is_empty());
                self.trim(self.log.first_of_next_segment());
                assert!(was_empty || self.log.arena.size() < size, "something goes");
            }
            Step::Stop(which) => {
                if let Some(at) = pick(which) {
                    let session = &mut sessions[at];
                    let dropped = changes::stop(&mut self.log, session.key);
                    let messages: u64 = dropped.iter().map(|(_, count, _)| count).sum();
                    assert_eq!(messages, session.stop());
                    session.queue(&mut self.log);
                }
            }
        }
    }

    /// The next message of a channel: its frame, and what is kept of it.
    fn last(&self, channel: usize, seq: u64, frame: &[u8], held: bool) -> Option<Last> {
        let delivery = self.reference.channels[channel].delivery;
        let mark = self.origins[channel].mark();
        let held = held.then(|| HeldMessage::new(frame, seq, self.metrics.clone(), mark));
        delivery.keeps_last().then(|| Last {
            delivery,
            held: held.map(Arc::new),
        })
    }

    fn publish(&mut self, channel: usize, len: usize, held: bool) {
        let seq = self.reference.next(channel, 1).1;
        let frame = frame::text(&format!("{seq} {}", "-".repeat(len)));
        self.now += std::time::Duration::from_millis(1);
        let last = self.last(channel, seq, &frame, held);
        let (name, id) = reference::channel(channel);
        let entry = self.entry(&name, id, seq, last.as_ref());
        self.log.publish(entry, &frame);
        self.published(channel, seq, frame, last);
    }

    fn entry<'a>(
        &self,
        name: &'a Channel,
        id: ChannelId,
        seq: u64,
        last: Option<&'a Last>,
    ) -> LogMessage<'a> {
        LogMessage {
            name,
            id,
            seq,
            family: family(id),
            received: self.now,
            last,
        }
    }

    fn published(&mut self, channel: usize, seq: u64, frame: Vec<u8>, last: Option<Last>) {
        self.reference.keep(channel, seq, last);
        self.reference.overtake(channel);
        let (name, id) = reference::channel(channel);
        let what = FrameContent::Message {
            channel: id,
            seq,
            family: family(id),
        };
        self.appended(name.as_pattern(), frame, what);
    }

    fn pass(&mut self, channel: usize, count: u64, held: bool) {
        let (name, id) = reference::channel(channel);
        let range = self.reference.next(channel, count);
        let frame = frame::text(&format!("{}", range.1));
        let last = self.last(channel, range.1, &frame, held);
        let entry = self.entry(&name, id, range.1, last.as_ref());
        self.log.pass(entry, range.0);
        let latest = last.as_ref().filter(|last| last.delivery.is_latest);
        if latest.is_some_and(|last| {
            last.held
                .as_ref()
                .is_some_and(|held| held.again().is_some())
        }) {
            return self.published(channel, range.1, frame, last);
        }
        self.reference.keep(channel, range.1, last);
        let gap = notice::gap(name.as_str(), range.0, range.1, Reason::Slow);
        let what = FrameContent::Passed {
            channel: id,
            range,
            family: family(id),
        };
        self.appended(name.as_pattern(), frame::text(&gap), what);
    }

    /// A session changed its subscriptions: what waits for it is on a list now, unless there are
    /// too many lists.
    fn changed(&mut self, at: usize) {
        let session = &mut self.reference.sessions[at];
        let passed = self.log.take_passed().sessions;
        let missed = match passed.is_empty() {
            true => None,
            false => session.trim(u64::MAX, &self.reference.channels),
        };
        assert_eq!(
            passed,
            Vec::from_iter(missed.map(|count| (session.key, count)))
        );
        session.queue(&mut self.log);
    }

    /// One frame may have been appended, which all get who hold a pattern that covers it.
    fn appended(&mut self, of: &Pattern, bytes: Vec<u8>, what: FrameContent) {
        let mut held = self.reference.sessions.iter();
        if held.any(|session| session.gets(of)) {
            let number = self.log.arena.end() - 1;
            assert_eq!(self.log.arena.frame(number).what, what);
            assert_eq!(self.log.arena.rest(number, 0), bytes);
            self.reference.note(
                of,
                &Pending {
                    number,
                    bytes,
                    what,
                },
            );
        }
    }

    /// One frame for each pattern of a family that somebody holds.
    fn tell(&mut self, family: &str, notice: Notice, tell: impl Fn(&mut Log, &str)) {
        let first = self.log.arena.end();
        tell(&mut self.log, family);
        let mut patterns = Vec::new();
        for number in first..self.log.arena.end() {
            let FrameContent::Notice(pattern, noted) = self.log.arena.frame(number).what.clone()
            else {
                panic!("notices only");
            };
            assert_eq!((pattern.family(), noted), (family, notice));
            let pending = Pending {
                number,
                bytes: self.log.arena.rest(number, 0).to_vec(),
                what: FrameContent::Notice(pattern.clone(), notice),
            };
            self.reference.tell(&pattern, &pending);
            patterns.push(pattern);
        }
        patterns.sort();
        assert_eq!(patterns, self.reference.held(family));
    }

    /// As `loops::sending` does it.
    fn flush_views(&mut self) {
        let (mut keys, mut plan) = (Vec::new(), SendPlan::default());
        while let Some(view) = self.log.next_view() {
            self.log.take_due(view, ASKED, &mut keys);
            for key in &keys {
                let Some(position) = self.log.position(*key, view) else {
                    continue;
                };
                self.log.plan(view, position, BOUNDS, &mut plan);
                if plan.frames == 0 {
                    continue;
                }
                let has_more = !self.log.is_end(view, position + plan.frames as u64);
                let session = self.reference.session(*key);
                let bytes = session.write(&self.log, &plan);
                if bytes == plan.bytes {
                    self.log.advance(*key, plan.frames);
                } else {
                    session.advance_bytes(&mut self.log, bytes);
                    session.block(&mut self.log);
                }
                if has_more {
                    self.log.make_due(view, 0);
                }
            }
        }
    }

    fn flush_queued(&mut self) {
        let states = FAMILIES.map(|family| self.log.state(family));
        let place = |family: &str| FAMILIES.iter().position(|known| *known == family);
        let state = |family: &str| states[place(family).unwrap()];
        let channels = &self.reference.channels;
        for session in &mut self.reference.sessions {
            if std::mem::take(&mut session.is_queued) && !session.is_blocked {
                session.flush(&mut self.log, BOUNDS, state, channels);
            }
        }
    }

    fn settle(&mut self, thorough: bool) {
        trimming::settle(&mut self.log, thorough);
        let needed = self.reference.oldest();
        let start = self.log.arena.start();
        assert!(needed.is_none_or(|needed| needed >= start), "all is there");
        if thorough {
            let end = self.log.arena.end();
            assert_eq!(start, needed.unwrap_or(end), "nothing else is");
        }
    }

    fn trim(&mut self, number: u64) {
        trimming::trim(&mut self.log, number);
        let missed = self.reference.trim(number);
        let mut sums = HashMap::new();
        for (key, count) in self.log.take_passed().sessions {
            *sums.entry(key).or_insert(0) += count;
            self.reference.session(key).queue(&mut self.log);
        }
        assert_eq!(sums, missed);
    }

    pub(super) fn check(&self) {
        assert!(self.log.is_sound());
        assert!(self.log.cursors.detour_frames() <= LISTED);
        for session in &self.reference.sessions {
            session.check(&self.log);
        }
        let pending = self.reference.sessions.iter();
        let bytes: usize = pending.map(Session::pending_bytes).max().unwrap_or(0);
        assert!(trimming::size(&self.log) >= bytes, "what waits is counted");
    }

    /// Everybody takes all there is; then nothing is kept.
    pub(super) fn end(&mut self) {
        // A piece of what is owed at a time.
        for _ in 0..50 {
            for session in &mut self.reference.sessions {
                session.room = usize::MAX;
                session.is_blocked = false;
                session.queue(&mut self.log);
            }
            self.flush_queued();
            self.flush_views();
            self.check();
        }
        assert!(self.reference.sessions.iter().all(Session::has_all));
        assert_eq!(self.log.missed_size, 0);
        for session in &self.reference.sessions {
            session.check_end(&self.reference.channels);
        }
        trimming::settle(&mut self.log, false);
        assert!(self.log.is_empty());
        assert_eq!(trimming::size(&self.log), 0);
        for session in self.reference.sessions.drain(..) {
            self.log.leave(session.key);
        }
        assert_eq!(self.log.cursors.views.iter().count(), 0);
        for pattern in PATTERNS {
            assert_eq!(self.log.cursors.views.find(pattern), None);
        }
        assert!(self.log.is_sound());
    }
}
