//! A client's bytes, cut anywhere, are the messages that it sent.

use std::io::{self, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketContext};

use super::*;
use crate::hub::log::Log;

/// The largest message, in bytes.
const MAX: usize = 200;

fn context() -> SessionContext {
    let metrics = Metrics::new();
    SessionContext {
        hub: Hub::with_loops(1),
        catalog: Arc::default(),
        interest: None,
        limits: SessionLimits {
            heartbeat_interval: Duration::from_secs(30),
            max_subscriptions: 200,
            max_channels_per_message: 20,
            message_rate: 20,
            message_burst: 100,
            max_message_size: MAX,
            lag_limit: Duration::from_secs(30),
            stall_limit: Duration::from_secs(10),
            kernel_unsent: 16 << 10,
            drain_time: Duration::from_secs(5),
        },
        shutdown: Shutdown::default(),
        tasks: Tasks::new(&metrics),
        strangers: Arc::default(),
        usage: Arc::new(UsageBook::new(10, Metrics::new().usage)),
        metrics,
    }
}

/// What a client writes, or what it gets.
#[derive(Debug, Default)]
struct Wire(Vec<u8>);

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.0.as_slice().read(into)?;
        self.0.drain(..count);
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(messages: &[Message]) -> Vec<u8> {
    let (mut client, mut wire) = (WebSocketContext::new(Role::Client, None), Wire::default());
    for message in messages {
        client.write(&mut wire, message.clone()).unwrap();
        client.flush(&mut wire).unwrap();
    }
    wire.0
}

/// What arrives of these pieces, the replies, and why it ended.
fn arrived(pieces: &[&[u8]]) -> (Vec<Message>, Vec<u8>, Option<CloseReason>) {
    let (context, mut parser) = (context(), Parser::new(MAX));
    let (mut log, mut inbound, mut replies) = (Log::new(0), Inbound::default(), Vec::new());
    let key = log.enter();
    let mut messages = Vec::new();
    for piece in pieces {
        let mut responder = Responder {
            log: &mut log,
            key,
            replies: &mut replies,
            context: &context,
        };
        let read = inbound.read(piece, &mut parser, &mut responder, |message, _| {
            messages.push(message);
            Ok(())
        });
        if let Err(reason) = read {
            return (messages, replies, Some(reason));
        }
    }
    let kept = inbound.partial.len();
    assert!(kept <= MAX + MAX_FRAME_HEADER, "{kept} bytes are kept");
    (messages, replies, None)
}

fn text() -> impl Strategy<Value = String> {
    "[a-zé€😀]{0,40}"
}

/// A message, and the frames that it may come in.
fn message() -> impl Strategy<Value = (Message, Vec<Message>)> {
    let whole = prop_oneof![
        text().prop_map(Message::text),
        prop::collection::vec(any::<u8>(), 0..MAX).prop_map(Message::binary),
        prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Ping(bytes.into())),
        prop::collection::vec(any::<u8>(), 0..125).prop_map(|bytes| Message::Pong(bytes.into())),
    ];
    let in_frames = (
        text(),
        prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    )
        .prop_map(|(text, cuts)| {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let last = cuts.len() - 2;
            let frame = |(at, cut): (usize, &[usize])| {
                let part = text.as_bytes()[cut[0]..cut[1]].to_vec();
                let data = if at == 0 { Data::Text } else { Data::Continue };
                Message::Frame(Frame::message(part, OpCode::Data(data), at == last))
            };
            let frames = cuts.windows(2).enumerate().map(frame).collect();
            (Message::text(text.clone()), frames)
        });
    prop_oneof![
        3 => whole.prop_map(|message| (message.clone(), vec![message])),
        1 => in_frames,
    ]
}

proptest! {
    #[test]
    fn bytes_that_are_cut_anywhere_are_the_messages_that_were_sent(
        messages in prop::collection::vec(message(), 0..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let frames: Vec<Message> = messages.iter().flat_map(|(_, frames)| frames.clone()).collect();
        let bytes = written(&frames);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
        let (arrived, replies, ended) = arrived(&pieces);
        let sent: Vec<Message> = messages.into_iter().map(|(message, _)| message).collect();
        prop_assert_eq!((&arrived, ended), (&sent, None));
        let pongs = sent.into_iter().filter_map(|message| match message {
            Message::Ping(payload) => Some(payload),
            _ => None,
        });
        let mut wire = Wire(replies);
        let mut client = WebSocketContext::new(Role::Client, None);
        for payload in pongs {
            prop_assert_eq!(client.read(&mut wire).unwrap(), Message::Pong(payload));
        }
        prop_assert!(wire.0.is_empty());
    }

    #[test]
    fn whatever_bytes_come_are_read_or_end_the_session(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        arrived(&[&bytes]);
    }
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let ended = |size| arrived(&[&written(&[Message::binary(vec![0; size])])]).2;
    assert_eq!(ended(MAX), None);
    assert_eq!(ended(MAX + 1), Some(CloseReason::MessageTooBig));
    let head = &written(&[Message::binary(vec![0; MAX + 1])])[..8];
    assert_eq!(
        arrived(&[head]).2,
        Some(CloseReason::MessageTooBig),
        "from the head alone"
    );
    let frames = [Data::Text, Data::Continue].map(|data| {
        let part = vec![b'x'; MAX / 2 + 1];
        Message::Frame(Frame::message(
            part,
            OpCode::Data(data),
            data == Data::Continue,
        ))
    });
    assert_eq!(
        arrived(&[&written(&frames)]).2,
        Some(CloseReason::MessageTooBig)
    );
}

#[test]
fn a_message_that_is_begun_is_its_own_sessions_only() {
    let (context, mut parser) = (context(), Parser::new(MAX));
    let mut log = Log::new(0);
    let begun = Frame::message(b"to".to_vec(), OpCode::Data(Data::Text), false);
    let rest = Frame::message(b"gether".to_vec(), OpCode::Data(Data::Continue), true);
    let mut read = |inbound: &mut Inbound, message: Message| {
        let (key, mut replies, mut read) = (log.enter(), Vec::new(), Vec::new());
        let mut responder = Responder {
            log: &mut log,
            key,
            replies: &mut replies,
            context: &context,
        };
        let ended = inbound.read(
            &written(&[message]),
            &mut parser,
            &mut responder,
            |message, _| {
                read.push(message);
                Ok(())
            },
        );
        (read, ended)
    };
    let (mut first, mut second) = (Inbound::default(), Inbound::default());
    assert_eq!(read(&mut first, Message::Frame(begun)), (vec![], Ok(())));
    assert!(first.fragments.is_some());
    let whole = Message::text("whole");
    assert_eq!(read(&mut second, whole.clone()), (vec![whole], Ok(())));
    let alone = read(&mut second, Message::Frame(rest.clone()));
    assert_eq!(alone, (vec![], Err(CloseReason::ProtocolViolation)));
    let together = read(&mut first, Message::Frame(rest));
    assert_eq!(together, (vec![Message::text("together")], Ok(())));
    assert!(first.fragments.is_none(), "what is complete is not kept");
}
