//! From a client's bytes to its messages: tungstenite reads them, one whole frame at a time, so
//! that a session keeps a buffer only while a frame or a message is incomplete.

use std::io::{self, Cursor, Read, Write};

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::close::CloseReason;
use super::requests::Responder;

/// tungstenite's own buffer, in bytes. There is one for all sessions of a loop.
const BUFFER: usize = 4 << 10;

/// What a session keeps of what it has read.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    /// The beginning of a frame.
    pub(super) partial: Vec<u8>,
    /// Of a message in several frames; boxed, as few clients send any.
    pub(super) fragments: Option<Box<WebSocketContext>>,
}

/// Reads for all sessions of a loop.
#[derive(Debug)]
pub(crate) struct Parser {
    config: WebSocketConfig,
    max_message_size: u64,
    /// In no message: it remembers nothing of the session that it last read for.
    context: WebSocketContext,
}

impl Parser {
    /// Messages have at most so many bytes.
    pub(crate) fn new(max_message_size: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(0)
            .max_write_buffer_size(BUFFER)
            .max_message_size(Some(max_message_size))
            .max_frame_size(Some(max_message_size));
        Self {
            config,
            max_message_size: max_message_size as u64,
            context: WebSocketContext::new(Role::Server, Some(config)),
        }
    }

    fn fresh(&self) -> WebSocketContext {
        WebSocketContext::new(Role::Server, Some(self.config))
    }
}

impl Inbound {
    /// Reads what came after what was kept. Each message goes to `act`; tungstenite's own reply
    /// to it, a pong or a close, is among the replies by then.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        parser: &mut Parser,
        responder: &mut Responder<'_>,
        mut act: impl FnMut(Message, &mut Responder<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut kept = std::mem::take(&mut self.partial);
        let is_continued = !kept.is_empty();
        if is_continued {
            kept.extend_from_slice(bytes);
        }
        let received = if is_continued { &kept[..] } else { bytes };
        let mut rest = received;
        while let Some(len) = frame_len(rest, parser.max_message_size)? {
            let (frame, after) = rest.split_at(len);
            if let Some(message) = self.read_frame(frame, parser, responder.replies)? {
                act(message, responder)?;
            }
            rest = after;
        }
        self.partial = if rest.len() == received.len() && is_continued {
            // The frame grows on, and is not copied for each of its pieces.
            kept
        } else {
            rest.to_vec()
        };
        Ok(())
    }

    fn read_frame(
        &mut self,
        frame: &[u8],
        parser: &mut Parser,
        replies: &mut Vec<u8>,
    ) -> Result<Option<Message>, CloseReason> {
        let is_begun = self.fragments.is_some();
        let context = self.fragments.as_deref_mut().unwrap_or(&mut parser.context);
        let mut pipe = Pipe { frame, replies };
        let read = context.read(&mut pipe);
        // Writes the answer to a ping or a close; after a close it says so by an error.
        let _ = context.flush(&mut pipe);
        let message = match read {
            Ok(message) => Some(message),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                parser.context = parser.fresh();
                return Err(CloseReason::of(&error));
            }
        };
        match &message {
            Some(Message::Text(_) | Message::Binary(_)) => self.fragments = None,
            Some(Message::Close(_)) => parser.context = parser.fresh(),
            None if !is_begun => {
                let fresh = parser.fresh();
                let begun = std::mem::replace(&mut parser.context, fresh);
                self.fragments = Some(Box::new(begun));
            }
            _ => {}
        }
        Ok(message)
    }
}

/// How long the frame is that `bytes` begin with; none while that is incomplete.
fn frame_len(bytes: &[u8], max_message_size: u64) -> Result<Option<usize>, CloseReason> {
    let mut cursor = Cursor::new(bytes);
    let header = FrameHeader::parse(&mut cursor).map_err(|error| CloseReason::of(&error))?;
    let Some((_, payload)) = header else {
        return Ok(None);
    };
    if payload > max_message_size {
        return Err(CloseReason::MessageTooBig);
    }
    let len = cursor.position() + payload;
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    Ok((len <= bytes.len()).then_some(len))
}

/// One frame to read, and where answers go.
struct Pipe<'a> {
    frame: &'a [u8],
    replies: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.frame.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.frame.read(into)
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.replies.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
