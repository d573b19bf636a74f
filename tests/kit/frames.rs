//! The frames of a server, found in its bytes as they come: whole or in pieces.

use std::ops::Range;

/// What came and was not looked at yet.
#[derive(Debug, Default)]
pub struct Frames {
    bytes: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
}

impl Frames {
    pub fn push(&mut self, piece: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 64 * 1024 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(piece);
    }

    /// The next whole frame: opcode and payload.
    pub fn take(&mut self) -> Option<(u8, &[u8])> {
        let (opcode, payload) = decode(&self.bytes[self.start..])?;
        let begin = self.start + payload.start;
        self.start += payload.end;
        Some((opcode, &self.bytes[begin..self.start]))
    }

    /// Bytes of a frame that is not whole yet.
    pub fn rest(&self) -> usize {
        self.bytes.len() - self.start
    }
}

/// The opcode of the frame that these bytes begin with, and where its payload is.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u8, Range<usize>)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, start) = match second & 0x7f {
        126 => (
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            (usize::try_from(length).expect("no server sends that"), 10)
        }
        short => (usize::from(short), 2),
    };
    let end = start + length;
    (bytes.len() >= end).then_some((first & 0x0f, start..end))
}
