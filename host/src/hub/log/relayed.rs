//! What only an edge host's log is told: numbers that another host gave, and which of them never
//! came.

use std::time::Instant;

use super::{ChannelId, FrameContent, Log, LogMessage};
use crate::channel::{Channel, Pattern};
use crate::hub::frame;
use crate::hub::notice::{self, Reason};

/// The messages from `from` to right before this one never came to this host. Where the last of a
/// channel is all that counts, nobody is short of them.
pub(crate) fn miss(log: &mut Log, message: LogMessage<'_>, from: u64) {
    if message.last.is_some_and(|last| last.delivery.is_latest) {
        return;
    }
    let range = (from, message.seq - 1);
    let name = message.name;
    let gap = notice::gap(name.as_str(), range.0, range.1, Reason::Upstream);
    let what = FrameContent::Passed {
        channel: message.id,
        range,
        family: message.family,
    };
    // A session for which the log drops it is told by the channel's name.
    log.channels.note(message.id, name, range.1, message.last);
    log.append(name, &frame::text(&gap), Instant::now(), what);
}

/// The last message of a channel has this number, and was not for anybody here.
pub(crate) fn note_number(log: &mut Log, name: &Channel, id: ChannelId, seq: u64) {
    log.channels.note(id, name, seq, None);
}

/// The patterns that sessions hold.
pub(crate) fn patterns(log: &Log) -> Vec<Pattern> {
    log.cursors.views.patterns()
}
