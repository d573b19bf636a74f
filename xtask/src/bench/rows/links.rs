//! A burst through links that are slow: clients in a network namespace, behind a pair of virtual
//! interfaces whose host's end sends no faster than a token bucket lets it. It takes root, `ip`
//! and `tc`; where these are missing the part says so.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, ensure};

use super::losses::loss_rows;
use crate::child::Child;
use crate::door::Door;
use crate::feed::{self, Markets};
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::Trigger;
use crate::row::Row;
use crate::sip::{self, Habit};
use crate::tally::{Losses, Range};

/// Starts this program as clients behind a link; door, clients and batch follow.
pub(crate) const WORD: &str = "behind-link";

/// Megabits a second, and clients that share them.
const LINKS: [(u32, usize); 4] = [(100, 1), (20, 1), (5, 1), (20, 3)];

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let link = Link::lay().context(
        "no link could be laid: this part needs root, network namespaces, and `ip` and `tc` of \
         Debian's iproute2",
    )?;
    let markets = Markets(plan.burst);
    let more = ["--heartbeat-interval", "1h"];
    let host = Host::listening(binary, &format!("{HOST_ADDRESS}:0"), &more)?;
    let mut trigger = Trigger::redis(host.ground.redis_port, markets)?;
    let mut rows = Vec::new();
    let mut first = 0;
    for (megabits, clients) in LINKS {
        link.limit(megabits)?;
        let mut rounds = Vec::new();
        for round in 1..=plan.losses {
            progress(&format!(
                "links: {clients} behind {megabits} Mbit/s, round {round} of {}",
                plan.losses
            ));
            let range = Range {
                first,
                messages: plan.burst,
                markets,
            };
            first += plan.burst;
            rounds.push(burst(&link, &host.door(), clients, &mut trigger, range)?);
        }
        let what = format!("burst to {clients} behind {megabits} Mbit/s");
        rows.extend(loss_rows(&what, rounds.iter().copied()));
    }
    Ok(rows)
}

fn burst(
    link: &Link,
    door: &Door,
    clients: usize,
    trigger: &mut Trigger,
    range: Range,
) -> Result<Losses> {
    let numbers = [clients, range.first, range.messages].map(|number| number.to_string());
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &link.namespace]);
    command.arg(std::env::current_exe()?);
    command.args([WORD, &door.address.to_string()]);
    command.arg(door.key.as_deref().context("a host's door")?);
    let mut process = Child::start(command.args(numbers))?;
    process.line_after("ready")?;
    trigger.fire(range.first, range.messages)?;
    let line = process.line_after("lost ")?;
    let mut numbers = line.split(' ').map(str::parse);
    let mut next = || -> Result<usize> { Ok(numbers.next().context("three numbers")??) };
    Ok(Losses {
        wanted: next()?,
        in_gaps: next()?,
        silent: next()?,
    })
}

/// The clients themselves.
pub(crate) fn run(
    address: &str,
    key: &str,
    clients: &str,
    first: &str,
    messages: &str,
) -> Result<()> {
    let door = Door {
        address: address.parse()?,
        key: Some(key.to_owned()),
    };
    let messages = messages.parse()?;
    let range = Range {
        first: first.parse()?,
        messages,
        markets: Markets(messages),
    };
    let everything = [feed::EVERYTHING.to_owned()];
    let clients = 0..clients.parse()?;
    let clients: Result<Vec<_>> = clients.map(|n| door.enter(n, &everything)).collect();
    let reading: Vec<_> = clients?
        .into_iter()
        .map(|client| std::thread::spawn(move || sip::drink(client, Habit::Always, range)))
        .collect();
    println!("ready");
    let mut sum = Losses::default();
    for reader in reading {
        sum = sum.and(reader.join().map_err(|_| anyhow!("a reader panicked"))??);
    }
    println!("lost {} {} {}", sum.wanted, sum.in_gaps, sum.silent);
    Ok(())
}

const HOST_ADDRESS: &str = "10.213.77.1";
const CLIENT_ADDRESS: &str = "10.213.77.2";

/// A namespace, and a pair of interfaces of which it has one; gone on drop.
#[derive(Debug)]
struct Link {
    namespace: String,
    interface: String,
}

impl Link {
    fn lay() -> Result<Self> {
        let id = std::process::id();
        let link = Self {
            namespace: format!("tidegate-{id}"),
            // The kernel allows fifteen bytes.
            interface: format!("tg{id}"),
        };
        let (namespace, near) = (&*link.namespace, &*link.interface);
        let far = format!("{near}c");
        // What is made is removed by the drop of `link`, however far this comes.
        ip(&["netns", "add", namespace])?;
        ip(&["link", "add", near, "type", "veth", "peer", "name", &far])?;
        ip(&["link", "set", &far, "netns", namespace])?;
        ip(&["addr", "add", &format!("{HOST_ADDRESS}/30"), "dev", near])?;
        ip(&["link", "set", near, "up"])?;
        ip(&[
            "-n",
            namespace,
            "addr",
            "add",
            &format!("{CLIENT_ADDRESS}/30"),
            "dev",
            &far,
        ])?;
        ip(&["-n", namespace, "link", "set", &far, "up"])?;
        Ok(link)
    }

    fn limit(&self, megabits: u32) -> Result<()> {
        let rate = format!("{megabits}mbit");
        let bucket = ["tbf", "rate", &rate, "burst", "64kb", "latency", "50ms"];
        let place = ["qdisc", "replace", "dev", &self.interface, "root"];
        run_quietly("tc", &[&place[..], &bucket].concat())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The namespace takes its interface along, and that its other end.
        let _ = ip(&["netns", "del", &self.namespace]);
        let _ = ip(&["link", "del", &self.interface]);
    }
}

fn ip(arguments: &[&str]) -> Result<()> {
    run_quietly("ip", arguments)
}

fn run_quietly(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{program} is missing"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{program} {}: {complaint}",
        arguments.join(" ")
    );
    Ok(())
}
