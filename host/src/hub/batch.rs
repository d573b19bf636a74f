//! Frames on their way from an outbox into a socket.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::Frame;

/// What a writer has taken; `offset` bytes of the first have gone.
#[derive(Debug, Default)]
pub struct Batch {
    pub frames: VecDeque<Frame>,
    pub offset: usize,
}

impl Batch {
    /// What is still to go, where that is in one frame.
    pub fn only(&self) -> Option<&[u8]> {
        match self.frames.front() {
            Some(frame) if self.frames.len() == 1 => Some(&frame.bytes()[self.offset..]),
            _ => None,
        }
    }

    /// Points `slices` at what is still to go, and says how many were used.
    pub fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            let from = if used == 0 { self.offset } else { 0 };
            *slice = IoSlice::new(&frame.bytes()[from..]);
            used += 1;
        }
        used
    }

    /// Lets go of the next `bytes`. The result is the first frame that has gone whole.
    pub fn advance(&mut self, bytes: usize) -> Option<Frame> {
        let mut gone = None;
        self.offset += bytes;
        while let Some(first) = self.frames.front() {
            let len = first.bytes().len();
            if self.offset < len {
                break;
            }
            self.offset -= len;
            let first = self.frames.pop_front();
            gone = gone.or(first);
        }
        gone
    }
}
