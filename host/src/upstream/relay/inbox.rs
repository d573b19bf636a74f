//! What Redis brings to an edge host, checked, and handed to the hub in its order; and what is known
//! of the channels that it comes on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::families::EdgeFamilies;
use super::form;
use super::held::{HeldMessages, Release};
use super::names::RelayNames;
use super::record::{FamilyNews, IngestRecord, IngestWatch};
use super::start::{ChannelState, MAX_KEPT, OwedSince};
use crate::channel::{Channel, Pattern};
use crate::hub::{Hub, RelayedMessage};
use crate::metrics::Metrics;
use crate::settings::RedisNode;
use crate::transform::Family;

/// Channels that were noted as new and are not looked at yet; over it the connection begins anew.
const MAX_NOTED: usize = 100_000;

/// What ingest hosts have noted, and Redis.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub(super) channels: Vec<Channel>,
    /// They have something to say of families.
    pub(super) families: bool,
    /// A message of a later epoch has come.
    pub(super) epoch: bool,
    /// Nodes of a cluster that have ended subscriptions, as the slots of these are somewhere else.
    pub(super) left: BTreeSet<RedisNode>,
}

#[derive(Debug)]
pub(super) struct EdgeInbox {
    names: RelayNames,
    hub: Arc<Hub>,
    metrics: Metrics,
    max_message: usize,
    state: Mutex<EdgeState>,
    noted: Notify,
    /// The connection is of no use any more.
    pub(super) closed: Notify,
}

#[derive(Debug, Default)]
struct EdgeState {
    generation: u64,
    channels: HashMap<Pattern, EdgeChannel>,
    families: EdgeFamilies,
    watch: IngestWatch,
    news: Vec<(String, FamilyNews)>,
    noted: Noted,
    held: HeldMessages,
}

/// A channel that is subscribed to.
#[derive(Debug)]
enum EdgeChannel {
    /// What came before it is known where it stands, and its bytes.
    Begins(Vec<Vec<u8>>, usize),
    Flows,
}

impl EdgeInbox {
    pub(super) fn new(
        names: RelayNames,
        hub: Arc<Hub>,
        metrics: Metrics,
        max_message: usize,
    ) -> Self {
        Self {
            names,
            hub,
            metrics,
            max_message,
            state: Mutex::default(),
            noted: Notify::new(),
            closed: Notify::new(),
        }
    }

    /// Waits until something is noted.
    pub(super) async fn noted(&self) -> Noted {
        self.noted.notified().await;
        std::mem::take(&mut self.state.lock().noted)
    }

    /// A message has come on a channel in Redis.
    pub(super) fn take(&self, name: &[u8], payload: &[u8]) {
        let Ok(name) = std::str::from_utf8(name) else {
            return self.reject();
        };
        let mut state = self.state.lock();
        let Some(public) = self.names.public(name) else {
            return self.note(&mut state, payload);
        };
        self.metrics.relay.received.inc();
        if payload.len() > self.max_message {
            return self.reject();
        }
        match state.channels.get_mut(public) {
            // It was let go a moment ago.
            None => {}
            Some(EdgeChannel::Begins(kept, bytes)) if *bytes + payload.len() <= MAX_KEPT => {
                *bytes += payload.len();
                kept.push(payload.to_vec());
            }
            // Its number tells of it.
            Some(EdgeChannel::Begins(..)) => {}
            Some(EdgeChannel::Flows) => {
                let Ok(channel) = public.parse::<Channel>() else {
                    return self.reject();
                };
                if let Some(message) = self.read(&mut state, &channel, payload) {
                    self.deliver_or_hold(&mut state, message);
                }
            }
        }
    }

    fn note(&self, state: &mut EdgeState, payload: &[u8]) {
        match std::str::from_utf8(payload)
            .ok()
            .map(|text| text.split_at_checked(2))
        {
            Some(Some(("c ", name))) => match name.parse() {
                Ok(channel) => state.noted.channels.push(channel),
                Err(_) => return self.reject(),
            },
            _ if payload == b"s" => state.noted.families = true,
            _ => return self.reject(),
        }
        if state.noted.channels.len() > MAX_NOTED {
            self.closed.notify_one();
        }
        self.noted.notify_one();
    }

    fn reject(&self) {
        if self.metrics.relay.rejected.get() == 0 {
            tracing::warn!(
                "Redis brings what no ingest host of this version sends; it is not delivered, and counted as rejected"
            );
        }
        self.metrics.relay.rejected.inc();
    }

    /// The message, where it is one of this channel and of this epoch.
    fn read(
        &self,
        state: &mut EdgeState,
        channel: &Channel,
        payload: &[u8],
    ) -> Option<RelayedMessage> {
        let Some(family) = state.families.get(channel.as_pattern().family()) else {
            self.reject();
            return None;
        };
        let Some(head) = form::read(payload, channel.as_str(), &family.family) else {
            self.reject();
            return None;
        };
        if head.generation != state.generation {
            if head.generation > state.generation {
                state.noted.epoch = true;
                self.noted.notify_one();
            }
            return None;
        }
        state.held.note_sender(head.instance, head.changes);
        Some(RelayedMessage {
            channel: channel.clone(),
            seq: head.seq,
            text: head.text.to_owned(),
            received: Instant::now(),
            family: family.metrics.clone(),
            standing: family.standing(),
        })
    }

    /// What was lost before a message is told before it: it waits until that is known.
    fn deliver_or_hold(&self, state: &mut EdgeState, message: RelayedMessage) {
        match state.held.hold(message) {
            Some(message) => self.hub.deliver(vec![message]),
            None => self.look_for_records(state),
        }
    }

    fn look_for_records(&self, state: &mut EdgeState) {
        state.noted.families = true;
        self.noted.notify_one();
    }

    /// What is to be told of families was told: messages that waited for it go on.
    pub(super) fn release_held(&self) {
        let state = &mut *self.state.lock();
        match state.held.release() {
            Release::Deliver(messages) => self.hub.deliver(messages),
            Release::LookAgain => self.look_for_records(state),
        }
    }

    /// The server has ended a subscription by itself: its channel is somewhere else now.
    pub(super) fn note_unsubscribed(&self, name: &[u8], node: Option<&RedisNode>) {
        let name = std::str::from_utf8(name).unwrap_or_default();
        let public = self.names.public(name);
        let mut state = self.state.lock();
        if public.is_none_or(|public| state.channels.contains_key(public)) {
            match node {
                Some(node) => {
                    state.noted.left.insert(node.clone());
                    self.noted.notify_one();
                }
                None => self.closed.notify_one(),
            }
        }
    }

    /// These are subscribed to: what comes of them is kept until they are begun.
    pub(super) fn expect(&self, channels: &[(Channel, OwedSince)]) {
        let mut state = self.state.lock();
        for (channel, _) in channels {
            let name = channel.as_pattern();
            if !matches!(state.channels.get(name), Some(EdgeChannel::Begins(..))) {
                let begins = EdgeChannel::Begins(Vec::new(), 0);
                state.channels.insert(name.clone(), begins);
            }
        }
        self.count(&state);
    }

    /// It is known where a channel stands: from now on its messages flow.
    pub(super) fn begun(&self, channel: &Channel, owed: OwedSince, found: ChannelState) {
        let mut state = self.state.lock();
        let known = state
            .channels
            .insert(channel.as_pattern().clone(), EdgeChannel::Flows);
        let Some(EdgeChannel::Begins(kept, _)) = known else {
            // It flows already, and its numbers go on.
            return;
        };
        // What is left of an epoch before counts for nothing.
        let is_current = found.generation == state.generation;
        let seq = if is_current { found.seq } else { 0 };
        let mut messages: Vec<RelayedMessage> = Vec::new();
        match owed {
            OwedSince::Now => {
                let last = found
                    .last
                    .filter(|(_, came)| self.is_owed(&state, channel, *came));
                let last = last.and_then(|(payload, _)| self.read(&mut state, channel, &payload));
                let last = last.filter(|last| last.seq == seq && last.standing.is_some());
                let before = seq.saturating_sub(last.iter().len() as u64);
                self.hub.set_number(channel, before);
                messages.extend(last);
            }
            OwedSince::Begin => {
                self.hub.set_number(channel, 0);
            }
            OwedSince::Last | OwedSince::Moved => {}
        }
        for payload in found.recent.iter().chain(&kept) {
            messages.extend(self.read(&mut state, channel, payload));
        }
        messages.sort_by_key(|message| message.seq);
        self.hub.deliver(messages);
        if owed == OwedSince::Last && self.hub.number(channel).is_some_and(|last| last < seq) {
            // Sessions are told that nobody knows what they missed, as the connection was lost.
            self.hub.set_number(channel, seq);
        }
    }

    /// Whether the last message of a channel, which came then, may be given out.
    fn is_owed(&self, state: &EdgeState, channel: &Channel, came: u64) -> bool {
        let since = state.watch.made_since(channel.as_pattern().family());
        since.is_some_and(|since| came >= since)
    }

    pub(super) fn has(&self, channel: &Channel) -> bool {
        let state = self.state.lock();
        state.channels.contains_key(channel.as_pattern())
    }

    pub(super) fn channels(&self) -> Vec<Channel> {
        let state = self.state.lock();
        let names = state.channels.keys();
        names
            .filter_map(|name| name.as_str().parse().ok())
            .collect()
    }

    /// Lets go of the channels that are not `wanted`, and says which.
    pub(super) fn let_go(&self, wanted: impl Fn(&Channel) -> bool) -> Vec<Channel> {
        let mut gone = Vec::new();
        let mut state = self.state.lock();
        state.channels.retain(|name, _| {
            let channel: Option<Channel> = name.as_str().parse().ok();
            let stays = channel.as_ref().is_some_and(&wanted);
            gone.extend(channel.filter(|_| !stays));
            stays
        });
        self.count(&state);
        gone
    }

    fn count(&self, state: &EdgeState) {
        let channels = i64::try_from(state.channels.len()).unwrap_or(i64::MAX);
        self.metrics.relay.channels.set(channels);
    }

    /// Takes the relay's epoch; whether numbers begin anew with it.
    pub(super) fn set_epoch(&self, generation: u64, epoch: &str) -> bool {
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.generation, generation);
        if before == generation {
            return false;
        }
        if before == 0 {
            self.hub.set_epoch(epoch);
            return false;
        }
        tracing::error!(
            "the numbers of the relay begin anew, as its Redis was started, replaced or emptied; sessions end, and \
             their clients come back"
        );
        self.metrics.relay.renumbered.inc();
        state.channels.clear();
        self.hub.begin_anew(epoch);
        true
    }

    pub(super) fn unknown_catalogs(&self, now: u64, records: &[IngestRecord]) -> Vec<String> {
        self.state.lock().families.unknown(now, records)
    }

    pub(super) fn learn(&self, digest: String, text: &str) {
        self.state.lock().families.learn(digest, text);
    }

    /// Takes what ingest hosts say. Gives all families where they are others than before.
    pub(super) fn follow(&self, now: u64, records: &[IngestRecord]) -> Option<Vec<Arc<Family>>> {
        let state = &mut *self.state.lock();
        let news = state.watch.look(now, records);
        state.news.extend(news);
        state.held.follow(records);
        state.families.follow(now, records, &self.metrics)
    }

    /// What is to be told of families, in its order.
    pub(super) fn take_news(&self) -> Vec<(String, FamilyNews)> {
        std::mem::take(&mut self.state.lock().news)
    }

    /// Nothing is heard of any family; gives them all.
    pub(super) fn forget(&self) -> Vec<String> {
        let mut state = self.state.lock();
        state.watch.forget();
        state.news.clear();
        state.held.forget();
        for channel in state.channels.values_mut() {
            *channel = EdgeChannel::Flows;
        }
        state.watch.families()
    }

    /// What was made of a family before is given out no more, nor what comes while it is `paused`.
    pub(super) fn withdraw(&self, family: &str, paused: bool) {
        let state = self.state.lock();
        if let Some(family) = state.families.get(family) {
            family.origin.withdraw();
            if !paused {
                family.origin.restore();
            }
        }
    }
}
