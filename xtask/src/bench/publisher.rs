//! Setting off messages, on time or as fast as they are read, and noting when.

use std::io::Write;
use std::net::TcpStream;
use std::process::ChildStdin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::feed;

/// What sets a message off.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// `PUBLISH` on a Redis.
    Redis(TcpStream),
    /// The message's number, to the bare loop.
    Line(ChildStdin),
}

impl Trigger {
    pub(crate) fn redis(port: u16) -> Result<Self> {
        let mut redis = TcpStream::connect(("127.0.0.1", port))?;
        redis.set_nodelay(true)?;
        redis.write_all(b"CLIENT REPLY OFF\r\n")?;
        Ok(Self::Redis(redis))
    }

    fn pull(&mut self, number: usize) -> Result<()> {
        match self {
            Self::Redis(redis) => {
                let (channel, payload) = (feed::UPSTREAM_CHANNEL, feed::payload(number));
                let command = format!(
                    "*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${}\r\n{payload}\r\n",
                    channel.len(),
                    payload.len()
                );
                redis.write_all(command.as_bytes())?;
            }
            Self::Line(input) => {
                input.write_all(format!("{number}\n").as_bytes())?;
            }
        }
        Ok(())
    }
}

/// When the next message goes out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many a second, whatever happens.
    PerSecond(u32),
    /// As soon as fewer than so many are under way: the most that readers can take, and no
    /// more than a session may have waiting.
    UnderWay(usize),
}

/// What publisher and reader tell each other about one batch of messages.
#[derive(Debug)]
pub(crate) struct Shared {
    began: Instant,
    /// When each message was set off, in nanoseconds since `began`.
    stamps: Vec<AtomicU64>,
    /// Messages that every session has.
    pub(crate) complete: AtomicUsize,
    /// The reader gave up.
    pub(crate) failed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(messages: usize) -> Self {
        Self {
            began: Instant::now(),
            stamps: std::iter::repeat_with(AtomicU64::default)
                .take(messages)
                .collect(),
            complete: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
        }
    }

    pub(crate) fn messages(&self) -> usize {
        self.stamps.len()
    }

    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// When a message of this batch was set off, on the same clock as `now`.
    pub(crate) fn stamp(&self, index: usize) -> u64 {
        self.stamps[index].load(Ordering::Acquire)
    }
}

/// Sets off all messages of a batch, the first of which has the number `first`.
pub(crate) fn publish(
    trigger: &mut Trigger,
    pace: Pace,
    first: usize,
    shared: &Shared,
) -> Result<()> {
    let started = Instant::now();
    for (index, stamp) in shared.stamps.iter().enumerate() {
        match pace {
            Pace::PerSecond(rate) => {
                let due = Duration::from_secs_f64(index as f64 / f64::from(rate));
                std::thread::sleep(due.saturating_sub(started.elapsed()));
            }
            Pace::UnderWay(most) => {
                while shared.complete.load(Ordering::Acquire) + most <= index
                    && !shared.failed.load(Ordering::Relaxed)
                {
                    // The reader wakes this thread with each message that is complete.
                    std::thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
        if shared.failed.load(Ordering::Relaxed) {
            break;
        }
        stamp.store(shared.now(), Ordering::Release);
        trigger.pull(first + index)?;
    }
    Ok(())
}
