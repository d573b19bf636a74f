//! What a swap does to those who are connected: the delay of each delivery while a component is
//! uploaded, checked, planned, applied and taken back, beside the delay with nobody at work,
//! in the same round.
//!
//! The candidates are the built-in candle with a section that says nothing, another each time:
//! none was ever compiled, and clients still get what is known to the byte. That they see each
//! switch at one event is for the tests.

mod operator;
mod stop;
mod table;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::operator::Operator;
pub(crate) use self::stop::measure as measure_stop;
use crate::feed::{self, Markets};
use crate::host::{Binary, Host, wait_until};
use crate::publisher::{Pace, Shared, Trigger};
use crate::reader::{Delivery, Reader, Received, Taste};
use crate::row::Row;
use crate::side::Traffic;
use crate::spread::Ranked;
use crate::{plan, progress};

/// The transform that is swapped: a built-in one.
const TRANSFORM: &str = "candle";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SwapPlan {
    pub(crate) rounds: usize,
    pub(crate) sessions: usize,
    /// Channels that the events go to in turn; each session has one of them. Divides 100.
    pub(crate) markets: usize,
    /// Events a second.
    pub(crate) rate: u32,
    /// Of a batch in which nothing happens. A multiple of 100.
    pub(crate) quiet: usize,
}

/// Before an operator begins, and after the last answer: what a switch does to deliveries
/// happens around it.
const AROUND: Duration = Duration::from_millis(50);

/// The most that a batch with an operator at work can take.
const MOST: Duration = Duration::from_secs(20);

/// Delays of deliveries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    /// Microseconds from the event's `PUBLISH` to a client's read.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Nobody at work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quiet {
    pub(crate) delays: Delays,
    /// Microseconds of the host's processor time for each event and its deliveries.
    pub(crate) cpu: f64,
}

/// One step of an operator, from the request to the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// From the order to the switch as the host says it, in microseconds; for swaps only.
    pub(crate) switch: f64,
}

impl Step {
    pub(crate) fn millis(&self) -> f64 {
        (self.to - self.from) as f64 / 1e6
    }
}

/// One apply and one rollback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SwapRound {
    pub(crate) quiet: Quiet,
    /// With a revision on probation, and the one before behind it.
    pub(crate) watched: Quiet,
    pub(crate) push: Step,
    pub(crate) plan: Step,
    pub(crate) apply: Step,
    pub(crate) rollback: Step,
    /// From the upload to a moment after the apply.
    pub(crate) whole: Delays,
    /// The apply alone, and a moment around it.
    pub(crate) applying: Delays,
    pub(crate) returning: Delays,
}

pub(crate) fn measure(plan: &plan::Plan, binary: &Binary) -> Result<Vec<Row>> {
    let plan = &plan.swap;
    progress(&format!(
        "swaps: {} events a second to {} clients",
        plan.rate, plan.sessions
    ));
    let host = Host::start(binary, &["--state-dir", "state"])?;
    let markets = Markets(plan.markets);
    let door = host.door();
    let enter = |n| door.enter(n, &[feed::public_channel(markets.of(n))]);
    let clients = (0..plan.sessions).map(enter).collect::<Result<_>>()?;
    let trigger = Trigger::redis(host.ground.redis_port, markets)?;
    let mut stream = Stream {
        plan: *plan,
        host: &host,
        traffic: Traffic::new(trigger, Reader::new(clients, markets, Taste::One)?),
    };
    stream.quiet().context("before the first round")?;
    let component = builtin(TRANSFORM)?;
    let mut rounds = Vec::with_capacity(plan.rounds);
    for number in 0..plan.rounds {
        progress(&format!("swaps: round {} of {}", number + 1, plan.rounds));
        let candidate = operator::candidate(&component, number);
        rounds.push(stream.round(&candidate)?);
    }
    Ok(table::rows(&rounds))
}

/// A component that the host has in it.
pub(crate) fn builtin(name: &str) -> Result<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transforms/dist");
    std::fs::read(dist.join(name).with_extension("wasm"))
        .context("no component: run `cargo xtask transforms`")
}

/// Events on their way through a host to its clients.
struct Stream<'a> {
    plan: SwapPlan,
    host: &'a Host<'a>,
    traffic: Traffic,
}

impl Stream<'_> {
    fn round(&mut self, candidate: &[u8]) -> Result<SwapRound> {
        let quiet = self.quiet().context("nobody at work")?;
        let (change, [push, plan, apply]) = self
            .during(|operator| {
                let (revision, push) = operator.push(candidate)?;
                let (id, plan) = operator.plan(&revision)?;
                Ok([push, plan, operator.apply(&id)?])
            })
            .context("push, plan, apply")?;
        let watched = self.quiet().context("on probation")?;
        let (back, rollback) = self
            .during(|operator| operator.rollback(TRANSFORM))
            .context("rollback")?;
        Ok(SwapRound {
            quiet,
            watched,
            push,
            plan,
            apply,
            rollback,
            whole: around(&change, push.from, apply.to),
            applying: around(&change, apply.from, apply.to),
            returning: around(&back, rollback.from, rollback.to),
        })
    }

    fn quiet(&mut self) -> Result<Quiet> {
        let before = self.host.process.cpu()?;
        let received = self.send(&Shared::new(self.plan.quiet))?;
        let cpu = self.host.process.cpu()?.since(&before);
        Ok(Quiet {
            delays: Delays::of(received.deliveries.iter()),
            cpu: cpu.as_secs_f64() * 1e6 / self.plan.quiet as f64,
        })
    }

    /// Events for as long as an operator works.
    fn during<T: Send>(
        &mut self,
        work: impl FnOnce(&Operator<'_>) -> Result<T> + Send,
    ) -> Result<(Received, T)> {
        let shared = Shared::new(MOST.as_secs() as usize * self.plan.rate as usize);
        let operator = Operator {
            host: self.host.admin,
            clock: &shared,
        };
        std::thread::scope(|scope| {
            let working = scope.spawn(|| {
                wait_until("events to come", || shared.has_begun())?;
                std::thread::sleep(AROUND);
                let done = work(&operator);
                std::thread::sleep(AROUND);
                shared.stop();
                done
            });
            let received = self.send(&shared);
            let done = working
                .join()
                .map_err(|_| anyhow::anyhow!("the operator's thread panicked"))?;
            // What the operator was told is more to the point than that events ran out.
            let done = done?;
            Ok((received?, done))
        })
    }

    fn send(&mut self, shared: &Shared) -> Result<Received> {
        let pace = Pace::PerSecond(self.plan.rate);
        let received = self.traffic.send(pace, shared)?;
        ensure!(received.losses.lost() == 0, "messages were lost");
        Ok(received)
    }
}

/// The delays of what was sent from then to then, in nanoseconds since the batch began, and a
/// moment around it: an event that came just before the switch waits for it too.
fn around(received: &Received, from: u64, to: u64) -> Delays {
    let around = AROUND.as_nanos() as u64;
    let range = from.saturating_sub(around / 10)..to + around;
    let within = received.deliveries.iter();
    Delays::of(within.filter(|delivery| range.contains(&delivery.sent)))
}

impl Delays {
    fn of<'a>(deliveries: impl Iterator<Item = &'a Delivery>) -> Self {
        let ranked = Ranked::of(deliveries.map(|delivery| delivery.delay));
        Self {
            p50: ranked.rank(0.5),
            p99: ranked.rank(0.99),
        }
    }
}
