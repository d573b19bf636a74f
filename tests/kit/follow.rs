//! A client that holds every tick against what was sent, while it reads: exactly once, in
//! order, whole from one revision. It keeps what a test asks about and not the messages,
//! of which there may be millions.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::wait::until;

/// No more than so many faults are kept.
const MAX_WRONG: usize = 20;

/// What one symbol's messages were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbol {
    /// One more than the last number.
    pub next: u64,
    /// The marks in order, each with the first number that carried it.
    pub marks: Vec<(u64, String)>,
}

/// All that was seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub symbols: BTreeMap<String, Symbol>,
    /// What should not be: a number that is missing or there twice, a message of two
    /// revisions, the end of the session.
    pub wrong: Vec<String>,
    /// Messages that are no ticks, such as states of channels.
    pub others: Vec<Value>,
}

/// The following client; it leaves on drop.
#[derive(Debug)]
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    reading: JoinHandle<()>,
}

impl Follower {
    pub(crate) fn of(mut socket: WebSocketStream<TcpStream>) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let into = seen.clone();
        let reading = tokio::spawn(async move {
            loop {
                let frame = socket.next().await;
                let mut seen = into.lock().unwrap_or_else(PoisonError::into_inner);
                match frame {
                    Some(Ok(Message::Text(text))) => seen.note(text.as_str()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    end => return seen.fault(format!("the session ended: {end:?}")),
                }
            }
        });
        Self { seen, reading }
    }

    /// Looks at what was seen so far.
    pub fn look<T>(&self, at: impl FnOnce(&Seen) -> T) -> T {
        at(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the newest message of each of these symbols carries this mark.
    pub async fn sees_mark(&self, mark: &str, symbols: &[&str], within: Duration) {
        let what = format!("the mark {mark} on {symbols:?}");
        let carries = |seen: &Seen, symbol: &str| {
            let marks = seen
                .symbols
                .get(symbol)
                .map(|symbol_marks| symbol_marks.marks.as_slice());
            matches!(marks, Some([.., (_, last)]) if last == mark)
        };
        until(&what, within, async || {
            self.look(|seen| symbols.iter().all(|symbol| carries(seen, symbol)))
        })
        .await;
    }

    /// Waits until a message that is no tick satisfies this.
    pub async fn hears(&self, what: &str, condition: impl Fn(&Value) -> bool) {
        until(what, crate::secs(10), async || {
            self.look(|seen| seen.others.iter().any(&condition))
        })
        .await;
    }

    /// Waits until every event that was sent is there, and fails unless each came exactly
    /// once, in order and whole.
    pub async fn has_all(&self, sent: &BTreeMap<String, u64>, within: Duration) {
        let complete = |seen: &Seen| {
            let reached = |(symbol, count): (&String, &u64)| {
                *count == 0 || seen.symbols.get(symbol).is_some_and(|s| s.next >= *count)
            };
            !seen.wrong.is_empty() || sent.iter().all(reached)
        };
        until("every event that was sent", within, async || {
            self.look(complete)
        })
        .await;
        self.look(|seen| {
            assert!(seen.wrong.is_empty(), "{:#?}", seen.wrong);
            for (symbol, count) in sent.iter().filter(|(_, count)| **count > 0) {
                assert_eq!(seen.symbols[symbol].next, *count, "{symbol}");
            }
        });
    }

    /// The marks of a symbol in the order in which they came.
    pub fn marks(&self, symbol: &str) -> Vec<String> {
        self.look(|seen| {
            let marks = seen
                .symbols
                .get(symbol)
                .map(|symbol_marks| symbol_marks.marks.iter());
            let marks = marks.into_iter().flatten();
            marks.map(|(_, mark)| mark.clone()).collect()
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Seen {
    fn fault(&mut self, what: String) {
        if self.wrong.len() < MAX_WRONG {
            self.wrong.push(what);
        }
    }

    fn note(&mut self, message: &str) {
        let Some(tick) = Tick::read(message) else {
            let notice = serde_json::from_str(message);
            return self
                .others
                .push(notice.unwrap_or_else(|error| panic!("{error}: {message}")));
        };
        if tick.rev != tick.rev_again {
            self.fault(format!("of two revisions: {message}"));
        }
        if !self.symbols.contains_key(tick.symbol) {
            let fresh = Symbol::default();
            self.symbols.insert(tick.symbol.to_owned(), fresh);
        }
        let symbol = self.symbols.get_mut(tick.symbol).expect("inserted above");
        let expected = symbol.next;
        symbol.next = tick.number + 1;
        if symbol.marks.last().is_none_or(|(_, mark)| mark != tick.rev) {
            symbol.marks.push((tick.number, tick.rev.to_owned()));
        }
        if tick.number != expected {
            self.fault(format!("number {expected} was due: {message}"));
        }
    }
}

/// A message of a stamped revision, found by its pieces: there are too many to parse each.
struct Tick<'a> {
    symbol: &'a str,
    number: u64,
    rev: &'a str,
    rev_again: &'a str,
}

impl<'a> Tick<'a> {
    fn read(message: &'a str) -> Option<Self> {
        let text = |name: &str| {
            let (_, rest) = message.split_once(name)?;
            rest.split('"').next()
        };
        let number = |name: &str| {
            let (_, rest) = message.split_once(name)?;
            rest.split([',', '}']).next()?.parse().ok()
        };
        let (_, symbol) = text(r#""channel":""#)?.split_once(':')?;
        Some(Self {
            symbol,
            number: number(r#""n":"#)?,
            rev: text(r#""rev":""#)?,
            rev_again: text(r#""rev_again":""#)?,
        })
    }
}
