//! The channels that a loop has seen messages of, and where each stands. Bounded by the channels
//! that the host numbers.

use std::collections::HashMap;
use std::sync::Arc;

use super::ChannelId;
use crate::channel::{Channel, Pattern};
use crate::hub::held::{HeldMessage, Last};
use crate::transform::Delivery;

#[derive(Debug, Default)]
pub(super) struct Channels {
    by_id: Vec<Option<KnownChannel>>,
    by_name: HashMap<Pattern, ChannelId>,
    /// By family, the channels that ever had a `LastMessage`, in the order that they first had one.
    by_family: HashMap<String, Vec<ChannelId>>,
    /// Grows with each message of a channel that has a `LastMessage`.
    moment: u64,
}

#[derive(Debug)]
struct KnownChannel {
    name: Channel,
    seq: u64,
    /// Its place in the list of its family, if it ever had a `LastMessage`.
    place: Option<usize>,
    /// Boxed, as most channels have none.
    last_message: Option<Box<LastMessage>>,
}

/// What is known of the last message of a channel, where it is of use after its delivery.
#[derive(Debug)]
pub(super) struct LastMessage {
    pub(super) delivery: Delivery,
    /// The number of the first message that was delivered so.
    first: u64,
    /// The frame of the last message, if anybody had subscribed.
    pub(super) frame: Option<u64>,
    /// Its place in the list of its family.
    pub(super) place: usize,
    /// When it came, in the order of all.
    pub(super) moment: u64,
    held: Option<Arc<HeldMessage>>,
}

impl LastMessage {
    /// The last message, and its frame; none where that is not given out.
    pub(super) fn again(&self) -> Option<(&Arc<HeldMessage>, &[u8])> {
        let held = self.held.as_ref()?;
        Some((held, held.again()?))
    }
}

impl Channels {
    /// The channel's last message has the number `seq`.
    pub(super) fn note(&mut self, id: ChannelId, name: &Channel, seq: u64, last: Option<&Last>) {
        let at = id.0 as usize;
        if self.by_id.len() <= at {
            self.by_id.resize_with(at + 1, || None);
        }
        let by_name = &mut self.by_name;
        let known = self.by_id[at].get_or_insert_with(|| {
            let name = name.clone();
            by_name.insert(name.as_pattern().clone(), id);
            KnownChannel {
                name,
                seq,
                place: None,
                last_message: None,
            }
        });
        known.seq = seq;
        let Some(last) = last else {
            known.last_message = None;
            return;
        };
        self.moment += 1;
        let by_family = &mut self.by_family;
        let place = *known.place.get_or_insert_with(|| {
            let family = name.as_pattern().family().to_owned();
            let listed = by_family.entry(family).or_default();
            listed.push(id);
            listed.len() - 1
        });
        known.keep(last, place, self.moment);
    }

    /// The last message of a channel is this frame. Gives the frame that it replaces.
    pub(super) fn set_frame(&mut self, id: ChannelId, frame: u64) -> Option<u64> {
        let known = self.by_id[id.0 as usize].as_mut()?;
        let kept = known.last_message.as_mut()?;
        let before = kept.frame.replace(frame);
        before.filter(|_| kept.delivery.is_latest)
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

    pub(super) fn last_message(&self, id: ChannelId) -> Option<&LastMessage> {
        self.by_id
            .get(id.0 as usize)?
            .as_ref()?
            .last_message
            .as_deref()
    }

    /// Whether who missed this message can be given the channel's last one instead.
    pub(super) fn is_replaceable(&self, id: ChannelId, seq: u64) -> bool {
        self.last_message(id).is_some_and(|kept| {
            kept.delivery.is_latest && seq >= kept.first && kept.again().is_some()
        })
    }

    /// The channels of a family whose last messages may be of use, in an order that stays.
    pub(super) fn of_family(&self, family: &str) -> &[ChannelId] {
        self.by_family.get(family).map_or(&[], Vec::as_slice)
    }

    /// The moment of the newest of all last messages.
    pub(super) fn moment(&self) -> u64 {
        self.moment
    }

    /// Lets go of what was withdrawn.
    pub(super) fn sweep(&mut self) {
        self.each_last_message(|kept| {
            kept.held.take_if(|held| held.again().is_none());
        });
    }

    /// Forgets which frames have the last messages, as the log begins anew.
    pub(super) fn forget_frames(&mut self) {
        self.each_last_message(|kept| kept.frame = None);
    }

    fn each_last_message(&mut self, mut visit: impl FnMut(&mut LastMessage)) {
        for id in self.by_family.values().flatten() {
            let known = self.by_id[id.0 as usize].as_mut();
            if let Some(kept) = known.and_then(|known| known.last_message.as_deref_mut()) {
                visit(kept);
            }
        }
    }
}

impl KnownChannel {
    fn keep(&mut self, last: &Last, place: usize, moment: u64) {
        let held = last.held.clone();
        match &mut self.last_message {
            Some(kept) if kept.delivery == last.delivery => {
                (kept.held, kept.moment) = (held, moment);
            }
            kept => {
                *kept = Some(Box::new(LastMessage {
                    delivery: last.delivery,
                    first: self.seq,
                    frame: None,
                    place,
                    moment,
                    held,
                }));
            }
        }
    }
}
