//! What comes into the log, what stands in it, and what it lets go of.

use std::time::Instant;

use super::{ChannelId, FamilyId, SessionKey};
use crate::channel::{Channel, Pattern};
use crate::hub::held::Last;
use crate::hub::notice::Reason;

/// What a frame of the log is, to be told where it is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FrameContent {
    Message {
        channel: ChannelId,
        seq: u64,
        family: FamilyId,
    },
    /// It tells itself of messages that never came to the log.
    Passed {
        channel: ChannelId,
        range: (u64, u64),
        family: FamilyId,
    },
    Notice(Pattern, Notice),
    /// A message that nobody is sent any more: a newer one of its channel replaces it.
    Overtaken(FamilyId),
}

/// A message on its way into the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogMessage<'a> {
    pub(crate) name: &'a Channel,
    pub(crate) id: ChannelId,
    pub(crate) seq: u64,
    pub(crate) family: FamilyId,
    /// When its event came.
    pub(crate) received: Instant,
    pub(crate) last: Option<&'a Last>,
}

impl FrameContent {
    /// The channel, the first and the last number, and the family of what it brings or tells
    /// of; none for a notice, and where it brings nothing any more.
    pub(super) fn numbers(&self) -> Option<(ChannelId, (u64, u64), FamilyId)> {
        match *self {
            Self::Message {
                channel,
                seq,
                family,
            } => Some((channel, (seq, seq), family)),
            Self::Passed {
                channel,
                range,
                family,
            } => Some((channel, range, family)),
            Self::Notice(..) | Self::Overtaken(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    State,
    Loss(Reason),
}

/// Messages that the log let go of before sessions took them.
#[derive(Debug, Default)]
pub(crate) struct PassedBy {
    /// How many each missed.
    pub(crate) sessions: Vec<(SessionKey, u64)>,
    /// How many in all, by family.
    pub(crate) families: Vec<u64>,
    /// By family, those that a newer one replaces, so that nobody missed them.
    pub(crate) replaced: Vec<u64>,
}

impl PassedBy {
    pub(super) fn count(counts: &mut Vec<u64>, family: FamilyId, messages: u64) {
        let at = usize::from(family.0);
        counts.resize(counts.len().max(at + 1), 0);
        counts[at] += messages;
    }
}
