//! Frames in the order of their publication, one after the other in large pieces of memory, so
//! that neighbours go out in one call. A frame is known by its number, which only grows.

use std::collections::VecDeque;
use std::time::Instant;

/// Bytes of a segment, unless a single frame is larger.
const SEGMENT: usize = 128 << 10;

/// What is kept of a frame beside its bytes, in bytes: it counts as memory too.
pub(crate) const FRAME_COST: usize = size_of::<Frame<()>>() + 16;

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
        if self.frames.capacity() > 1024 && self.frames.len() < self.frames.capacity() / 8 {
            self.frames.shrink_to(self.frames.capacity() / 4);
        }
    }

    /// Bytes of memory, but for the spare segment.
    pub(crate) fn size(&self) -> usize {
        self.capacity + self.frames.len() * FRAME_COST
    }
}
