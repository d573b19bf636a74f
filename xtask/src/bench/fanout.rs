//! One message to a thousand sessions, by the host and by the bare loop in turns: processor
//! time for each delivery, deliveries a second, and latency.

use anyhow::{Context, Result};

use crate::child::Child;
use crate::feed::Markets;
use crate::host::{Binary, Host};
use crate::publisher::{self, Pace, Shared, Trigger};
use crate::reader::{Reader, Received};
use crate::spread::Ranked;
use crate::{Plan, bare, progress, sessions};

/// All sessions get all messages.
const ONE: Markets = Markets(1);

/// Messages under way at full tilt. Some 200 bytes each, so a session never has as much waiting
/// as makes the host skip.
const UNDER_WAY: usize = 32;

/// Messages before the first round.
const WARM_UP: usize = 50;

/// Figures of one batch of messages to all sessions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Batch {
    /// Microseconds of processor time a delivery: the sending process, in user mode and in the
    /// kernel, and the reading thread.
    pub(crate) user: f64,
    pub(crate) system: f64,
    pub(crate) reader: f64,
    pub(crate) per_second: f64,
    /// Microseconds from setting a message off to a client's read.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Batch {
    pub(crate) fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// The batches of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// At the moderate rate.
    pub(crate) paced: Pair,
    /// Each message as soon as all have the one before, so no two can share a write.
    pub(crate) single: Pair,
    /// Always some under way.
    pub(crate) tilt: Pair,
}

/// The same batch by both, one right after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) host: Batch,
    pub(crate) bare: Batch,
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Round>> {
    let count = plan.sessions;
    progress(&format!(
        "fan-out: connecting {count} clients to a host and to a bare loop"
    ));
    let host = Host::start(binary, &[])?;
    let readers = Reader::new(sessions::subscribe(count, &host, ONE)?, ONE)?;
    let mut host = Sender {
        trigger: Trigger::redis(host.redis_port, ONE)?,
        readers,
        process: &host.process,
        sessions: count,
        next: 0,
    };
    let (mut process, address) = bare::start(count)?;
    let mut bare = Sender {
        readers: Reader::new(sessions::connect(count, address)?, ONE)?,
        trigger: Trigger::Line(process.stdin()?),
        process: &process,
        sessions: count,
        next: 0,
    };
    host.send(Pace::UnderWay(1), WARM_UP).context("the host")?;
    bare.send(Pace::UnderWay(1), WARM_UP)
        .context("the bare loop")?;
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 1..=plan.rounds {
        progress(&format!("fan-out: round {number} of {}", plan.rounds));
        let mut both = |pace, messages| -> Result<Pair> {
            Ok(Pair {
                host: host.send(pace, messages).context("the host")?,
                bare: bare.send(pace, messages).context("the bare loop")?,
            })
        };
        rounds.push(Round {
            paced: both(Pace::PerSecond(plan.rate), plan.paced)?,
            single: both(Pace::UnderWay(1), plan.single)?,
            tilt: both(Pace::UnderWay(UNDER_WAY), plan.tilt)?,
        });
    }
    Ok(rounds)
}

/// Something that sends to all of its clients what it is told to.
struct Sender<'a> {
    process: &'a Child,
    trigger: Trigger,
    readers: Reader,
    sessions: usize,
    /// The number of the next message.
    next: usize,
}

impl Sender<'_> {
    fn send(&mut self, pace: Pace, messages: usize) -> Result<Batch> {
        let cpu_before = self.process.cpu()?;
        let received = send(
            &mut self.trigger,
            &mut self.readers,
            pace,
            self.next,
            messages,
        )?;
        let cpu = self.process.cpu()?.since(cpu_before);
        self.next += messages;
        let deliveries = (messages * self.sessions) as f64;
        let each = |time: std::time::Duration| time.as_secs_f64() * 1e6 / deliveries;
        let delays = received.deliveries.iter().map(|one| one.delay);
        let delays = Ranked::of(delays);
        Ok(Batch {
            user: each(cpu.user),
            system: each(cpu.system),
            reader: each(received.cpu),
            per_second: deliveries * 1e9 / received.ended as f64,
            p50: delays.rank(0.5),
            p99: delays.rank(0.99),
        })
    }
}

/// Publishes a batch in this thread and reads it in another.
pub(crate) fn send(
    trigger: &mut Trigger,
    readers: &mut Reader,
    pace: Pace,
    first: usize,
    messages: usize,
) -> Result<Received> {
    send_shared(trigger, readers, pace, first, &Shared::new(messages))
}

/// The same with what others watch, or cut short.
pub(crate) fn send_shared(
    trigger: &mut Trigger,
    readers: &mut Reader,
    pace: Pace,
    first: usize,
    shared: &Shared,
) -> Result<Received> {
    let publisher = std::thread::current();
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| readers.read(first, shared, &publisher));
        publisher::publish(trigger, pace, first, shared)?;
        reading
            .join()
            .map_err(|_| anyhow::anyhow!("the reading thread panicked"))?
    })
}
