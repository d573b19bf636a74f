//! Numbered messages on many channels, `ticks:{symbol}:{venue}`. The number is in the data,
//! from one for each channel, and tells how long the text behind it is: so that whoever gets
//! a message knows which it is and whether it is whole. How many were published is known
//! before the host can know it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::dice::Dice;
use crate::guest::{Allowed, Expected, FEED, Guest};
use crate::redis::Redis;
use crate::resp::{Resp, encode};
use crate::settings::{Setup, Transform};
use crate::tidegate::Tidegate;

pub const VENUES: [&str; 4] = ["north", "east", "south", "west"];

/// The pattern of all channels.
pub const ALL: &str = "ticks:*:*";

/// So many commands are sent before their answers are read.
const PIPELINE: usize = 256;

#[derive(Debug)]
pub struct Tape {
    channels: Vec<Channel>,
    by_name: HashMap<String, usize>,
    /// How many times longer than usual the texts are.
    weight: u64,
}

#[derive(Debug)]
struct Channel {
    name: String,
    published: AtomicU64,
}

impl Tape {
    /// Four channels for each of so many symbols.
    pub fn of(symbols: usize) -> Self {
        let names = (0..symbols).flat_map(|number| {
            let symbol = symbol(number);
            VENUES.map(move |venue| format!("ticks:{symbol}:{venue}"))
        });
        let channels: Vec<_> = names
            .map(|name| Channel {
                name,
                published: AtomicU64::new(0),
            })
            .collect();
        let by_name = channels.iter().zip(0..);
        Self {
            by_name: by_name
                .map(|(channel, index)| (channel.name.clone(), index))
                .collect(),
            channels,
            weight: 1,
        }
    }

    /// The same with messages of two KiB on average, instead of a quarter of one.
    pub fn heavy(mut self) -> Self {
        self.weight = 16;
        self
    }

    /// The component that makes messages of such events.
    pub fn guest() -> Guest {
        Guest::ticks().descriptor(|descriptor| {
            let venues = VENUES.map(str::to_owned).to_vec();
            descriptor
                .parameters
                .push(("venue".into(), Allowed::OneOf(venues)));
            descriptor.upstream_patterns = vec!["feed:ticks:{symbol}:{venue}".into()];
            descriptor.data_schema = descriptor.data_schema.replace("20", "8000");
            for sample in &mut descriptor.samples {
                sample.channel.push_str(":north");
                if let Expected::Publications(publications) = &mut sample.expected {
                    publications[0].0.push_str(":north");
                }
            }
        })
    }

    /// A host that runs it on two lanes, with queues before them that lose nothing, and takes
    /// requests as often as anybody wants.
    pub async fn host(redis: &Redis, change: impl FnOnce(Setup) -> Setup) -> Tidegate {
        let setup = Tidegate::on(redis)
            .setting("lane-queue-size", "256MiB")
            .setting("client-message-rate", "100000")
            .setting("client-message-burst", "100000");
        let file = Self::guest().write(&setup.path(""));
        let transform = Transform::file(&file).set("lanes", "2");
        change(setup.transform(transform)).start().await
    }

    /// A Redis that never cuts a subscriber that is behind.
    pub async fn redis() -> Redis {
        Redis::builder()
            .config("client-output-buffer-limit pubsub 0 0 0")
            .start()
            .await
    }

    /// The bytes of a message, more or less.
    pub fn usual_size(&self) -> usize {
        if self.weight == 1 { 250 } else { 2000 }
    }

    /// How many channels there are.
    pub fn width(&self) -> usize {
        self.channels.len()
    }

    pub fn name(&self, index: usize) -> &str {
        &self.channels[index].name
    }

    pub fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The number of the channel's last message that is published or about to be.
    pub fn published(&self, index: usize) -> u64 {
        self.channels[index].published.load(Ordering::SeqCst)
    }

    /// Which channels a pattern stands for.
    pub fn matching(&self, pattern: &str) -> Vec<usize> {
        if let Some(index) = self.index(pattern) {
            return vec![index];
        }
        let fits = |name: &str| {
            let mut parts = name.split(':');
            pattern
                .split(':')
                .all(|wanted| parts.next().is_some_and(|p| wanted == "*" || wanted == p))
        };
        (0..self.width())
            .filter(|&index| fits(self.name(index)))
            .collect()
    }

    /// A pattern as clients take them: most are narrow, and few are for everything.
    pub fn pattern(&self, dice: &mut Dice) -> String {
        let name = self.name(dice.index(self.width()));
        let mut parts: Vec<_> = name.split(':').collect();
        match dice.below(20) {
            0 => return ALL.to_owned(),
            1..=2 => parts[1] = "*",
            3..=8 => parts[2] = "*",
            _ => {}
        }
        parts.join(":")
    }

    /// Whether this is the text of the message of this number.
    pub fn is_whole(&self, number: u64, text: &str) -> bool {
        let filled = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &text[..text.len() - filled.len()];
        digits.parse() == Ok(number)
            && filled.len() as u64 == self.filling(number)
            && filled.bytes().all(|byte| byte == b'x')
    }

    /// How long the text behind a number is.
    fn filling(&self, number: u64) -> u64 {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let long = if mixed.is_multiple_of(64) { 16 } else { 1 };
        (mixed * self.weight * long).min(7900)
    }

    /// Publishes one message on each of these channels, one after the other.
    pub async fn publish(&self, redis: &Redis, channels: impl IntoIterator<Item = usize>) {
        let mut line = Resp::connect(redis.port()).await.expect("it listens");
        self.send(&mut line, channels).await;
    }

    async fn send(&self, line: &mut Resp, channels: impl IntoIterator<Item = usize>) {
        let mut channels = channels.into_iter().peekable();
        while channels.peek().is_some() {
            let mut bytes = Vec::new();
            let mut count = 0;
            for index in channels.by_ref().take(PIPELINE) {
                bytes.extend(self.command(index));
                count += 1;
            }
            line.send_raw(&bytes).await.expect("redis-server reads");
            for _ in 0..count {
                line.reply().await.expect("redis-server answers");
            }
        }
    }

    fn command(&self, index: usize) -> Vec<u8> {
        let payload = self.data(self.advance(index));
        let (_, rest) = self.name(index).split_once(':').expect("written above");
        let upstream = format!("{FEED}{rest}");
        encode(&[b"PUBLISH", upstream.as_bytes(), payload.as_bytes()])
    }

    /// Counts a message more on a channel, and gives its number.
    pub fn advance(&self, index: usize) -> u64 {
        let published = &self.channels[index].published;
        published.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn data(&self, number: u64) -> String {
        let filling = usize::try_from(self.filling(number)).expect("small");
        format!(r#"{{"price":"{number}{}"}}"#, "x".repeat(filling))
    }

    /// The message of this number as clients get it.
    pub fn message(&self, index: usize, number: u64) -> String {
        let (channel, data) = (self.name(index), self.data(number));
        format!(r#"{{"type":"tick","channel":"{channel}","seq":{number},"data":{data}}}"#)
    }

    /// Publishes so many messages on channels of the dice's choice, in bursts of all sizes:
    /// so many a second in the long run.
    pub async fn play(&self, redis: &Redis, dice: &mut Dice, count: u64, rate: u64) {
        let mut line = Resp::connect(redis.port()).await.expect("it listens");
        let started = tokio::time::Instant::now();
        let mut sent = 0;
        while sent < count {
            let burst = match dice.below(8) {
                0 => dice.below(1000) + 1,
                _ => dice.below(60) + 1,
            };
            let burst = burst.min(count - sent);
            // Some bursts are of one channel: as when one symbol goes wild.
            let only = dice.once_in(4).then(|| dice.index(self.width()));
            let channels: Vec<_> = (0..burst)
                .map(|_| only.unwrap_or_else(|| dice.index(self.width())))
                .collect();
            self.send(&mut line, channels).await;
            sent += burst;
            let due = std::time::Duration::from_micros(sent * 1_000_000 / rate);
            tokio::time::sleep_until(started + due).await;
        }
    }
}

/// A name of letters for each number; none begins with `X`.
fn symbol(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..3 {
        let letter = u8::try_from(number % 20).expect("less than twenty");
        text.insert(0, char::from(b'A' + letter));
        number /= 20;
    }
    text
}
