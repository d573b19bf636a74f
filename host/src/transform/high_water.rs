//! The most that a revision has used of what is limited, so that limits can be set by what was
//! seen. An instance notes its own in plain numbers; what it shares rises rarely.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What was used at most, by one instance or by all of a revision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peaks {
    /// Bytes of an instance's memory.
    pub memory: u64,
    /// The time of one call, by the clock: its own and what it waited for the processor.
    pub call: Duration,
    /// Publications of one event.
    pub publications: u64,
    /// Bytes of all publications of one event.
    pub output: u64,
}

impl Peaks {
    /// Whether any of them rose.
    pub(super) fn raise(&mut self, seen: &Self) -> bool {
        let before = *self;
        *self = Self {
            memory: self.memory.max(seen.memory),
            call: self.call.max(seen.call),
            publications: self.publications.max(seen.publications),
            output: self.output.max(seen.output),
        };
        *self != before
    }
}

/// The peaks of a revision; shared by its lanes.
#[derive(Debug, Default)]
pub struct RevisionPeaks {
    memory: AtomicU64,
    call_nanos: AtomicU64,
    publications: AtomicU64,
    output: AtomicU64,
}

impl RevisionPeaks {
    pub fn raise(&self, peaks: &Peaks) {
        let nanos = u64::try_from(peaks.call.as_nanos()).unwrap_or(u64::MAX);
        for (mark, value) in [
            (&self.memory, peaks.memory),
            (&self.call_nanos, nanos),
            (&self.publications, peaks.publications),
            (&self.output, peaks.output),
        ] {
            mark.fetch_max(value, Ordering::Relaxed);
        }
    }

    pub fn read(&self) -> Peaks {
        let read = |mark: &AtomicU64| mark.load(Ordering::Relaxed);
        Peaks {
            memory: read(&self.memory),
            call: Duration::from_nanos(read(&self.call_nanos)),
            publications: read(&self.publications),
            output: read(&self.output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_rises_by_itself_and_none_falls() {
        let peaks = |memory, publications| Peaks {
            memory,
            call: Duration::from_micros(publications),
            publications,
            output: 10 * publications,
        };
        let mut own = Peaks::default();
        assert!(own.raise(&peaks(5, 1)));
        assert!(!own.raise(&peaks(4, 1)));
        assert!(own.raise(&peaks(1, 2)));
        assert_eq!(own, peaks(5, 2));
        let shared = RevisionPeaks::default();
        shared.raise(&own);
        shared.raise(&peaks(7, 1));
        assert_eq!(shared.read(), peaks(7, 2));
    }
}
