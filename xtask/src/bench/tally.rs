//! What one client has of a batch of messages, and whether the numbers that they carry have
//! no hole: each message once, those of a channel in order, and how many it was told that it
//! will not get.

use anyhow::{Result, ensure};

use crate::feed::{Candle, Markets};

/// A batch: messages `first..first + messages`, spread over the markets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    pub(crate) first: usize,
    pub(crate) messages: usize,
    pub(crate) markets: Markets,
}

impl Range {
    /// The message's place in the batch.
    fn index(self, candle: &Candle) -> Result<usize> {
        let index = candle.number.checked_sub(self.first);
        let index = index.filter(|index| *index < self.messages);
        ensure!(
            index.is_some(),
            "message {} is of another batch",
            candle.number
        );
        let right = self.markets.of(candle.number) == candle.market;
        ensure!(
            right,
            "message {} came on a channel of others",
            candle.number
        );
        Ok(index.unwrap_or_default())
    }
}

/// One client's.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// A bit for each message of the batch.
    seen: Vec<u64>,
    pub(crate) got: usize,
    /// Messages that it was told it does not get.
    pub(crate) in_gaps: usize,
}

impl Tally {
    pub(crate) fn new(range: Range) -> Self {
        Self {
            seen: vec![0; range.messages.div_ceil(64)],
            ..Self::default()
        }
    }

    /// Counts a message, and gives its place in the batch.
    ///
    /// # Errors
    /// It came twice, after a later one of its channel, or belongs to no such batch.
    pub(crate) fn take(&mut self, range: Range, candle: &Candle) -> Result<usize> {
        let index = range.index(candle)?;
        ensure!(!self.has(index), "message {} came twice", candle.number);
        let next = index + range.markets.0;
        ensure!(
            !self.has(next),
            "message {} came after the next of its channel",
            candle.number
        );
        self.seen[index / 64] |= 1 << (index % 64);
        self.got += 1;
        Ok(index)
    }

    fn has(&self, index: usize) -> bool {
        let word = self.seen.get(index / 64).copied().unwrap_or_default();
        word & 1 << (index % 64) != 0
    }

    /// Whether nothing of so many is outstanding.
    pub(crate) fn is_complete(&self, wanted: usize) -> bool {
        self.got + self.in_gaps >= wanted
    }
}

/// The `seq` of each message of a batch, the same for all clients of a host.
#[derive(Debug)]
pub(crate) struct Numbers(Vec<u64>);

impl Numbers {
    pub(crate) fn new(range: Range) -> Self {
        Self(vec![0; range.messages])
    }

    /// # Errors
    /// Another client has got this message with another number.
    pub(crate) fn note(&mut self, index: usize, seq: Option<u64>) -> Result<()> {
        let Some(seq) = seq else { return Ok(()) };
        let known = &mut self.0[index];
        ensure!(
            *known == 0 || *known == seq,
            "a message has the numbers {known} and {seq}"
        );
        *known = seq;
        Ok(())
    }

    /// # Errors
    /// Two neighbours of a channel do not have neighbouring numbers.
    pub(crate) fn verify(&self, markets: Markets) -> Result<()> {
        for (earlier, later) in self.0.iter().zip(self.0.iter().skip(markets.0)) {
            let known = *earlier > 0 && *later > 0;
            ensure!(
                !known || earlier + 1 == *later,
                "a channel's numbers go {earlier}, {later}"
            );
        }
        Ok(())
    }
}

/// What clients together should have got of a batch, and what of it they did not get.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Losses {
    pub(crate) wanted: usize,
    /// Told, by a gap.
    pub(crate) in_gaps: usize,
    /// In silence.
    pub(crate) silent: usize,
}

impl Losses {
    pub(crate) fn add(&mut self, tally: &Tally, wanted: usize) {
        self.wanted += wanted;
        self.in_gaps += tally.in_gaps;
        self.silent += wanted.saturating_sub(tally.got + tally.in_gaps);
    }

    pub(crate) fn lost(self) -> usize {
        self.in_gaps + self.silent
    }

    /// In per cent of what was wanted.
    pub(crate) fn percent(self) -> f64 {
        100.0 * self.lost() as f64 / self.wanted.max(1) as f64
    }

    pub(crate) fn and(self, more: Self) -> Self {
        Self {
            wanted: self.wanted + more.wanted,
            in_gaps: self.in_gaps + more.in_gaps,
            silent: self.silent + more.silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range {
        first: 10,
        messages: 100,
        markets: Markets(2),
    };

    fn candle(number: usize) -> Candle {
        Candle {
            number,
            market: RANGE.markets.of(number),
            seq: None,
        }
    }

    #[test]
    fn a_message_counts_once_and_in_the_order_of_its_channel() {
        let mut tally = Tally::new(RANGE);
        for number in [11, 10, 12, 13, 109] {
            tally.take(RANGE, &candle(number)).expect("in order");
        }
        for number in [12, 107, 9, 110] {
            assert!(tally.take(RANGE, &candle(number)).is_err(), "{number}");
        }
        tally.in_gaps = 95;
        assert_eq!((tally.got, tally.is_complete(100)), (5, true));
        let mut losses = Losses::default();
        losses.add(&tally, 102);
        assert_eq!((losses.in_gaps, losses.silent, losses.lost()), (95, 2, 97));
    }

    #[test]
    fn numbers_are_the_same_for_all_and_without_a_hole() {
        let mut numbers = Numbers::new(RANGE);
        for (index, seq) in [(0, 7), (0, 7), (1, 1), (2, 8), (6, 10)] {
            numbers.note(index, Some(seq)).expect("the same for all");
        }
        numbers
            .verify(RANGE.markets)
            .expect("no hole where both are known");
        assert!(numbers.note(1, Some(2)).is_err());
        numbers.note(4, Some(8)).expect("new");
        assert!(numbers.verify(RANGE.markets).is_err());
    }
}
