//! Frames in the order of their publication, one after the other in large pieces of memory, so
//! that neighbours go out in one call. A frame is known by its number, which only grows.

use std::collections::VecDeque;
use std::time::Instant;

/// Bytes of a segment, unless a single frame is larger. Tests go through many.
const SEGMENT: usize = if cfg!(test) { 512 } else { 128 << 10 };

/// The table of frames grows by a part of itself, so that it is never much larger than what is
/// in it, which is what is counted.
const GROWTH: usize = 8;

/// One frame's place, and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<W> {
    /// The segment, by a number that only grows.
    segment: u64,
    start: u32,
    len: u32,
    /// When its event came, or the frame was made.
    pub(crate) since: Instant,
    pub(crate) what: W,
}

impl<W> Frame<W> {
    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }
}

/// A part of a segment: bytes that go out as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    segment: u64,
    start: u32,
    end: u32,
}

#[derive(Debug)]
pub(crate) struct Arena<W> {
    segments: VecDeque<Vec<u8>>,
    first_segment: u64,
    frames: VecDeque<Frame<W>>,
    first_frame: u64,
    capacity: usize,
    /// A segment that is not in use, so that an idle host allocates nothing.
    spare: Option<Vec<u8>>,
}

impl<W> Arena<W> {
    pub(crate) fn new() -> Self {
        Self {
            segments: VecDeque::new(),
            first_segment: 0,
            frames: VecDeque::new(),
            first_frame: 0,
            capacity: 0,
            spare: None,
        }
    }

    /// Copies a frame to the end, and gives its number.
    pub(crate) fn push(&mut self, bytes: &[u8], since: Instant, what: W) -> u64 {
        let fits = |segment: &Vec<u8>| segment.capacity() - segment.len() >= bytes.len();
        if !self.segments.back().is_some_and(fits) {
            let spare = self
                .spare
                .take()
                .filter(|spare| spare.capacity() >= bytes.len());
            let segment = spare.unwrap_or_else(|| Vec::with_capacity(SEGMENT.max(bytes.len())));
            self.capacity += segment.capacity();
            self.segments.push_back(segment);
        }
        let segment = self.segments.back_mut().expect("one was just seen to");
        let start = segment.len();
        segment.extend_from_slice(bytes);
        if self.frames.len() == self.frames.capacity() {
            self.frames.reserve_exact(64 + self.frames.len() / GROWTH);
        }
        // A frame is an event's, whose size is bounded far below 4 GiB; so is a segment's.
        let (start, len) = (start as u32, bytes.len() as u32);
        self.frames.push_back(Frame {
            segment: self.first_segment + self.segments.len() as u64 - 1,
            start,
            len,
            since,
            what,
        });
        self.end() - 1
    }

    /// The number of the oldest frame that is there.
    pub(crate) fn start(&self) -> u64 {
        self.first_frame
    }

    /// The number that the next frame will have.
    pub(crate) fn end(&self) -> u64 {
        self.first_frame + self.frames.len() as u64
    }

    pub(crate) fn frame(&self, number: u64) -> &Frame<W> {
        let at = number - self.first_frame;
        &self.frames[usize::try_from(at).expect("it is one of those in memory")]
    }

    /// What a frame is, to be changed; none where it is forgotten.
    pub(crate) fn what_mut(&mut self, number: u64) -> Option<&mut W> {
        let at = usize::try_from(number.checked_sub(self.first_frame)?).ok()?;
        self.frames.get_mut(at).map(|frame| &mut frame.what)
    }

    /// The number of the first frame that is not in the oldest segment.
    pub(crate) fn first_of_next_segment(&self) -> u64 {
        let oldest = self.frames.front().map(|frame| frame.segment);
        let in_oldest = self
            .frames
            .partition_point(|frame| Some(frame.segment) == oldest);
        self.first_frame + in_oldest as u64
    }

    /// Adds a frame to the runs: to the last one where they are neighbours.
    pub(crate) fn extend(&self, runs: &mut Vec<Run>, number: u64) {
        let frame = self.frame(number);
        let end = frame.start + frame.len;
        match runs.last_mut() {
            Some(run) if run.segment == frame.segment && run.end == frame.start => run.end = end,
            _ => runs.push(Run {
                segment: frame.segment,
                start: frame.start,
                end,
            }),
        }
    }

    pub(crate) fn bytes(&self, run: Run) -> &[u8] {
        let segment = usize::try_from(run.segment - self.first_segment);
        let segment = &self.segments[segment.expect("it is one of those in memory")];
        &segment[run.start as usize..run.end as usize]
    }

    /// The bytes of one frame from an offset on.
    pub(crate) fn rest(&self, number: u64, offset: usize) -> &[u8] {
        let Frame {
            segment,
            start,
            len,
            ..
        } = *self.frame(number);
        &self.bytes(Run {
            segment,
            start,
            end: start + len,
        })[offset..]
    }

    /// Forgets the frames before `number`.
    pub(crate) fn trim(&mut self, number: u64) {
        let gone = number.saturating_sub(self.first_frame) as usize;
        self.frames.drain(..gone.min(self.frames.len()));
        self.first_frame = self.first_frame.max(number);
        let needed = match self.frames.front() {
            Some(frame) => frame.segment,
            None => self.first_segment + self.segments.len() as u64,
        };
        while self.first_segment < needed {
            let Some(mut segment) = self.segments.pop_front() else {
                break;
            };
            self.first_segment += 1;
            self.capacity -= segment.capacity();
            if self.spare.is_none() && segment.capacity() == SEGMENT {
                segment.clear();
                self.spare = Some(segment);
            }
        }
        let len = self.frames.len();
        if self.frames.capacity() > 1024 && len < self.frames.capacity() / 2 {
            self.frames.shrink_to(len + len / GROWTH);
        }
    }

    /// Bytes of memory, but for the spare segment and a small table.
    pub(crate) fn size(&self) -> usize {
        let len = self.frames.len();
        self.capacity + (len + len / GROWTH) * size_of::<Frame<W>>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Step {
        Push(usize),
        /// Forget so many of the frames that are there.
        Trim(prop::sample::Index),
        TrimSegment,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let len = prop_oneof![8 => 0..200_usize, 1 => 0..3 * SEGMENT];
        let step = prop_oneof![
            12 => len.prop_map(Step::Push),
            1 => any::<prop::sample::Index>().prop_map(Step::Trim),
            1 => Just(Step::TrimSegment),
        ];
        prop::collection::vec(step, 0..400)
    }

    /// Bytes that are allocated.
    fn allocated<W>(arena: &Arena<W>) -> usize {
        let segments = arena.segments.iter().map(Vec::capacity);
        segments.sum::<usize>() + arena.frames.capacity() * size_of::<Frame<W>>()
    }

    proptest! {
        #[test]
        fn frames_are_as_pushed_until_they_are_forgotten_and_memory_is_as_said(steps in steps()) {
            let (mut arena, mut pushed) = (Arena::new(), Vec::<Vec<u8>>::new());
            for step in steps {
                match step {
                    Step::Push(len) => {
                        let frame = vec![pushed.len() as u8; len];
                        let number = arena.push(&frame, Instant::now(), pushed.len());
                        prop_assert_eq!(number, pushed.len() as u64);
                        pushed.push(frame);
                    }
                    Step::Trim(upto) => {
                        let there = (arena.end() - arena.start()) as usize;
                        arena.trim(arena.start() + upto.index(there + 1) as u64);
                    }
                    Step::TrimSegment => arena.trim(arena.first_of_next_segment()),
                }
                prop_assert_eq!(arena.end(), pushed.len() as u64);
                let (mut runs, mut bytes) = (Vec::new(), Vec::new());
                for number in arena.start()..arena.end() {
                    let frame = &pushed[number as usize];
                    prop_assert_eq!(arena.frame(number).what, number as usize);
                    prop_assert_eq!(arena.rest(number, frame.len() / 2), &frame[frame.len() / 2..]);
                    arena.extend(&mut runs, number);
                    bytes.extend_from_slice(frame);
                }
                let joined: Vec<u8> = runs.iter().flat_map(|run| arena.bytes(*run)).copied().collect();
                prop_assert_eq!(joined, bytes);
                prop_assert!(runs.len() <= arena.segments.len());
                prop_assert!(allocated(&arena) <= 2 * arena.size() + 1024 * size_of::<Frame<usize>>());
            }
            arena.trim(arena.end());
            prop_assert_eq!(arena.size(), 0);
        }
    }
}
