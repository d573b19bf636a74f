//! The host, the bare and the coalescing loop as three of a kind: something that sends to all
//! of its clients what it is told to, with what that cost.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bare::{self, Baseline};
use crate::child::Child;
use crate::door::{Client, Door};
use crate::feed::{self, Markets};
use crate::host::{Binary, Host, Servers};
use crate::publisher::{self, Pace, Shared, Trigger};
use crate::reader::{Delivery, Reader, Received, Taste};
use crate::spread::Ranked;
use crate::tally::Losses;

/// Figures of one batch of messages to all clients.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Of the sending process.
    pub(crate) cpu: Duration,
    /// Of the reading thread.
    pub(crate) reader: Duration,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) losses: Losses,
    /// From the first message to the last read.
    pub(crate) lasted: Duration,
}

impl Batch {
    /// Microseconds of processor time for each message that arrived.
    pub(crate) fn each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.deliveries.len() as f64
    }

    /// Delays of those clients that have a number below this.
    pub(crate) fn delays(&self, below: usize) -> Ranked {
        let counted = self
            .deliveries
            .iter()
            .filter(|delivery| delivery.client < below);
        Ranked::of(counted.map(|delivery| delivery.delay))
    }
}

/// What sends.
#[derive(Debug)]
pub(crate) enum Process<'a> {
    Host(Box<Host<'a>>),
    Loop(Child),
}

impl Process<'_> {
    pub(crate) fn child(&self) -> &Child {
        match self {
            Self::Host(host) => &host.process,
            Self::Loop(child) => child,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Side<'a> {
    pub(crate) door: Door,
    patterns: Vec<String>,
    traffic: Traffic,
    process: Process<'a>,
}

/// Messages on their way: what sets them off, and who reads them.
#[derive(Debug)]
pub(crate) struct Traffic {
    trigger: Trigger,
    readers: Reader,
    /// The number of the next message.
    next: usize,
}

/// Clients of a side, all with the same subscription: to everything, or to the one market.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Audience {
    pub(crate) clients: usize,
    pub(crate) markets: Markets,
}

impl Audience {
    fn patterns(self) -> Vec<String> {
        match self.markets {
            Markets(1) => vec![feed::public_channel(0)],
            Markets(_) => vec![feed::EVERYTHING.to_owned()],
        }
    }
}

impl<'a> Side<'a> {
    pub(crate) fn host(binary: &'a Binary, audience: Audience) -> Result<Self> {
        Self::host_on(binary, Servers::Single, audience)
    }

    /// A host on such a Redis.
    pub(crate) fn host_on(
        binary: &'a Binary,
        servers: Servers,
        audience: Audience,
    ) -> Result<Self> {
        let host = Host::start_on(binary, servers)?;
        let trigger = Trigger::redis(host.ground.redis_port, audience.markets)?;
        Self::new(host.door(), audience, trigger, Process::Host(host.into())).context("the host")
    }

    pub(crate) fn of(baseline: Baseline, audience: Audience) -> Result<Self> {
        let (mut process, address) = bare::start(baseline, audience.clients, audience.markets)?;
        let trigger = Trigger::Line(process.stdin()?);
        let door = Door { address, key: None };
        Self::new(door, audience, trigger, Process::Loop(process)).context("the loop")
    }

    fn new(door: Door, audience: Audience, trigger: Trigger, process: Process<'a>) -> Result<Self> {
        let patterns = audience.patterns();
        let enter = |n| door.enter(n, &patterns);
        let clients = (0..audience.clients).map(enter).collect::<Result<_>>()?;
        let readers = Reader::new(clients, audience.markets, Taste::Everything)?;
        let mut side = Self {
            door,
            patterns,
            traffic: Traffic::new(trigger, readers),
            process,
        };
        let warm = side.send(Pace::UnderWay(1), WARM_UP)?;
        ensure!(warm.losses.lost() == 0, "messages one by one were lost");
        Ok(side)
    }

    /// A further client of the same kind, with a small receive buffer.
    pub(crate) fn enter(&self, number: usize, buffer: usize) -> Result<Client> {
        self.door.enter_with(number, &self.patterns, Some(buffer))
    }

    /// Has these read too.
    pub(crate) fn admit(&mut self, clients: Vec<Client>) -> Result<()> {
        clients
            .into_iter()
            .try_for_each(|client| self.traffic.readers.push(client))
    }

    /// Only the first so many are left of those who read.
    pub(crate) fn keep(&mut self, clients: usize) {
        self.traffic.readers.truncate(clients);
    }

    pub(crate) fn send(&mut self, pace: Pace, messages: usize) -> Result<Batch> {
        let before = self.process.child().cpu()?;
        let received = self.traffic.send(pace, &Shared::new(messages))?;
        let cpu = self.process.child().cpu()?.since(&before);
        let (door, patterns) = (&self.door, &self.patterns);
        let readers = &mut self.traffic.readers;
        readers.replace_closed(|n| door.enter(n, patterns))?;
        ensure!(!received.deliveries.is_empty(), "nothing arrived");
        Ok(Batch {
            cpu,
            reader: received.cpu,
            deliveries: received.deliveries,
            losses: received.losses,
            lasted: Duration::from_nanos(received.ended),
        })
    }
}

/// Messages before anything is measured.
const WARM_UP: usize = 50;

impl Traffic {
    pub(crate) fn new(trigger: Trigger, readers: Reader) -> Self {
        Self {
            trigger,
            readers,
            next: 0,
        }
    }

    /// Publishes a batch in this thread and reads it in another.
    pub(crate) fn send(&mut self, pace: Pace, shared: &Shared) -> Result<Received> {
        let Self {
            trigger,
            readers,
            next,
        } = self;
        let (first, publisher) = (*next, std::thread::current());
        let received = std::thread::scope(|scope| {
            let reading = scope.spawn(|| readers.read(first, shared, &publisher));
            publisher::publish(trigger, pace, first, shared)?;
            reading
                .join()
                .map_err(|_| anyhow::anyhow!("the reading thread panicked"))?
        })?;
        *next += shared.end();
        Ok(received)
    }
}
