//! What was missed, merged or not, adds up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::ChannelId;
use super::super::missed::Missed;
use crate::channel::Pattern;

/// Channels below are subscribed to by name.
const PLAIN: u32 = 3;
const MOST: usize = 5;

/// Through which of two patterns the session gets a channel.
fn wildcard_of(channel: ChannelId) -> Option<Pattern> {
    let text = ["even:*", "odd:*"][channel.0 as usize % 2];
    (channel.0 >= PLAIN).then(|| text.parse().unwrap())
}

proptest! {
    #[test]
    fn what_is_missed_is_told_exactly_or_counted(
        missed in prop::collection::vec((0..20_u32, 1..5_u64), 0..60),
    ) {
        let (mut merged, mut exact) = (Missed::default(), BTreeMap::new());
        for (channel, count) in missed {
            let channel = ChannelId(channel);
            let range: &mut (u64, u64) = exact.entry(channel).or_insert((1, 0));
            let numbers = (range.1 + 1, range.1 + count);
            range.1 += count;
            merged.messages(channel, numbers, MOST, wildcard_of);
        }
        let mut counts = BTreeMap::new();
        for (channel, range) in &exact {
            match wildcard_of(*channel).filter(|_| !merged.patterns.is_empty()) {
                Some(pattern) => *counts.entry(pattern).or_default() += range.1,
                None => prop_assert_eq!(merged.channels.get(channel), Some(range)),
            }
        }
        prop_assert_eq!(&merged.patterns, &counts);
        prop_assert!(merged.channels.len() <= MOST + PLAIN as usize);
        prop_assert!(exact.len() > MOST || merged.patterns.is_empty());
    }
}
