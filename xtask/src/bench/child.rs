//! Processes under observation: ended on drop, with what the kernel says of their processor
//! time and memory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A running child whose standard output is read line by line.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    lines: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_owned();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let stdout = process.stdout.take().context("stdout is piped")?;
        Ok(Self {
            process,
            lines: BufReader::new(stdout),
        })
    }

    /// Waits for a line that begins with `word`, and gives what follows.
    pub(crate) fn line_after(&mut self, word: &str) -> Result<String> {
        let mut line = String::new();
        while self.lines.read_line(&mut line)? > 0 {
            if let Some(rest) = line.strip_prefix(word) {
                return Ok(rest.trim().to_owned());
            }
            line.clear();
        }
        anyhow::bail!("a child ended before it said `{word}`")
    }

    /// The child's standard input, once.
    pub(crate) fn stdin(&mut self) -> Result<ChildStdin> {
        self.process.stdin.take().context("stdin is piped")
    }

    /// Processor time of all its threads until now, to the nanosecond.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let mut threads = HashMap::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let entry = entry?;
            // A thread may have ended since the folder was read.
            if let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) {
                let nanoseconds = text.split_whitespace().next();
                let nanoseconds = nanoseconds.context("three numbers")?.parse()?;
                threads.insert(entry.file_name(), Duration::from_nanos(nanoseconds));
            }
        }
        ensure!(
            !threads.is_empty(),
            "the kernel does not say what threads use"
        );
        Ok(Cpu(threads))
    }

    /// Bytes of memory that are its own or mapped from files, and in use.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/smaps_rollup", self.process.id());
        let text = fs::read_to_string(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("a line Rss")?.parse::<u64>()? * 1024)
    }

    /// Files that it has open.
    pub(crate) fn files(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Processor time of each thread.
#[derive(Debug)]
pub(crate) struct Cpu(HashMap<OsString, Duration>);

impl Cpu {
    /// What was used since then, but for threads that have ended.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, now)| {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        used.sum()
    }
}
