//! WebSocket frames, as far as a measurement needs them: a server's out of a stream of bytes,
//! and a client's, whose mask is zeros: clients must mask, and these do so without work.

use anyhow::{Result, ensure};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

/// One frame of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) opcode: u8,
    pub(crate) payload: &'a [u8],
}

/// A stream of frames, and the beginning of one whose rest has not come yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    rest: Vec<u8>,
}

impl Inbox {
    /// Gives every frame that is whole with these bytes.
    ///
    /// # Errors
    /// It is no frame of a server, or `each` says so.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Frame<'_>) -> Result<()>,
    ) -> Result<()> {
        if self.rest.is_empty() {
            let left = walk(bytes, &mut each)?;
            self.rest.extend_from_slice(left);
            return Ok(());
        }
        self.rest.extend_from_slice(bytes);
        let left = walk(&self.rest, &mut each)?.len();
        self.rest.drain(..self.rest.len() - left);
        Ok(())
    }
}

fn walk<'a>(
    mut bytes: &'a [u8],
    each: &mut impl FnMut(Frame<'_>) -> Result<()>,
) -> Result<&'a [u8]> {
    while let Some((frame, rest)) = split(bytes)? {
        each(frame)?;
        bytes = rest;
    }
    Ok(bytes)
}

/// The first frame, if it is whole, and what follows.
fn split(bytes: &[u8]) -> Result<Option<(Frame<'_>, &[u8])>> {
    let [first, second, body @ ..] = bytes else {
        return Ok(None);
    };
    ensure!(
        first & 0xf0 == 0x80 && second & 0x80 == 0,
        "not a whole frame of a server"
    );
    let (length, body) = match (second & 0x7f, body) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
        (127, rest) => match rest.split_first_chunk::<8>() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Ok(None),
        },
        (126, _) => return Ok(None),
        (short, rest) => (u64::from(short), rest),
    };
    let length = usize::try_from(length)?;
    Ok(body.split_at_checked(length).map(|(payload, rest)| {
        let opcode = first & 0x0f;
        (Frame { opcode, payload }, rest)
    }))
}

/// A frame of a client.
pub(crate) fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length), _) if length < 126 => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = masked(opcode, payload);
        frame[1] &= 0x7f;
        let mask = frame.len() - payload.len() - 4;
        frame.drain(mask..mask + 4);
        frame
    }

    #[test]
    fn frames_of_all_lengths_come_whole_however_the_bytes_are_cut() {
        let texts = [0, 1, 125, 126, 65_535, 65_536].map(|length| vec![b'x'; length]);
        let stream: Vec<u8> = texts.iter().flat_map(|text| server(TEXT, text)).collect();
        for cut in [1, 2, 3, 7, 1000, stream.len()] {
            let (mut inbox, mut got) = (Inbox::default(), Vec::new());
            for bytes in stream.chunks(cut) {
                let take = |frame: Frame<'_>| {
                    got.push((frame.opcode, frame.payload.to_vec()));
                    Ok(())
                };
                inbox.take(bytes, take).expect("frames of a server");
            }
            assert_eq!(got.len(), texts.len(), "cut every {cut}");
            for ((opcode, payload), text) in got.iter().zip(&texts) {
                assert_eq!((*opcode, payload), (TEXT, text));
            }
        }
    }

    #[test]
    fn what_no_server_sends_is_an_error() {
        for bytes in [&[0x01, 0][..], &[0x81, 0x80, 0, 0, 0, 0]] {
            assert!(
                Inbox::default().take(bytes, |_| Ok(())).is_err(),
                "{bytes:?}"
            );
        }
    }
}
