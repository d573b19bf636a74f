//! What those who come do to those who are there: the delay of deliveries while 2,000 clients a
//! second connect, subscribe and go, and while one sends requests of 1,000 channels as fast as
//! they are answered, beside the delay without them.

use std::collections::VecDeque;
use std::io::Read;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use crate::child::Child;
use crate::door::Door;
use crate::feed::{self, Markets};
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::publisher::{Pace, Shared, Trigger};
use crate::reader::{Reader, Taste};
use crate::row::{Row, Target};
use crate::side::Traffic;
use crate::spread::Ranked;

/// Start this program as such clients; the door follows.
pub(crate) const STORM: &str = "storm";
pub(crate) const REQUESTS: &str = "requests";

/// Who are there, and messages a second to each.
const CLIENTS: usize = 200;
const RATE: u32 = 100;

/// Connects a second, the threads that make them, and how many sessions each thread holds
/// before the oldest goes.
const CONNECTS: usize = 2_000;
const THREADS: usize = 8;
const HELD: usize = 25;

/// What the delay of 99 of 100 deliveries may be longer, in milliseconds.
const LONGER: f64 = 20.0;

struct ConnectsRound {
    without: Ranked,
    with: Ranked,
    /// What the others did, a second.
    done: f64,
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let settings = [
        ["--max-channels-per-message", "1000"],
        ["--max-subscriptions", "100000"],
        ["--max-message-size", "1MiB"],
        ["--client-message-rate", "100000"],
        ["--client-message-burst", "100000"],
    ];
    let host = Host::start(binary, &settings.concat())?;
    let door = host.door();
    let markets = Markets(1);
    let channel = [feed::public_channel(0)];
    let clients: Result<_> = (0..CLIENTS).map(|n| door.enter(n, &channel)).collect();
    let readers = Reader::new(clients?, markets, Taste::Everything)?;
    let trigger = Trigger::redis(host.ground.redis_port, markets)?;
    let mut traffic = Traffic::new(trigger, readers);
    let mut delays = || -> Result<Ranked> {
        let shared = Shared::new((plan.paced.as_secs_f64() * f64::from(RATE)) as usize);
        let received = traffic.send(Pace::PerSecond(RATE), &shared)?;
        Ok(Ranked::of(
            received.deliveries.iter().map(|delivery| delivery.delay),
        ))
    };
    delays()?;
    let mut rows = Vec::new();
    for (word, what, unit) in [
        (STORM, "2,000 connects a second", "connects a second"),
        (REQUESTS, "requests of 1,000 channels", "requests a second"),
    ] {
        let mut rounds = Vec::new();
        for number in 1..=plan.rounds {
            progress(&format!("{what}: round {number} of {}", plan.rounds));
            let without = delays()?;
            let others = Others::start(word, &door)?;
            let with = delays()?;
            let done = others.stop()?;
            rounds.push(ConnectsRound {
                without,
                with,
                done,
            });
        }
        rows.extend(rows_of(what, unit, &rounds));
    }
    Ok(rows)
}

fn rows_of(what: &str, unit: &'static str, rounds: &[ConnectsRound]) -> Vec<Row> {
    let row = |name: &str, unit, target, figure: fn(&ConnectsRound) -> f64| {
        Row::new(
            format!("{what}: {name}"),
            unit,
            target,
            rounds.iter().map(figure),
        )
    };
    let longer = Target::AtMost(LONGER);
    vec![
        row(
            "delay of 99 of 100 to others, longer by",
            "ms",
            longer,
            |round| (round.with.rank(0.99) - round.without.rank(0.99)) / 1e3,
        ),
        row(
            "delay of 99 of 100 to others, with ÷ without",
            "÷",
            Target::None,
            |round| round.with.rank(0.99) / round.without.rank(0.99),
        ),
        row("the longest delay", "ms", Target::None, |round| {
            round.with.rank(1.0) / 1e3
        }),
        row("how many there were", unit, Target::None, |round| {
            round.done
        }),
    ]
}

/// Such clients at work.
struct Others {
    process: Child,
    started: Instant,
}

impl Others {
    fn start(word: &str, door: &Door) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([word, &door.address.to_string()]);
        command.arg(door.key.as_deref().context("a host's door")?);
        let mut process = Child::start(&mut command)?;
        process.line_after("ready")?;
        Ok(Self {
            process,
            started: Instant::now(),
        })
    }

    /// What they did, a second.
    fn stop(mut self) -> Result<f64> {
        let time = self.started.elapsed();
        drop(self.process.stdin()?);
        let done: f64 = self.process.line_after("done ")?.parse()?;
        Ok(done / time.as_secs_f64())
    }
}

fn door(address: &str, key: &str) -> Result<Door> {
    Ok(Door {
        address: address.parse()?,
        key: Some(key.to_owned()),
    })
}

/// Whether this program's input has ended, watched by a thread.
fn watch_input() -> &'static AtomicBool {
    static ENDED: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| {
        // Nothing is written to it, and an error is an end too.
        let _ = std::io::stdin().read(&mut [0]);
        ENDED.store(true, Ordering::Relaxed);
    });
    &ENDED
}

/// Connects, subscribes and goes, until the input ends.
pub(crate) fn storm(address: &str, key: &str) -> Result<()> {
    let door = door(address, key)?;
    let ended = watch_input();
    let connected = AtomicUsize::new(0);
    println!("ready");
    let started = Instant::now();
    let work = |thread: usize| -> Result<()> {
        let channel = [feed::public_channel(0)];
        let mut held = VecDeque::new();
        for arrival in 0.. {
            let due = (arrival * THREADS + thread) as f64 / CONNECTS as f64;
            let due = Duration::from_secs_f64(due);
            std::thread::sleep(due.saturating_sub(started.elapsed()));
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let client = door.enter(10_000 + arrival * THREADS + thread, &channel)?;
            connected.fetch_add(1, Ordering::Relaxed);
            // Gone at once, and without a port that rests for a minute.
            socket2::SockRef::from(&client.socket).set_linger(Some(Duration::ZERO))?;
            held.push_back(client);
            if held.len() > HELD {
                held.pop_front();
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(move || work(n))).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
    })?;
    println!("done {}", connected.into_inner());
    Ok(())
}

/// Subscribes to 20,000 channels and gives them up again, 1,000 a request, until the input ends.
pub(crate) fn ask_much(address: &str, key: &str) -> Result<()> {
    const EACH: usize = 1_000;
    let names: Vec<_> = (1..=20 * EACH).map(feed::public_channel).collect();
    let mut client = door(address, key)?.enter(10_000, &[])?;
    let ended = watch_input();
    println!("ready");
    let mut done = 0;
    while !ended.load(Ordering::Relaxed) {
        for action in ["subscribe", "unsubscribe"] {
            for names in names.chunks(EACH) {
                client.request(action, names)?;
                done += 1;
            }
        }
    }
    println!("done {done}");
    Ok(())
}
