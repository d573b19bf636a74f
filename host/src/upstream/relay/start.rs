//! An edge host's subscription to one public channel, from its begin to its end: what comes before
//! it is known where the channel stands is kept, so that nothing falls between the two.

use super::commands::KeyedCommand;
use super::link::RelayLost;
use super::names::RelayNames;
use super::shards::Shards;
use crate::channel::Channel;

/// Channels that are begun together.
const TOGETHER: usize = 256;

/// Bytes of messages that are kept for a channel whose begin takes long; over it they are dropped,
/// and their numbers tell of them.
pub(super) const MAX_KEPT: usize = 1 << 20;

/// From where on messages of a channel are owed to sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OwedSince {
    /// Nobody had subscribed before.
    Now,
    /// Somebody has them up to what the hub knows, and was told that some may be lost.
    Last,
    /// Somebody has them up to what the hub knows, and was told nothing: what is missing is told by
    /// the numbers.
    Moved,
    /// The channel is new, and somebody holds a pattern that it is of.
    Begin,
}

/// Where a channel stands in Redis.
#[derive(Debug, Default)]
pub(super) struct ChannelState {
    pub(super) generation: u64,
    pub(super) seq: u64,
    /// The last message, where one is kept, and when it came.
    pub(super) last: Option<(Vec<u8>, u64)>,
    /// The messages of the last seconds.
    pub(super) recent: Vec<Vec<u8>>,
}

/// Pieces of what is to be begun.
pub(super) fn pieces(
    channels: &[(Channel, OwedSince)],
) -> impl Iterator<Item = &[(Channel, OwedSince)]> {
    channels.chunks(TOGETHER)
}

/// What the channels are called in Redis.
pub(super) fn names(names: &RelayNames, channels: &[(Channel, OwedSince)]) -> Vec<String> {
    let names = channels.iter().map(|(channel, _)| names.channel(channel));
    names.collect()
}

/// Subscribes to the channels, and then asks where each stands.
///
/// # Errors
/// Redis refuses it or does not answer.
pub(super) async fn begin(
    shards: &mut Shards,
    names: &RelayNames,
    channels: &[(Channel, OwedSince)],
) -> Result<Vec<ChannelState>, RelayLost> {
    type Known = (Option<u64>, Option<u64>, Option<Vec<u8>>, Option<u64>);
    shards.subscribe(&self::names(names, channels)).await?;
    let question = |(channel, _): &(Channel, OwedSince)| {
        let fields = ["g", "s", "l", "t"];
        KeyedCommand::new("HMGET", &names.number(channel)).with(&fields[..])
    };
    let questions: Vec<KeyedCommand> = channels.iter().map(question).collect();
    let known: Vec<Known> = shards.ask(&questions).await?;
    let is_owed = |owed: OwedSince| owed != OwedSince::Now;
    let owed = channels.iter().filter(|(_, owed)| is_owed(*owed));
    let question = |(channel, _): &(Channel, OwedSince)| {
        let list = KeyedCommand::new("LRANGE", &names.recent(channel));
        list.with(0).with(-1)
    };
    let questions: Vec<KeyedCommand> = owed.map(question).collect();
    let recent: Vec<Vec<Vec<u8>>> = match questions.is_empty() {
        true => Vec::new(),
        false => shards.ask(&questions).await?,
    };
    let mut recent = recent.into_iter();
    let states = channels.iter().zip(known).map(|((_, owed), known)| {
        let (generation, seq, last, came) = known;
        ChannelState {
            generation: generation.unwrap_or_default(),
            seq: seq.unwrap_or_default(),
            last: last.zip(came),
            recent: match is_owed(*owed) {
                true => recent.next().unwrap_or_default(),
                false => Vec::new(),
            },
        }
    });
    Ok(states.collect())
}

/// Ends subscriptions.
///
/// # Errors
/// Redis refuses it or does not answer.
pub(super) async fn end(
    shards: &mut Shards,
    names: &RelayNames,
    channels: &[Channel],
) -> Result<(), RelayLost> {
    for piece in channels.chunks(TOGETHER) {
        let piece: Vec<String> = piece.iter().map(|channel| names.channel(channel)).collect();
        shards.unsubscribe(&piece).await?;
    }
    Ok(())
}
