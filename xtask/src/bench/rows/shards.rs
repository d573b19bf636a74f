//! How evenly public channels would lie on the shards of a cluster: the busiest one decides how much
//! all of them carry. Worked out, not measured.

use tidegate::upstream::redis::hash_slot;

use crate::row::{Row, Target};

const SHARDS: u64 = 8;
const SLOTS: u64 = 16_384;

/// Slots of a cluster are divided evenly; a channel lies in the slot of its name.
fn shard(channel: &str) -> usize {
    let place = u64::from(hash_slot(channel));
    usize::try_from(place * SHARDS / SLOTS).unwrap_or_default()
}

/// The load of the busiest shard, divided by the mean, where the channel of each rank has so much.
fn imbalance(channels: usize, load: impl Fn(usize) -> f64) -> f64 {
    let mut shards = vec![0.0; usize::try_from(SHARDS).unwrap_or_default()];
    for rank in 0..channels {
        let channel = format!("candles:SYM{rank:05}-USD:1m");
        shards[shard(&channel)] += load(rank);
    }
    let busiest = shards.iter().copied().fold(0.0, f64::max);
    busiest * shards.len() as f64 / shards.iter().sum::<f64>()
}

pub(super) fn rows() -> Vec<Row> {
    let row = |what: String, value| Row::new(what, "÷", Target::None, [value]);
    let mut rows = Vec::new();
    for channels in [100, 1_000, 10_000] {
        let what = format!("busiest of {SHARDS} shards ÷ mean, {channels} channels");
        rows.push(row(format!("{what}, equal"), imbalance(channels, |_| 1.0)));
        let zipf = imbalance(channels, |rank| 1.0 / (rank as f64 + 1.0));
        rows.push(row(
            format!("{what}, the second half as busy, the third a third, …"),
            zipf,
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_what_lies_on_them() {
        assert!(imbalance(10_000, |_| 1.0) < 1.2);
        assert!(imbalance(1, |_| 1.0) > 7.9);
    }
}
