//! Messages of an ingest host on their way to Redis, across connections: what was sent and not
//! answered is sent again, and Redis knows it again by its count.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult};

use super::names::RelayNames;
use crate::channel::Channel;
use crate::hub::{Hub, Loss, Message};
use crate::metrics::RelayMetrics;

/// What became of a message, as the script answers.
type ScriptAnswer = (i64, u64, u64);

/// What one batch came to.
#[derive(Debug, Default)]
pub(super) struct BatchOutcome {
    /// By how many milliseconds another host was earlier, at most.
    pub(super) behind: u64,
    /// Another host knows a later epoch, or numbers were lost.
    pub(super) epoch_is_over: bool,
    pub(super) numbers_were_lost: bool,
    /// Some were sent too late: the host stood still, or Redis did.
    pub(super) is_late: bool,
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
    /// Of each channel that this host has sent in the epoch the last number; none until Redis has
    /// said one, which means that edge hosts know of the channel.
    channels: HashMap<Channel, Option<u64>>,
    pending: Vec<CountedMessage>,
    next: u64,
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
            next: 1,
        }
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
            let pending = self.pending.iter();
            let channels = pending.map(|counted| counted.message.channel.clone());
            self.channels
                .extend(channels.map(|channel| (channel, None)));
        }
        self.epoch = epoch;
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes messages; those of a channel that is one too many are dropped and told.
    pub(super) fn take(&mut self, messages: Vec<Message>) {
        for message in messages {
            let is_known = self.channels.contains_key(&message.channel);
            if !is_known && self.channels.len() >= self.max_channels {
                self.metrics.dropped.inc();
                let family = message.channel.as_pattern().family();
                self.hub.note_loss(family, Loss::Transform);
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

    /// Leaves what is pending, and so many messages more, to the other ingest hosts.
    pub(super) fn leave(&mut self, messages: usize) {
        let pending = std::mem::take(&mut self.pending);
        self.count("away", messages + pending.len());
    }

    fn count(&self, verdict: &str, messages: usize) {
        let sent = self.metrics.sent.with_label_values(&[verdict]);
        sent.inc_by(messages as u64);
    }

    /// Sends what is pending, in its order, and waits for the answers. What has no good answer stays
    /// pending, such as what comes to Redis after `until`, in milliseconds by its clock.
    ///
    /// # Errors
    /// Redis refuses it or does not answer; all of it stays pending.
    pub(super) async fn send(
        &mut self,
        connection: &mut MultiplexedConnection,
        script: &str,
        until: u64,
    ) -> RedisResult<BatchOutcome> {
        let mut batch = Pipeline::new();
        let mut noted: HashSet<&str> = HashSet::new();
        for CountedMessage { count, message } in &self.pending {
            let last = self.channels.get(&message.channel).copied().flatten();
            // Edge hosts are to know of the channel before its first message comes, and whether
            // they do is known with the answer.
            if last.is_none() && noted.insert(message.channel.as_str()) {
                self.note_channel(&mut batch, &message.channel);
            }
            let floor = last.unwrap_or_default();
            self.add(&mut batch, script, (*count, floor, until), message);
        }
        let answers: Vec<ScriptAnswer> = batch.query_async(connection).await?;
        let mut outcome = BatchOutcome::default();
        let pending = std::mem::take(&mut self.pending);
        let (mut first, mut second) = (0, 0);
        for (counted, (verdict, seq, behind)) in pending.into_iter().zip(answers) {
            match verdict {
                1 | 0 => {
                    first += usize::from(verdict == 1);
                    second += usize::from(verdict == 0);
                    outcome.behind = outcome.behind.max(behind);
                    self.channels.insert(counted.message.channel, Some(seq));
                }
                -3 => {
                    outcome.is_late = true;
                    self.pending.push(counted);
                }
                _ => {
                    outcome.epoch_is_over = true;
                    outcome.numbers_were_lost |= verdict == -2;
                    self.pending.push(counted);
                }
            }
        }
        self.count("first", first);
        self.count("second", second);
        Ok(outcome)
    }

    fn note_channel(&self, batch: &mut Pipeline, channel: &Channel) {
        let index = self.names.index(channel.as_pattern().family());
        let name = channel.as_str();
        batch.cmd("SADD").arg(index).arg(name).ignore();
        let note = format!("c {name}");
        batch.cmd("SPUBLISH").arg(self.names.notes()).arg(note);
        batch.ignore();
    }

    fn add(
        &self,
        batch: &mut Pipeline,
        script: &str,
        (count, floor, until): (u64, u64, u64),
        message: &Message,
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
            .arg(floor)
            .arg(until)
            .arg(waited);
    }
}
