//! An edge host's subscription to one public channel, from its begin to its end: what comes before
//! it is known where the channel stands is kept, so that nothing falls between the two.

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisResult};

use super::names::RelayNames;
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
    /// Somebody has them up to what the hub knows.
    Last,
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

/// Subscribes to the channels, and then asks where each stands.
///
/// # Errors
/// Redis refuses it or does not answer.
pub(super) async fn begin(
    connection: &mut MultiplexedConnection,
    names: &RelayNames,
    channels: &[(Channel, OwedSince)],
) -> RedisResult<Vec<ChannelState>> {
    type Known = (Option<u64>, Option<u64>, Option<Vec<u8>>, Option<u64>);
    // One name each: that is how the library counts what the server confirms.
    let mut subscribe = Pipeline::new();
    for (channel, _) in channels {
        subscribe
            .cmd("SSUBSCRIBE")
            .arg(names.channel(channel))
            .ignore();
    }
    subscribe.query_async::<()>(connection).await?;
    let mut question = Pipeline::new();
    for (channel, _) in channels {
        let fields = ["g", "s", "l", "t"];
        question
            .cmd("HMGET")
            .arg(names.number(channel))
            .arg(&fields[..]);
    }
    let known: Vec<Known> = question.query_async(connection).await?;
    let mut question = Pipeline::new();
    let is_owed = |owed: OwedSince| owed != OwedSince::Now;
    for (channel, _) in channels.iter().filter(|(_, owed)| is_owed(*owed)) {
        question
            .cmd("LRANGE")
            .arg(names.recent(channel))
            .arg(0)
            .arg(-1);
    }
    let recent: Vec<Vec<Vec<u8>>> = match question.is_empty() {
        true => Vec::new(),
        false => question.query_async(connection).await?,
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
    connection: &mut MultiplexedConnection,
    names: &RelayNames,
    channels: &[Channel],
) -> RedisResult<()> {
    for piece in channels.chunks(TOGETHER) {
        let mut unsubscribe = Pipeline::new();
        for channel in piece {
            unsubscribe
                .cmd("SUNSUBSCRIBE")
                .arg(names.channel(channel))
                .ignore();
        }
        unsubscribe.query_async::<()>(connection).await?;
    }
    Ok(())
}
