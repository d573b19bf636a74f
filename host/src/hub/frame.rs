//! WebSocket frames as a server sends them: unmasked, each message in one (RFC 6455, 5.2).

use std::fmt::Display;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

const FINAL_TEXT: u8 = 0x81;

/// Writes a text frame whose payload is `parts`, one after the other.
pub(crate) fn write_text(parts: &[&str], out: &mut Vec<u8>) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(len + 10);
    out.push(FINAL_TEXT);
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short < 126 => out.push(short),
        (_, Ok(medium)) => {
            out.push(126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A text frame of what `text` shows itself as.
pub(crate) fn text(text: &impl Display) -> Vec<u8> {
    let mut out = Vec::new();
    write_text(&[&text.to_string()], &mut out);
    out
}

pub(crate) fn ping() -> Vec<u8> {
    bytes(Frame::ping(Vec::new()))
}

pub(crate) fn close(code: u16, reason: &'static str) -> Vec<u8> {
    bytes(Frame::close(Some(CloseFrame {
        code: code.into(),
        reason: reason.into(),
    })))
}

fn bytes(frame: Frame) -> Vec<u8> {
    let mut out = Vec::new();
    frame
        .format(&mut out)
        .expect("writing to a Vec does not fail");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

    #[test]
    fn a_text_frame_is_what_tungstenite_would_send() {
        for len in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = "x".repeat(len);
            let reference = bytes(Frame::message(
                payload.clone(),
                OpCode::Data(Data::Text),
                true,
            ));
            assert_eq!(text(&payload), reference, "{len}");
            let (head, tail) = payload.split_at(len / 3);
            let mut written = Vec::new();
            write_text(&[head, tail], &mut written);
            assert_eq!(written, reference, "{len} in two parts");
        }
    }
}
