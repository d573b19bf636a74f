//! How much a dependency tells: an estimate in bits an event.

use std::collections::BTreeMap;

/// What was told apart over the values that a field was given, all else being the same.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bits {
    /// Values that were tried.
    pub values: usize,
    /// Different outputs among what came of them.
    pub outputs: usize,
    /// The most that one event can tell, in bits: the logarithm of `outputs`. More values may
    /// show more outputs, so it is a lower bound.
    pub most: f64,
    /// The entropy of the outputs, in bits: what an event tells on average, if its values come as
    /// the fuzzer's do.
    pub average: f64,
}

impl Bits {
    /// From how often each output came.
    pub(super) fn of<T: Ord>(outputs: impl IntoIterator<Item = T>) -> Self {
        let mut counts: BTreeMap<T, usize> = BTreeMap::new();
        let mut values = 0;
        for output in outputs {
            values += 1;
            *counts.entry(output).or_default() += 1;
        }
        let total = values as f64;
        let share = |count: &usize| *count as f64 / total;
        let average = counts
            .values()
            .map(share)
            .map(|share| -share * share.log2());
        Self {
            values,
            outputs: counts.len(),
            most: (counts.len().max(1) as f64).log2(),
            average: average.sum::<f64>().max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_outputs() {
        let bits = Bits::of(["a", "b", "a", "b"]);
        assert_eq!((bits.values, bits.outputs), (4, 2));
        assert!((bits.most - 1.0).abs() < 1e-9 && (bits.average - 1.0).abs() < 1e-9);
        let rare = Bits::of((0..1024).map(|value| value == 7));
        assert!((rare.most - 1.0).abs() < 1e-9);
        assert!(rare.average > 0.010 && rare.average < 0.012, "{rare:?}");
        for nothing in [Bits::of(["a"; 9]), Bits::of([""; 0])] {
            assert!(nothing.most.abs() < 1e-9 && nothing.average.abs() < 1e-9);
        }
    }
}
