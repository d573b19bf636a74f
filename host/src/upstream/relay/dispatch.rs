//! Messages of an ingest host on their way to Redis, across connections: what was sent and not
//! answered is sent again, and Redis knows it again by its count.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use redis::{FromRedisValue, Pipeline, RedisError, RedisResult, Value};

use super::blocked::BlockedChannels;
use super::commands::KeyedCommand;
use super::link::RelayLost;
use super::names::RelayNames;
use super::shards::Shards;
use crate::channel::Channel;
use crate::hub::{Hub, Loss, Message};
use crate::metrics::RelayMetrics;
use crate::upstream::redis::{Routing, route};

/// What became of a message, as the script answers.
type ScriptAnswer = (i64, u64, u64);

/// What one batch came to.
#[derive(Debug, Default)]
pub(super) struct BatchOutcome {
    /// By how many milliseconds another host was earlier, at most.
    pub(super) behind: u64,
    /// The generation of a later epoch, which another host knows; 0 for none.
    pub(super) later: u64,
    pub(super) numbers_were_lost: bool,
    /// Some were sent too late: the host stood still, or Redis did.
    pub(super) is_late: bool,
    /// Some have another server now.
    pub(super) has_moved: bool,
    /// Some are to be tried again, as their slot is on its way.
    pub(super) waits: bool,
    /// A server did not answer, or refused.
    pub(super) failure: Option<RedisError>,
}

/// A message that has its count.
#[derive(Debug)]
struct CountedMessage {
    count: u64,
    message: Message,
}

/// What is sent in which epoch.
#[derive(Debug)]
pub(super) struct Dispatch {
    names: RelayNames,
    hub: Arc<Hub>,
    metrics: RelayMetrics,
    instance: String,
    last_size: usize,
    max_channels: usize,
    /// The epoch's generation, and its name.
    epoch: (u64, String),
    /// Of each channel that this host sends in the epoch the last number; none until edge hosts
    /// have been told of the channel.
    channels: HashMap<Channel, Option<u64>>,
    pending: Vec<CountedMessage>,
    blocked: BlockedChannels,
    next: u64,
    /// When this host came in step: what it had held back until then is not late for that.
    in_step_since: Option<Instant>,
}

impl Dispatch {
    pub(super) fn new(
        names: RelayNames,
        hub: Arc<Hub>,
        metrics: RelayMetrics,
        instance: String,
        (last_size, max_channels): (usize, usize),
    ) -> Self {
        Self {
            names,
            hub,
            metrics,
            instance,
            last_size,
            max_channels,
            epoch: (0, String::new()),
            channels: HashMap::new(),
            pending: Vec::new(),
            blocked: BlockedChannels::default(),
            next: 1,
            in_step_since: None,
        }
    }

    /// From now on this host sends what it makes, with what it has held back.
    pub(super) fn come_in_step(&mut self) {
        self.in_step_since = Some(Instant::now());
    }

    pub(super) fn generation(&self) -> u64 {
        self.epoch.0
    }

    /// Goes on in this epoch, where each channel begins at one again if it is another.
    pub(super) fn set_epoch(&mut self, epoch: (u64, String)) {
        if epoch.0 != self.epoch.0 {
            tracing::info!(
                generation = epoch.0,
                "the numbers of the relay have an epoch"
            );
            self.channels.clear();
            self.blocked.clear();
            let pending = self.pending.iter();
            let channels = pending.map(|counted| counted.message.channel.clone());
            self.channels
                .extend(channels.map(|channel| (channel, None)));
        }
        self.epoch = epoch;
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Takes messages; those of a channel that is one too many are dropped and told.
    pub(super) fn take(&mut self, messages: Vec<Message>) {
        for message in messages {
            let is_known = self.channels.contains_key(&message.channel);
            if !is_known && self.channels.len() >= self.max_channels {
                self.drop_message(&message);
                continue;
            }
            if !is_known {
                self.channels.insert(message.channel.clone(), None);
            }
            self.pending.push(CountedMessage {
                count: self.next,
                message,
            });
            self.next += 1;
        }
    }

    fn drop_message(&self, message: &Message) {
        self.metrics.dropped.inc();
        let family = message.channel.as_pattern().family();
        self.hub.note_loss(family, Loss::Transform);
    }

    /// Leaves what is pending, and so many messages more, to the other ingest hosts.
    pub(super) fn leave(&mut self, messages: usize) {
        let pending = std::mem::take(&mut self.pending);
        self.blocked.clear();
        self.count("away", messages + pending.len());
    }

    fn count(&self, verdict: &str, messages: usize) {
        let sent = self.metrics.sent.with_label_values(&[verdict]);
        sent.inc_by(messages as u64);
    }

    /// Sends what is pending, each channel's in its order, and waits for the answers. What has no good
    /// answer stays pending, such as what comes to its server later than `patience`. `now` is in
    /// milliseconds by the clock that ingest hosts speak by, and `changes` what its record has.
    ///
    /// # Errors
    /// Edge hosts cannot be told of new channels; all of it stays pending.
    pub(super) async fn send(
        &mut self,
        shards: &mut Shards,
        patience: u64,
        (now, changes): (u64, u64),
    ) -> Result<BatchOutcome, RelayLost> {
        self.note_channels(shards).await?;
        let leap = shards.leap();
        let mut batches: Vec<(Pipeline, Vec<CountedMessage>)> = Vec::new();
        batches.resize_with(shards.count(), Default::default);
        // Of each channel the last message.
        let mut on_their_way: HashMap<Channel, u64> = HashMap::new();
        for counted in std::mem::take(&mut self.pending) {
            let channel = &counted.message.channel;
            let ahead = on_their_way.get(channel).copied();
            if ahead.is_some() && self.blocked.waits(channel, Instant::now()) {
                self.pending.push(counted);
                continue;
            }
            on_their_way.insert(channel.clone(), counted.count);
            let place = shards.place(&self.names.channel(&counted.message.channel));
            let until = shards.now(place).saturating_add(patience);
            let (batch, messages) = &mut batches[place];
            let script = &shards.at(place).script;
            self.add(
                batch,
                script,
                (until, now, changes),
                &counted,
                (leap, ahead),
            );
            messages.push(counted);
        }
        let sending = batches.into_iter().enumerate();
        let sending = sending.filter(|(_, (batch, _))| !batch.is_empty());
        let sending = sending.map(async |(place, (mut batch, messages))| {
            let mut connection = shards.at(place).commands.clone();
            batch.ignore_errors();
            let answers: RedisResult<Vec<Value>> = batch.query_async(&mut connection).await;
            (place, messages, answers)
        });
        let sent = join_all(sending).await;
        let mut outcome = BatchOutcome::default();
        for (place, messages, answers) in sent {
            match answers {
                Ok(answers) => {
                    for (counted, answer) in messages.into_iter().zip(answers) {
                        let routing = route(&answer, &shards.at(place).at);
                        self.judge(counted, answer, &routing, &mut outcome);
                    }
                }
                Err(error) => {
                    self.pending.extend(messages);
                    outcome.failure = Some(error);
                }
            }
        }
        self.pending.sort_unstable_by_key(|counted| counted.count);
        outcome.behind = outcome.behind.saturating_sub(leap);
        Ok(outcome)
    }

    /// What a server's answer means for a message.
    fn judge(
        &mut self,
        counted: CountedMessage,
        answer: Value,
        routing: &Routing,
        outcome: &mut BatchOutcome,
    ) {
        match routing {
            Routing::Answered => {}
            Routing::Moved(_) | Routing::Elsewhere => {
                outcome.has_moved = true;
                let channel = &counted.message.channel;
                self.blocked.note_moved(channel, Instant::now());
                return self.pending.push(counted);
            }
            Routing::Ask(_) | Routing::Later => {
                return self.wait_or_drop(counted, outcome);
            }
        }
        let answer = answer
            .extract_error()
            .and_then(|answer| Ok(ScriptAnswer::from_redis_value(answer)?));
        let (verdict, seq, behind) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                outcome.failure = Some(error);
                return self.pending.push(counted);
            }
        };
        match verdict {
            1 | 0 => {
                self.count(if verdict == 1 { "first" } else { "second" }, 1);
                let held = self.held_back(&counted.message);
                outcome.behind = outcome.behind.max(behind.saturating_sub(held));
                self.blocked
                    .arrive(&counted.message.channel, Instant::now());
                self.channels.insert(counted.message.channel, Some(seq));
            }
            -3 => {
                outcome.is_late = true;
                self.pending.push(counted);
            }
            -2 => {
                outcome.numbers_were_lost = true;
                self.pending.push(counted);
            }
            // It goes again behind that one.
            -4 => self.pending.push(counted),
            _ => {
                outcome.later = outcome.later.max(seq);
                self.pending.push(counted);
            }
        }
    }

    /// For how many milliseconds a message waited for this host to be in step.
    fn held_back(&self, message: &Message) -> u64 {
        let held = self
            .in_step_since
            .map(|since| since.saturating_duration_since(message.received));
        held.map_or(0, |held| {
            u64::try_from(held.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// The slot of a message is on its way, and none of its nodes takes it.
    fn wait_or_drop(&mut self, counted: CountedMessage, outcome: &mut BatchOutcome) {
        let channel = &counted.message.channel;
        if self.blocked.block(channel, Instant::now()) {
            outcome.waits = true;
            return self.pending.push(counted);
        }
        if self.metrics.dropped.get() == 0 {
            tracing::error!(
                "a slot of the cluster is on its way to another node and does not arrive, so messages are dropped; \
                 end the move (redis-cli --cluster fix)"
            );
        }
        self.drop_message(&counted.message);
    }

    /// Edge hosts are to know of a channel before its first message comes.
    async fn note_channels(&mut self, shards: &mut Shards) -> Result<(), RelayLost> {
        let mut fresh: HashSet<&Channel> = HashSet::new();
        for CountedMessage { message, .. } in &self.pending {
            let noted = self.channels.get(&message.channel);
            if !matches!(noted, Some(Some(_))) {
                fresh.insert(&message.channel);
            }
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let mut commands = Vec::new();
        for channel in &fresh {
            let (index, notes) = (
                self.names.index(channel.as_pattern().family()),
                self.names.notes(),
            );
            let note = format!("c {channel}", channel = channel.as_str());
            commands.push(KeyedCommand::new("SADD", &index).with(channel.as_str()));
            commands.push(KeyedCommand::new("SPUBLISH", &notes).with(note));
        }
        let _: Vec<Value> = shards.ask(&commands).await?;
        let fresh: Vec<Channel> = fresh.into_iter().cloned().collect();
        let noted = fresh.into_iter().map(|channel| (channel, Some(0)));
        self.channels.extend(noted);
        Ok(())
    }

    fn add(
        &self,
        batch: &mut Pipeline,
        script: &str,
        (until, now, changes): (u64, u64, u64),
        CountedMessage { count, message }: &CountedMessage,
        (leap, ahead): (u64, Option<u64>),
    ) {
        let (head, tail) = message.text.split_at(message.head);
        let [seen, before] = self.names.seen(&message.channel);
        // What was withdrawn meanwhile still goes out, and is not kept.
        let keeps = message.standing.as_ref().map_or(-1, |standing| {
            let stands = standing.mark.stands();
            let size = if stands { self.last_size } else { 0 };
            i64::try_from(size).unwrap_or(i64::MAX)
        });
        let identity = message.identity.map(|identity| identity.0);
        let waited = u64::try_from(message.received.elapsed().as_millis()).unwrap_or(u64::MAX);
        let floor = self.channels.get(&message.channel).copied().flatten();
        batch
            .cmd("EVALSHA")
            .arg(script)
            .arg(5)
            .arg(self.names.number(&message.channel))
            .arg(self.names.recent(&message.channel))
            .arg(seen)
            .arg(before)
            .arg(self.names.channel(&message.channel))
            .arg(self.epoch.0)
            .arg(&self.epoch.1)
            .arg(&self.instance)
            .arg(count)
            .arg(&identity.unwrap_or_default()[..])
            .arg(head)
            .arg(tail)
            .arg(keeps)
            .arg(floor.unwrap_or_default())
            .arg(until)
            .arg(waited)
            .arg(now)
            .arg(changes)
            .arg(ahead.unwrap_or_default())
            .arg(leap)
            .arg(self.blocked.kept(&message.channel, Instant::now()));
    }
}
