//! What a session costs that nothing comes for: the host's resident memory for each, its
//! processor time with all of them at their heartbeats, and with none; and, since the machine
//! has to hold both ends of a connection, what the kernel takes for a pair.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::child::Child;
use crate::crowd::{self, Crowd, Wish};
use crate::door::Door;
use crate::feed;
use crate::host::{Binary, Host};
use crate::plan::Plan;
use crate::progress;
use crate::row::{Row, Target};

/// Connected and gone before memory is weighed: what is needed once is there then.
const WARM_UP: usize = 300;

/// How long a host without sessions is watched.
const NOTHING: Duration = Duration::from_secs(5);

struct Weight {
    resident: f64,
    kernel: f64,
}

pub(crate) fn measure(plan: &Plan, binary: &Binary) -> Result<Vec<Row>> {
    let [some, many] = plan.idle;
    let most = many.to_string();
    // A session is a file, and of files there are not many more than that.
    let settings = [
        ["--heartbeat-interval", plan.heartbeat],
        ["--max-connections", &most],
        ["--max-pending-upgrades", "500"],
    ];
    let host = Host::listening(binary, "127.0.0.1:0", &settings.concat())?;
    let door = host.door();
    progress("idle: a host without sessions");
    warm_up(&door)?;
    std::thread::sleep(plan.rest);
    let without = load(&host.process, NOTHING.min(plan.watched))?;
    let empty = weigh(&host.process)?;
    let (mut crowds, mut weights) = (Vec::new(), Vec::new());
    for sessions in plan.idle {
        progress(&format!("idle: connecting {sessions} sessions"));
        fill(&mut crowds, &door, sessions)?;
        std::thread::sleep(plan.rest);
        weights.push(weigh(&host.process)?);
    }
    progress(&format!("idle: {many} sessions for {:?}", plan.watched));
    let with = load(&host.process, plan.watched)?;
    for crowd in &mut crowds {
        crowd.expect(0).context("a session has ended")?;
        crowd.got()?;
    }
    let mut rows = Vec::new();
    let mut row = |what: String, unit, target, figure| {
        rows.push(Row::new(what, unit, target, [figure]));
    };
    for (sessions, weight) in plan.idle.into_iter().zip(&weights) {
        let each = (weight.resident - empty.resident) / sessions as f64;
        let what = format!("idle: resident a session, {sessions} sessions");
        row(what, "bytes", Target::AtMost(512.0), each);
    }
    let [first, last] = &weights[..] else {
        anyhow::bail!("two weights");
    };
    let further = (many - some) as f64;
    let each = (last.resident - first.resident) / further;
    row(
        "idle: resident, each further session".to_owned(),
        "bytes",
        Target::None,
        each,
    );
    let kernel = (last.kernel - first.kernel) / further / 2.0;
    let what = "idle: kernel memory, an end of a connection".to_owned();
    row(what, "bytes", Target::None, kernel);
    let files = host.process.files()? as f64 / many as f64;
    row(
        "idle: open files a session".to_owned(),
        "",
        Target::None,
        files,
    );
    row(
        format!(
            "idle: CPU with {many} sessions, heartbeats {}",
            plan.heartbeat
        ),
        "%",
        Target::AtMost(2.0),
        with,
    );
    row(
        "idle: CPU with no session".to_owned(),
        "%",
        Target::AtMost(0.2),
        without,
    );
    let resident = empty.resident / f64::from(1 << 20);
    row(
        "idle: resident with no session".to_owned(),
        "MiB",
        Target::None,
        resident,
    );
    Ok(rows)
}

fn warm_up(door: &Door) -> Result<()> {
    let channel = [feed::public_channel(0)];
    let clients: Result<Vec<_>> = (0..WARM_UP).map(|n| door.enter(n, &channel)).collect();
    drop(clients?);
    Ok(())
}

/// Connects further crowds until there are so many sessions, each crowd a process.
fn fill(crowds: &mut Vec<Crowd>, door: &Door, sessions: usize) -> Result<()> {
    let already = |crowds: &[Crowd]| -> usize { crowds.iter().map(|crowd| crowd.clients).sum() };
    let before = crowds.len();
    while already(crowds) < sessions {
        let first = already(crowds);
        let clients = (sessions - first).min(crowd::MOST);
        crowds.push(Crowd::start(door, first, clients, Wish::One)?);
    }
    crowds[before..].iter_mut().try_for_each(Crowd::ready)
}

/// Processor time of a process in per cent of the time that passes.
fn load(process: &Child, time: Duration) -> Result<f64> {
    let before = process.cpu()?;
    std::thread::sleep(time);
    let used = process.cpu()?.since(&before);
    Ok(100.0 * used.as_secs_f64() / time.as_secs_f64())
}

/// What the process has, and what the kernel has for all.
fn weigh(process: &Child) -> Result<Weight> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Slab:"));
    let slab = line.and_then(|line| line.split_whitespace().next());
    let slab: u64 = slab.context("a line Slab")?.parse()?;
    Ok(Weight {
        resident: process.resident_bytes()? as f64,
        kernel: slab as f64 * 1024.0,
    })
}
