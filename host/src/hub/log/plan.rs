//! What goes out next, worked out once for all sessions that stand at the same place.

use super::arena::{Arena, Run};
use super::{FamilyId, FrameContent};

/// Frames from a cursor on.
#[derive(Debug, Default)]
pub(crate) struct SendPlan {
    /// Where the bytes are; neighbours are one run.
    pub(crate) runs: Vec<Run>,
    pub(crate) bytes: usize,
    pub(crate) frames: usize,
    /// The number of the first frame.
    pub(crate) first: Option<u64>,
    /// Messages of each family, and their bytes.
    pub(crate) families: Vec<(FamilyId, u64, u64)>,
    /// For each frame that tells itself of messages that never came to the log, how many.
    pub(crate) passed: Vec<(FamilyId, u64)>,
    /// Of each family, the messages that are stepped over, as a newer one replaces each.
    pub(crate) replaced: Vec<(FamilyId, u64)>,
}

/// The most frames of one plan: more than a write has room for, and few enough that stepping over
/// replaced ones takes little time.
pub(super) const MOST_FRAMES: usize = if cfg!(test) { 8 } else { 16 << 10 };

impl SendPlan {
    /// Takes frames as long as there are some and they are within the bounds; at least one.
    pub(super) fn fill(
        &mut self,
        arena: &Arena<FrameContent>,
        numbers: impl Iterator<Item = u64>,
        max_runs: usize,
        max_bytes: usize,
    ) {
        self.runs.clear();
        self.families.clear();
        self.passed.clear();
        self.replaced.clear();
        (self.bytes, self.frames, self.first) = (0, 0, None);
        for number in numbers {
            if self.frames > 0 && (self.bytes >= max_bytes || self.runs.len() >= max_runs) {
                break;
            }
            let frame = arena.frame(number);
            self.frames += 1;
            if let FrameContent::Overtaken(family) = frame.what {
                add(&mut self.replaced, family);
                continue;
            }
            arena.extend(&mut self.runs, number);
            self.bytes += frame.len();
            self.first.get_or_insert(number);
            match frame.what {
                FrameContent::Message { family, .. } => self.count(family, frame.len() as u64),
                FrameContent::Passed {
                    family,
                    range: (from, to),
                    ..
                } => self.passed.push((family, to - from + 1)),
                FrameContent::Notice(..) | FrameContent::Overtaken(_) => {}
            }
        }
    }

    fn count(&mut self, family: FamilyId, bytes: u64) {
        let known = self.families.iter_mut().find(|known| known.0 == family);
        match known {
            Some((_, messages, sum)) => (*messages, *sum) = (*messages + 1, *sum + bytes),
            None => self.families.push((family, 1, bytes)),
        }
    }

    /// Messages that are stepped over.
    pub(crate) fn stepped_over(&self) -> usize {
        let counts = self.replaced.iter().map(|(_, count)| count);
        usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX)
    }

    /// Bytes of all messages.
    pub(crate) fn message_bytes(&self) -> u64 {
        self.families.iter().map(|(.., bytes)| bytes).sum()
    }

    /// Messages of all families.
    pub(crate) fn messages(&self) -> u64 {
        self.families.iter().map(|(_, messages, _)| messages).sum()
    }
}

fn add(counts: &mut Vec<(FamilyId, u64)>, family: FamilyId) {
    match counts.iter_mut().find(|known| known.0 == family) {
        Some((_, count)) => *count += 1,
        None => counts.push((family, 1)),
    }
}
