//! Processes under observation: ended on drop, with what the kernel says of their processor
//! time and memory.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

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

    /// Processor time of all its threads, in user mode and in the kernel. The kernel counts in
    /// hundredths of a second.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("a name in brackets")?;
        let mut ticks = fields.split_whitespace().skip(11);
        let mut next = || -> Result<Duration> {
            let ticks: u64 = ticks.next().context("two times")?.parse()?;
            Ok(Duration::from_millis(10 * ticks))
        };
        Ok(Cpu {
            user: next()?,
            system: next()?,
        })
    }

    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.context("a line VmRSS")?.parse::<u64>()? * 1024)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Either fails only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Processor time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}
