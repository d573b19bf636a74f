//! A tape that rises as fast as a healthy client takes it: so that whoever else is behind is
//! so by its own slowness. The healthy client is proof that others lose nothing.

use std::sync::Arc;

use serde_json::Value;

use crate::client::{Client, Connect};
use crate::ledger::Ledger;
use crate::record::Record;
use crate::redis::Redis;
use crate::settings::Setup;
use crate::tape::{ALL, Tape};
use crate::tidegate::Tidegate;
use crate::wait::secs;

/// So many bytes, more or less, are published before the healthy client must have them: fewer
/// than the smallest log takes at once.
const BATCH: usize = 25_000;

#[derive(Debug)]
pub struct Tide {
    pub redis: Redis,
    pub tidegate: Tidegate,
    pub tape: Arc<Tape>,
    healthy: Record,
    /// What the healthy client was answered.
    subscribed: Value,
    sent: usize,
}

impl Tide {
    /// A host with such a client on it.
    pub async fn on(tape: Tape, change: impl FnOnce(Setup) -> Setup) -> Self {
        let redis = Tape::redis().await;
        let tidegate = Tape::host(&redis, change).await;
        let mut healthy = tidegate.client().await;
        Self {
            subscribed: healthy.subscribe([ALL]).await,
            healthy: healthy.record(),
            redis,
            tidegate,
            tape: Arc::new(tape),
            sent: 0,
        }
    }

    /// Publishes one message on each of these channels, one after the other.
    pub async fn rise(&mut self, channels: &[usize]) {
        for batch in channels.chunks(BATCH / self.tape.usual_size()) {
            self.tape.publish(&self.redis, batch.iter().copied()).await;
            self.sent += batch.len();
            self.healthy.reaches(self.sent, secs(20)).await;
        }
    }

    /// The same on all channels, so many times.
    pub async fn rise_everywhere(&mut self, rounds: usize) {
        let width = self.tape.width();
        let channels: Vec<_> = (0..width * rounds).map(|number| number % width).collect();
        self.rise(&channels).await;
    }

    /// A client that subscribes to these, with a small receive buffer, and then waits to be
    /// asked to read.
    pub async fn reader<const N: usize>(&self, patterns: [&str; N]) -> Reader {
        let connect = self.tidegate.connect().receive_buffer(4096);
        Reader::enter(&connect, &self.tape, patterns).await
    }

    /// Fails unless the healthy client has all that was published.
    pub fn assert_nothing_lost(&self) {
        let mut ledger = Ledger::of(&self.tape);
        let texts = [self.subscribed.to_string()].into_iter();
        for text in texts.chain(self.healthy.texts()) {
            let noted = ledger.note(&text);
            noted.unwrap_or_else(|wrong| panic!("the healthy client: {wrong}"));
        }
        let sum = ledger.sum();
        // It subscribed before anything was published, so the sum shows that none is missing.
        assert_eq!(
            (sum.received, sum.gaps),
            (self.sent as u64, 0),
            "the healthy client: {sum}"
        );
        assert_eq!(self.healthy.close(), None);
    }
}

/// A client that reads when it is asked to, with its account.
#[derive(Debug)]
pub struct Reader {
    pub client: Client,
    pub ledger: Ledger,
    /// All gaps so far.
    pub gaps: Vec<Value>,
    /// Ticks so far.
    pub messages: usize,
}

impl Reader {
    /// Connects and subscribes.
    pub async fn enter<const N: usize>(
        connect: &Connect,
        tape: &Arc<Tape>,
        patterns: [&str; N],
    ) -> Self {
        let mut reader = Self {
            client: connect.open().await,
            ledger: Ledger::of(tape),
            gaps: Vec::new(),
            messages: 0,
        };
        let answer = reader.client.subscribe(patterns).await;
        reader.hear(&answer.to_string());
        reader
    }

    /// Reads one message; gives it where it is neither a tick nor a gap.
    pub async fn look(&mut self) -> Option<Value> {
        let text = self.client.next_text().await;
        self.hear(&text)
    }

    fn hear(&mut self, text: &str) -> Option<Value> {
        if text.starts_with(r#"{"type":"gap""#) {
            let gap = serde_json::from_str(text);
            self.gaps
                .push(gap.unwrap_or_else(|error| panic!("{error}: {text}")));
        } else if text.starts_with(r#"{"type":"tick""#) {
            self.messages += 1;
        }
        let noted = self.ledger.note(text);
        noted.unwrap_or_else(|wrong| panic!("{wrong}, with {}", self.ledger.sum()))
    }

    /// Reads until nothing is owed, and nothing more comes before a pong.
    pub async fn catch_up(&mut self) {
        while !self.ledger.owed().is_empty() {
            let answer = self.look().await;
            assert_eq!(answer, None);
        }
        self.client.expect_nothing_before_pong().await;
    }

    /// Reads up to the answer of this type.
    pub async fn answer(&mut self, kind: &str) -> Value {
        loop {
            if let Some(answer) = self.look().await {
                assert_eq!(answer["type"], kind, "{answer}");
                return answer;
            }
        }
    }

    /// Reads up to the server's close.
    pub async fn close(&mut self) -> (u16, String) {
        use tokio_tungstenite::tungstenite::Message;
        loop {
            match self.client.frame(secs(10)).await {
                Some(Ok(Message::Text(text))) => {
                    self.hear(text.as_str());
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return (frame.code.into(), frame.reason.as_str().to_owned());
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                ended => panic!("a close was expected, not {ended:?}"),
            }
        }
    }
}
