//! `cargo xtask bench`: what Tidegate costs, beside the least that the same work could cost on
//! the same machine in the same run, and whether what it promises holds.
//!
//! `rows` has what is measured, a part a file. `side` sends to measured clients: the real host
//! on a real Redis, or one of the two loops in `bare`. `row` and `spread` write it down.
//! docs/performance.md says how to read the figures.

mod bare;
mod child;
mod crowd;
mod door;
mod feed;
mod frames;
mod host;
mod plan;
mod publisher;
mod reader;
mod row;
mod rows;
mod side;
mod sip;
mod spread;
mod swap;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::feed::Markets;
use crate::row::Row;
use crate::rows::{PARTS, Part};

const HELP: &str = "\
Usage: cargo xtask bench [PART...] [--quick] [--json] [--host PATH] [--against PATH]

  --quick      A small run of under a minute: to see that it works, not to quote
  --json       Each row as a line of JSON as soon as it is known, instead of a table
  --host PATH  Measure that binary instead of this tree's; also TIDEGATE_BENCH_HOST
  --against PATH
               What a delivery costs beside that binary, in turns, and no part that is not named

Parts, all of them if none is named:
";

/// What the rows beside another binary stand under.
const AGAINST: &str = "against";

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
    // What stands around the host is this program again, in processes of their own.
    match *words {
        [bare::WORD, baseline, sessions, markets] => {
            bare::run(baseline, sessions.parse()?, Markets(markets.parse()?))
        }
        [crowd::WORD, address, key, first, clients, wish] => {
            crowd::run(address, key, first, clients, wish)
        }
        [rows::BEHIND_LINK, address, key, clients, first, messages] => {
            rows::behind_link(address, key, clients, first, messages)
        }
        [rows::STORM, address, key] => rows::storm(address, key),
        [rows::REQUESTS, address, key] => rows::ask_much(address, key),
        _ => bench(words),
    }
}

fn bench(words: &[&str]) -> Result<()> {
    let (mut plan, mut as_json) = (plan::FULL, false);
    let mut host = std::env::var_os("TIDEGATE_BENCH_HOST").map(PathBuf::from);
    let mut against: Option<PathBuf> = None;
    let mut parts: Vec<&Part> = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--quick" => plan = plan::QUICK,
            "--json" => as_json = true,
            "--host" => host = Some(words.next().context("--host needs a path")?.into()),
            "--against" => {
                against = Some(words.next().context("--against needs a path")?.into());
            }
            "-h" | "--help" => {
                println!("{}", help());
                return Ok(());
            }
            name => match PARTS.iter().find(|part| part.name == name) {
                Some(part) => parts.push(part),
                None => bail!("no such part or option: {name}\n\n{}", help()),
            },
        }
    }
    if parts.is_empty() && against.is_none() {
        parts.extend(&PARTS);
    }
    allow_files()?;
    let binary = host::Binary::prepare(host.as_deref())?;
    let against = against.map(|path| host::Binary::prepare(Some(&path)));
    let against = against.transpose()?;
    let mut report = Report {
        as_json,
        rows: Vec::new(),
        failed: Vec::new(),
    };
    for part in parts {
        report.take(part.name, || (part.measure)(&plan, &binary));
    }
    if let Some(against) = &against {
        report.take(AGAINST, || rows::measure_against(&plan, &binary, against));
    }
    report.end()
}

/// What was measured so far.
struct Report {
    as_json: bool,
    rows: Vec<Row>,
    /// Names of parts.
    failed: Vec<&'static str>,
}

impl Report {
    fn take(&mut self, name: &'static str, measure: impl FnOnce() -> Result<Vec<Row>>) {
        let started = Instant::now();
        match measure() {
            Ok(measured) => {
                if self.as_json {
                    measured
                        .iter()
                        .for_each(|row| println!("{}", row.json(name)));
                }
                self.rows.extend(measured);
            }
            Err(error) => {
                eprintln!("\n{name} failed: {error:#}\n");
                self.failed.push(name);
            }
        }
        progress(&format!("{name}: {:.0} s", started.elapsed().as_secs_f64()));
    }

    fn end(self) -> Result<()> {
        if !self.as_json {
            print!("\n{}", row::table(&self.rows));
        }
        ensure!(
            self.failed.is_empty(),
            "could not measure: {}",
            self.failed.join(", ")
        );
        Ok(())
    }
}

fn help() -> String {
    let lines = PARTS
        .iter()
        .map(|part| format!("  {:<11}  {}", part.name, part.about));
    let lines: Vec<String> = lines.collect();
    format!("{HELP}{}", lines.join("\n"))
}

/// Says what happens, apart from what is printed in the end.
fn progress(text: &str) {
    eprintln!("    {text}");
}

/// As many open files as this process and its children may have: each client is one.
fn allow_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("the limit on open files could not be raised")
}
