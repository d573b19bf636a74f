//! What a request carries: nothing, a piece of JSON, or a file that is read while it is sent.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// How much of a file is in memory at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// The content of a request.
#[derive(Debug)]
pub(super) enum Content {
    /// What is left of a text; empty from the start for a request without content.
    Text(Bytes),
    /// The file, and how much of it is left where that is known.
    File(File, Option<u64>),
}

impl Content {
    pub(super) fn nothing() -> Self {
        Self::Text(Bytes::new())
    }

    /// Opens a file to send. A pipe is sent until its end.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let left = about.is_file().then_some(about.len());
        Ok(Self::File(file, left))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    /// Reads from the disk while it is polled: nothing else runs here that could be held up.
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let piece = match self.get_mut() {
            Self::Text(text) => Ok(std::mem::take(text)),
            Self::File(file, left) => next_piece(file, left),
        };
        match piece {
            Ok(piece) if piece.is_empty() => Poll::Ready(None),
            read => Poll::Ready(Some(read.map(Frame::data))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.len() as u64),
            Self::File(_, Some(left)) => SizeHint::with_exact(*left),
            Self::File(_, None) => SizeHint::default(),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }
}

fn next_piece(file: &mut File, left: &mut Option<u64>) -> io::Result<Bytes> {
    let wanted = left.map_or(PIECE as u64, |left| left.min(PIECE as u64));
    let mut piece = Vec::new();
    file.take(wanted).read_to_end(&mut piece)?;
    if let Some(left) = left {
        if (piece.len() as u64) < wanted {
            return Err(io::Error::other(
                "the file became shorter while it was sent",
            ));
        }
        *left -= piece.len() as u64;
    }
    Ok(piece.into())
}
