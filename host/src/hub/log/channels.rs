//! The channels that a loop has seen messages of, and where each stands. Bounded by the channels
//! that the host numbers.

use std::collections::HashMap;

use super::ChannelId;
use crate::channel::{Channel, Pattern};

#[derive(Debug, Default)]
pub(super) struct Channels {
    by_id: Vec<Option<Known>>,
    by_name: HashMap<Pattern, ChannelId>,
}

#[derive(Debug)]
struct Known {
    name: Channel,
    seq: u64,
}

impl Channels {
    /// The channel's last message has the number `seq`.
    pub(super) fn note(&mut self, id: ChannelId, name: &Channel, seq: u64) {
        let at = id.0 as usize;
        if self.by_id.len() <= at {
            self.by_id.resize_with(at + 1, || None);
        }
        match &mut self.by_id[at] {
            Some(known) => known.seq = seq,
            unknown => {
                let name = name.clone();
                self.by_name.insert(name.as_pattern().clone(), id);
                *unknown = Some(Known { name, seq });
            }
        }
    }

    /// A channel by its name, and the number of its last message.
    pub(super) fn find(&self, channel: &str) -> Option<(ChannelId, u64)> {
        let id = *self.by_name.get(channel)?;
        let known = self.by_id[id.0 as usize].as_ref()?;
        Some((id, known.seq))
    }

    /// # Panics
    /// Never for a channel that was noted.
    pub(super) fn name(&self, id: ChannelId) -> &Channel {
        let known = self.by_id[id.0 as usize].as_ref();
        &known.expect("frames are of channels that were noted").name
    }
}
