//! Setting off messages, on time or as fast as they are read, and noting when.

use std::io::Write;
use std::net::TcpStream;
use std::process::ChildStdin;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::feed::{self, Markets};

/// A batch that is stopped ends with a multiple of so many messages, and with more than so many
/// after the stop: all markets get one more, from which their readers see that it is the last.
const LAST: usize = 100;

/// What sets a message off.
#[derive(Debug)]
pub(crate) enum Trigger {
    /// `PUBLISH` on a Redis.
    Redis(TcpStream, Markets),
    /// The message's number, to a loop.
    Line(ChildStdin),
}

impl Trigger {
    pub(crate) fn redis(port: u16, markets: Markets) -> Result<Self> {
        let mut redis = TcpStream::connect(("127.0.0.1", port))?;
        redis.set_nodelay(true)?;
        redis.write_all(b"CLIENT REPLY OFF\r\n")?;
        Ok(Self::Redis(redis, markets))
    }

    /// What has to be written to set off so many messages.
    fn order(&self, first: usize, messages: usize) -> Vec<u8> {
        match self {
            Self::Redis(_, markets) => (first..first + messages)
                .flat_map(|number| feed::publish(number, *markets))
                .collect(),
            Self::Line(_) => (first..first + messages)
                .flat_map(|number| format!("{number}\n").into_bytes())
                .collect(),
        }
    }

    fn pull(&mut self, order: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Redis(redis, _) => redis.write_all(order),
            // One by one, as nobody gets a burst in one piece.
            Self::Line(input) => order
                .split_inclusive(|byte| *byte == b'\n')
                .try_for_each(|line| input.write_all(line)),
        }
    }

    /// Sets off so many messages at once.
    pub(crate) fn fire(&mut self, first: usize, messages: usize) -> Result<()> {
        let order = self.order(first, messages);
        Ok(self.pull(&order)?)
    }
}

/// When the next message goes out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many a second, whatever happens.
    PerSecond(u32),
    /// As soon as fewer than so many are under way.
    UnderWay(usize),
    /// All of them in one write: a burst.
    AtOnce,
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
    /// The reader is ready, and messages may come.
    ready: Barrier,
    /// Enough was sent.
    stopped: AtomicBool,
    /// How many messages there are in the end.
    end: AtomicUsize,
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
            ready: Barrier::new(2),
            stopped: AtomicBool::new(false),
            end: AtomicUsize::new(messages),
        }
    }

    /// The most that there can be.
    pub(crate) fn messages(&self) -> usize {
        self.stamps.len()
    }

    /// How many there are. While messages are on their way it becomes less at most once, and
    /// stays more than have been sent.
    pub(crate) fn end(&self) -> usize {
        self.end.load(Ordering::Acquire)
    }

    /// Waits for the other one, reader or publisher, to be ready.
    pub(crate) fn wait(&self) {
        self.ready.wait();
    }

    /// Whether the first message is on its way.
    pub(crate) fn has_begun(&self) -> bool {
        self.stamp(0) > 0
    }

    /// Ends the batch after a few more messages.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
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
    if let Pace::AtOnce = pace {
        let order = trigger.order(first, shared.messages());
        shared.wait();
        let now = shared.now();
        for stamp in &shared.stamps {
            stamp.store(now, Ordering::Release);
        }
        return Ok(trigger.pull(&order)?);
    }
    shared.wait();
    let started = Instant::now();
    let mut stopping = false;
    for (index, stamp) in shared.stamps.iter().enumerate() {
        if !stopping && shared.stopped.load(Ordering::Acquire) {
            stopping = true;
            let end = (index / LAST + 2) * LAST;
            shared
                .end
                .store(end.min(shared.messages()), Ordering::Release);
        }
        if index >= shared.end() {
            break;
        }
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
            Pace::AtOnce => {}
        }
        if shared.failed.load(Ordering::Relaxed) {
            break;
        }
        let order = trigger.order(first + index, 1);
        stamp.store(shared.now(), Ordering::Release);
        trigger.pull(&order)?;
    }
    Ok(())
}
