//! Ten hosts that do everything, beside ten edge hosts on one or two ingest hosts: what a message
//! costs all of them together and Redis; and how much later it is for the way through Redis.

use anyhow::{Result, ensure};

use crate::child::Cpu;
use crate::door::Client;
use crate::feed::{self, Markets};
use crate::host::{Binary, Ground, Sharer};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::{Pace, Shared, Trigger};
use crate::reader::{Reader, Taste};
use crate::row::{Row, Target};
use crate::side::Traffic;
use crate::spread::Ranked;

use super::shards;

const HOSTS: usize = 10;
const MARKETS: Markets = Markets(100);

/// Messages a second.
const RATE: u32 = 1_000;

const WARM_UP: usize = 200;

/// Some hosts on one Redis, each of those that have clients with one.
struct Crew<'a> {
    hosts: Vec<Sharer>,
    traffic: Traffic,
    ground: Ground<'a>,
}

/// What a batch came to.
struct Figures {
    /// Microseconds of processor time a message, of all hosts together and of Redis.
    hosts: f64,
    redis: f64,
    delays: Ranked,
}

impl<'a> Crew<'a> {
    /// So many ingest hosts, none where each host does everything; so many with clients.
    fn gather(binary: &'a Binary, ingests: usize, clients: usize) -> Result<Self> {
        let ground = Ground::prepare(binary)?;
        let mut hosts = Vec::new();
        for _ in 0..ingests {
            hosts.push(ground.share(&["--role", "ingest"])?);
        }
        let role = if ingests > 0 { "edge" } else { "both" };
        let mut members: Vec<Client> = Vec::new();
        for number in 0..clients {
            let host = ground.share(&["--role", role])?;
            let patterns = [feed::EVERYTHING.to_owned()];
            members.push(host.door.enter(number, &patterns)?);
            hosts.push(host);
        }
        let trigger = Trigger::redis(ground.redis_port, MARKETS)?;
        let readers = Reader::new(members, MARKETS, Taste::Everything)?;
        let mut crew = Self {
            hosts,
            traffic: Traffic::new(trigger, readers),
            ground,
        };
        crew.send(Pace::UnderWay(1), WARM_UP)?;
        Ok(crew)
    }

    fn cpu(&self) -> Result<Vec<Cpu>> {
        let hosts = self.hosts.iter().map(|host| &host.process);
        hosts
            .chain(&self.ground.redis)
            .map(|process| process.cpu())
            .collect()
    }

    fn send(&mut self, pace: Pace, messages: usize) -> Result<Figures> {
        let before = self.cpu()?;
        let received = self.traffic.send(pace, &Shared::new(messages))?;
        ensure!(received.losses.lost() == 0, "messages were lost");
        let after = self.cpu()?;
        let used = after
            .iter()
            .zip(&before)
            .map(|(after, before)| after.since(before));
        let mut used: Vec<f64> = used.map(|time| time.as_secs_f64() * 1e6).collect();
        let redis = used.pop().unwrap_or_default();
        Ok(Figures {
            hosts: used.iter().sum::<f64>() / messages as f64,
            redis: redis / messages as f64,
            delays: Ranked::of(received.deliveries.iter().map(|delivery| delivery.delay)),
        })
    }
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let messages = (plan.paced.as_secs_f64() * f64::from(RATE)) as usize;
    let messages = messages.next_multiple_of(MARKETS.0);
    let mut rows = costs(plan, binary, messages)?;
    rows.extend(delays(plan, binary, messages)?);
    rows.extend(shards::rows());
    Ok(rows)
}

fn costs(plan: &Plan, binary: &Binary, messages: usize) -> Result<Vec<Row>> {
    progress(&format!("relay: {HOSTS} hosts in three ways"));
    let mut crews = Vec::new();
    for ingests in 0..=2 {
        crews.push(Crew::gather(binary, ingests, HOSTS)?);
    }
    let (mut hosts, mut redis) = (vec![Vec::new(); 3], vec![Vec::new(); 3]);
    for _ in 0..plan.rounds {
        for (place, crew) in crews.iter_mut().enumerate() {
            let figures = crew.send(Pace::PerSecond(RATE), messages)?;
            hosts[place].push(figures.hosts);
            redis[place].push(figures.redis);
        }
    }
    let names = ["role both", "1 ingest and edges", "2 ingest and edges"];
    let mut rows = Vec::new();
    for place in 1..3 {
        let ratios = hosts[place].iter().zip(&hosts[0]);
        let what = format!(
            "{HOSTS} hosts, {}: CPU a message ÷ {}",
            names[place], names[0]
        );
        let ratios: Vec<f64> = ratios.map(|(relay, both)| relay / both).collect();
        rows.push(Row::new(what, "÷", Target::None, ratios));
    }
    for (place, name) in names.into_iter().enumerate() {
        let what = format!("{HOSTS} hosts, {name}: CPU a message, all hosts");
        rows.push(Row::new(what, "µs", Target::None, hosts[place].clone()));
        let what = format!("{HOSTS} hosts, {name}: CPU a message, Redis");
        rows.push(Row::new(what, "µs", Target::None, redis[place].clone()));
    }
    Ok(rows)
}

fn delays(plan: &Plan, binary: &Binary, messages: usize) -> Result<Vec<Row>> {
    progress("relay: delays with one host, and with one ingest and one edge host");
    let mut both = Crew::gather(binary, 0, 1)?;
    let mut relay = Crew::gather(binary, 1, 1)?;
    let (mut middle, mut late) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let before = both.send(Pace::PerSecond(RATE), messages)?.delays;
        let through = relay.send(Pace::PerSecond(RATE), messages)?.delays;
        let longer = |part: f64| (through.rank(part) - before.rank(part)) / 1e3;
        middle.push(longer(0.5));
        late.push(longer(0.99));
    }
    let row = |what: &str, target, rounds| {
        let what = format!("Through ingest and edge: delay of {what}, longer by");
        Row::new(what, "ms", target, rounds)
    };
    Ok(vec![
        row("the middle one", Target::None, middle),
        row("99 of 100", Target::AtMost(1.0), late),
    ])
}
