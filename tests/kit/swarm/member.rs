//! One client of a swarm: reads at its pace, asks for this and that in between, and holds
//! every frame against what it asked and what it is owed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Outcome, Pace, Plan};
use crate::client::Connect;
use crate::dice::Dice;
use crate::frames::Frames;
use crate::ledger::Ledger;
use crate::raw::{Raw, frame};
use crate::tape::Tape;

/// How long a client waits for what is owed at the end, while nothing comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The receive buffer of a client that reads to its end, in bytes.
const ROOM: usize = 1 << 20;

/// How many requests may be unanswered before another is made.
const MOST_ASKED: usize = 4;

/// The most patterns that a client holds which changes them.
const MOST_HELD: usize = 10;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A request whose answer is due.
#[derive(Debug, PartialEq)]
enum Asked {
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    Ping(u64),
}

pub(super) struct Member {
    number: usize,
    connect: Connect,
    dice: Dice,
    pace: Pace,
    /// Whether it changes its subscriptions.
    restless: bool,
    tape: Arc<Tape>,
    ledger: Ledger,
    plan: Plan,
    stream: TcpStream,
    frames: Frames,
    /// Answered in this order.
    asked: VecDeque<Asked>,
    /// The numbers in pings of the protocol below, answered in this order.
    pinged: VecDeque<u64>,
    acts_at: Instant,
    next_id: u64,
    outcome: Outcome,
    closed: Option<(u16, String)>,
}

impl Member {
    pub(super) async fn join(
        number: usize,
        connect: &Connect,
        mut dice: Dice,
        ledger: Ledger,
        tape: Arc<Tape>,
        plan: Plan,
    ) -> Result<Self, String> {
        let pace = Pace::of(&mut dice, plan.longest_stall);
        let connect = match pace {
            Pace::Fast => connect.clone(),
            _ => {
                let size = dice.between(2, 16) * 1024;
                connect.clone().receive_buffer(size as usize)
            }
        };
        let mut member = Self {
            number,
            stream: enter(&connect).await,
            connect,
            pace,
            restless: dice.once_in(2),
            dice,
            tape,
            ledger,
            plan,
            frames: Frames::default(),
            asked: VecDeque::new(),
            pinged: VecDeque::new(),
            acts_at: Instant::now(),
            next_id: 1,
            outcome: Outcome::default(),
            closed: None,
        };
        member.begin().await?;
        Ok(member)
    }

    /// The first subscriptions of a session; a wide one now and then, and some that overlap.
    async fn begin(&mut self) -> Result<(), String> {
        let count = self.dice.between(1, 4);
        let patterns: Vec<_> = (0..count)
            .map(|_| self.tape.pattern(&mut self.dice))
            .collect();
        self.subscribe(patterns).await?;
        let pace = std::mem::replace(&mut self.pace, Pace::Fast);
        let started = Instant::now();
        while self.ledger.holds().is_empty() {
            self.look().await?;
            if started.elapsed() > PATIENCE {
                return Err(self.say("no answer to the first request"));
            }
        }
        self.pace = pace;
        Ok(())
    }

    /// Lives until the end is near, and then reads on until its account is even.
    pub(super) async fn live(mut self, ends: watch::Receiver<bool>) -> Result<Outcome, String> {
        while !*ends.borrow() {
            self.look().await?;
            self.come_back().await?;
            if Instant::now() >= self.acts_at && self.asked.len() < MOST_ASKED {
                self.act().await?;
                let pause = Duration::from_millis(self.dice.between(20, 400));
                self.acts_at = Instant::now() + pause;
            }
        }
        self.hurry()?;
        self.even().await?;
        // Whatever comes too much comes before this answer.
        self.ping().await?;
        self.even().await?;
        self.outcome.sum = self.ledger.sum();
        Ok(self.outcome)
    }

    /// Reads whatever comes from now on, and has room for it. A window that has come to be a little
    /// smaller than half of its largest is one that the kernel fills only when its timer for closed
    /// windows runs out: a kilobyte or two each 200 ms, so that ten megabytes take half an hour.
    fn hurry(&mut self) -> Result<(), String> {
        self.pace = Pace::Fast;
        self.connect = self.connect.clone().receive_buffer(ROOM);
        SockRef::from(&self.stream)
            .set_recv_buffer_size(ROOM)
            .map_err(|error| self.say(&error.to_string()))
    }

    /// Reads until nothing is owed.
    async fn even(&mut self) -> Result<(), String> {
        let mut moved = (Instant::now(), self.ledger.sum());
        loop {
            self.look().await?;
            self.come_back().await?;
            let owed = self.ledger.owed();
            if owed.is_empty() && self.asked.is_empty() && self.pinged.is_empty() {
                return Ok(());
            }
            if self.ledger.sum() != moved.1 {
                moved = (Instant::now(), self.ledger.sum());
            } else if moved.0.elapsed() > PATIENCE {
                let (count, some) = (owed.len(), owed.iter().take(3).collect::<Vec<_>>());
                let (asked, pinged) = (&self.asked, &self.pinged);
                let waits =
                    format!("{count} owed, such as {some:?}; answers due: {asked:?} {pinged:?}");
                return Err(self.say(&waits));
            }
        }
    }

    /// One turn of reading.
    async fn look(&mut self) -> Result<(), String> {
        let frames = &mut self.frames;
        let mut take = |piece: &[u8]| frames.push(piece);
        let read = self.pace.read(&self.stream, &mut self.dice, &mut take);
        let open = read.await;
        let mut pongs = Vec::new();
        while let Some((opcode, payload)) = self.frames.take() {
            if self.closed.is_some() {
                return Err(self.say("a frame after the close"));
            }
            match opcode {
                TEXT => {
                    let text = str::from_utf8(payload).map_err(|error| error.to_string())?;
                    let noted = self.ledger.note(text);
                    let answer = noted.map_err(|wrong| self.say(&wrong))?;
                    if let Some(answer) = answer {
                        let answered = self.answered(&answer);
                        answered.map_err(|wrong| self.say(&format!("{wrong}: {answer}")))?;
                    }
                }
                PING => pongs.extend(frame(0x8a, payload)),
                PONG => {
                    let number = payload.try_into().map(u64::from_be_bytes).ok();
                    if number.is_none() || self.pinged.pop_front() != number {
                        return Err(self.say(&format!("a pong of {number:?} out of turn")));
                    }
                    self.outcome.pongs += 1;
                }
                CLOSE if payload.len() >= 2 => {
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    let reason = String::from_utf8_lossy(&payload[2..]).into_owned();
                    self.closed = Some((code, reason));
                }
                _ => return Err(self.say(&format!("a frame of opcode {opcode}"))),
            }
        }
        if self.closed.is_none() {
            if !open.map_err(|error| self.say(&error.to_string()))? {
                let rest = self.frames.rest();
                return Err(self.say(&format!("the end without a close, {rest} bytes in")));
            }
            if !pongs.is_empty() {
                self.write(&pongs).await?;
            }
        }
        Ok(())
    }

    /// Holds an answer against the oldest request.
    fn answered(&mut self, answer: &Value) -> Result<(), String> {
        let asked = self.asked.pop_front().ok_or("nothing was asked")?;
        let said = match (&asked, answer["type"].as_str()) {
            (Asked::Ping(_), Some("pong")) => {
                self.outcome.pongs += 1;
                answer["id"].as_u64().map(Asked::Ping)
            }
            (Asked::Subscribe(_), Some("subscribed")) => channels(answer).map(Asked::Subscribe),
            (Asked::Unsubscribe(_), Some("unsubscribed")) => {
                channels(answer).map(Asked::Unsubscribe)
            }
            _ => None,
        };
        if said.as_ref() == Some(&asked) {
            Ok(())
        } else {
            Err(format!("{asked:?} was asked"))
        }
    }

    /// Where the session was closed: begins another, if that was to be expected.
    async fn come_back(&mut self) -> Result<(), String> {
        let Some((code, reason)) = self.closed.take() else {
            return Ok(());
        };
        if !self.plan.may_be_cut || (code, reason.as_str()) != (1013, "slow consumer") {
            return Err(self.say(&format!("closed with {code} {reason}")));
        }
        self.outcome.cuts += 1;
        self.ledger.left();
        self.asked.clear();
        self.pinged.clear();
        self.frames = Frames::default();
        self.stream = enter(&self.connect).await;
        self.begin().await
    }

    /// Does something, whatever the dice say.
    async fn act(&mut self) -> Result<(), String> {
        let held = self.ledger.holds();
        match self.dice.below(6) {
            0 | 1 if self.restless && held.len() < MOST_HELD => {
                let count = self.dice.between(1, 4);
                let patterns = (0..count).map(|_| self.tape.pattern(&mut self.dice));
                let patterns = patterns.collect();
                self.subscribe(patterns).await
            }
            2 | 3 if self.restless && !held.is_empty() => {
                let held: Vec<_> = held.iter().cloned().collect();
                let which = self.dice.index(held.len());
                let some = held[which..].iter().take(2).cloned().collect();
                self.unsubscribe(some).await
            }
            4 => {
                let number = self.fresh();
                self.pinged.push_back(number);
                self.write(&frame(0x89, &number.to_be_bytes())).await
            }
            _ => self.ping().await,
        }
    }

    async fn ping(&mut self) -> Result<(), String> {
        let id = self.fresh();
        self.asked.push_back(Asked::Ping(id));
        self.ask(json!({"action": "ping", "id": id})).await
    }

    async fn subscribe(&mut self, mut patterns: Vec<String>) -> Result<(), String> {
        patterns.sort();
        patterns.dedup();
        let request = json!({"action": "subscribe", "channels": patterns});
        self.asked.push_back(Asked::Subscribe(patterns));
        self.ask(request).await
    }

    async fn unsubscribe(&mut self, patterns: Vec<String>) -> Result<(), String> {
        let request = json!({"action": "unsubscribe", "channels": patterns});
        self.asked.push_back(Asked::Unsubscribe(patterns));
        self.ask(request).await
    }

    async fn ask(&mut self, request: Value) -> Result<(), String> {
        let bytes = frame(0x81, request.to_string().as_bytes());
        self.write(&bytes).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        match timeout(PATIENCE, self.stream.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            // Cut already; what that was for is still to be read.
            Ok(Err(_)) if self.plan.may_be_cut => Ok(()),
            failed => Err(self.say(&format!("a request was not taken: {failed:?}"))),
        }
    }

    fn fresh(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// What is wrong, and with whom.
    fn say(&self, wrong: &str) -> String {
        let (number, pace, sum) = (self.number, self.pace, self.ledger.sum());
        let held = self.ledger.holds();
        format!("client {number} ({pace:?}, holding {held:?}, {sum}): {wrong}")
    }
}

/// A session of one's own.
async fn enter(connect: &Connect) -> TcpStream {
    let raw = Raw::upgrade(connect, connect.key_text()).await;
    raw.into_stream()
}

fn channels(answer: &Value) -> Option<Vec<String>> {
    let list = answer["channels"].as_array()?;
    list.iter()
        .map(|channel| channel.as_str().map(str::to_owned))
        .collect()
}
