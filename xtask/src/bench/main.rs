//! `cargo xtask bench`: what a delivery, an idle session and a transform call cost, each beside
//! the least that the same work could cost on the same machine in the same run.
//!
//! `fanout` and `idle` measure the real host on a real Redis, `bare` is the loop of `send` that
//! the fan-out is compared with, `calls` runs the guests with and without WebAssembly, `swap`
//! changes a transform under load, `report` writes it all down. docs/performance.md says how to read the figures.

mod bare;
mod calls;
mod child;
mod fanout;
mod feed;
mod host;
mod idle;
mod publisher;
mod reader;
mod report;
mod sessions;
mod spread;
mod swap;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const HELP: &str = "\
Usage: cargo xtask bench [swap] [--quick] [--json]

  swap      Only what an apply and a rollback do to deliveries
  --quick   A small run of under a minute: to see that it works, not to quote
  --json    Every round's figures for scripts, instead of a table for people
";

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Subscribers of the fan-out.
    sessions: usize,
    /// How often host and bare loop take turns.
    rounds: usize,
    /// Messages a second at the moderate rate, each to every session.
    rate: u32,
    /// Messages of a round at that rate.
    paced: usize,
    /// Messages of a round, one after the other.
    single: usize,
    /// Messages of a round at full tilt.
    tilt: usize,
    /// Sessions whose memory is measured.
    idle: usize,
    /// Transform calls of a round, for each way of calling.
    calls: usize,
    swap: swap::Plan,
}

const FULL: Plan = Plan {
    sessions: 1_000,
    rounds: 5,
    rate: 20,
    paced: 100,
    single: 150,
    tilt: 1_000,
    idle: 5_000,
    calls: 100_000,
    swap: swap::Plan {
        rounds: 20,
        sessions: 200,
        markets: 50,
        rate: 5_000,
        quiet: 5_000,
    },
};

const QUICK: Plan = Plan {
    rounds: 2,
    paced: 40,
    single: 40,
    tilt: 200,
    idle: 1_000,
    calls: 20_000,
    swap: swap::Plan {
        rounds: 3,
        ..FULL.swap
    },
    ..FULL
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    // The other side of the comparison is this program again, as a process of its own.
    if let [bare::WORD, sessions] = words {
        return bare::run(sessions.parse()?);
    }
    let (mut plan, mut as_json, mut only_swap) = (FULL, false, false);
    for word in words {
        match *word {
            "--quick" => plan = QUICK,
            "--json" => as_json = true,
            "swap" => only_swap = true,
            _ => bail!("no such option: {word}\n\n{HELP}"),
        }
    }
    allow_files(plan.idle.max(2 * plan.sessions) as u64 + 500)?;
    let binary = host::Binary::prepare()?;
    if only_swap {
        let swaps = swap::measure(&plan.swap, &binary)?;
        if as_json {
            println!("{:#}", swap::json(&plan.swap, &swaps));
        } else {
            print!("{}", swap::table(&plan.swap, &swaps));
        }
        return Ok(());
    }
    let calls = calls::measure(&plan)?;
    let idle = idle::measure(&plan, &binary)?;
    let fanout = fanout::measure(&plan, &binary)?;
    let swaps = swap::measure(&plan.swap, &binary)?;
    let report = report::Report {
        plan,
        fanout,
        idle,
        calls,
        swaps,
    };
    if as_json {
        println!("{:#}", report.json());
    } else {
        print!("\n{}", report.table());
    }
    Ok(())
}

/// Says what happens, apart from what is printed in the end.
fn progress(text: &str) {
    eprintln!("    {text}");
}

/// Sees to it that this process and its children may have so many files open.
fn allow_files(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(needed),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("{needed} files must be allowed: raise `ulimit -n`"))
}
