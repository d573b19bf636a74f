//! A child process that dies with the test that started it: on drop, on panic, and (by
//! `setpriv --pdeathsig`) when the test process itself is killed. Its output is collected
//! for failure messages. What the process is, is for others to know.

use std::collections::HashSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};

use crate::wait::{eventually, secs, until};

/// What a stream of the process has said so far.
#[derive(Clone, Default)]
pub struct Output {
    said: Arc<Mutex<String>>,
    /// Held by the thread that collects it, until the stream ends.
    reader: Arc<()>,
}

impl Output {
    /// All of it, as text.
    pub fn text(&self) -> String {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many lines contain `needle`.
    pub fn lines_with(&self, needle: &str) -> usize {
        self.text().lines().filter(|l| l.contains(needle)).count()
    }

    /// Whether all of it is here.
    fn is_whole(&self) -> bool {
        Arc::strong_count(&self.reader) == 1
    }

    fn collect(&self, from: impl Read + Send + 'static) {
        let Self { said, reader } = self.clone();
        std::thread::spawn(move || {
            // Named, or the closure would not hold it.
            let _reader = reader;
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(from.read_until(b'\n', &mut line), Ok(n) if n > 0) {
                said.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    pub stdout: Output,
    pub stderr: Output,
}

impl Process {
    /// Starts `program`; `prepare` adds arguments, environment and folder.
    pub fn start(program: &Path, prepare: impl FnOnce(&mut Command)) -> Self {
        Self::start_with(program, None, prepare)
    }

    /// The same with another standard error, which is then not collected.
    pub fn start_with(
        program: &Path,
        stderr_to: Option<OwnedFd>,
        prepare: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        prepare(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr_to.map_or_else(Stdio::piped, Stdio::from))
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv {}: {error}", program.display()));
        let (stdout, stderr) = (Output::default(), Output::default());
        stdout.collect(child.stdout.take().expect("stdout is piped"));
        if let Some(piped) = child.stderr.take() {
            stderr.collect(piped);
        }
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name.into_owned(),
            child,
            stdout,
            stderr,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal)
            .unwrap_or_else(|error| panic!("signal to {}: {error}", self.name));
    }

    /// Kills it and waits until its sockets are gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The exit status, where it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .unwrap_or_else(|error| panic!("wait for {}: {error}", self.name))
    }

    /// Waits for it to end by itself.
    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        let what = format!("the end of {}", self.name);
        let status = eventually(&what, within, async || self.ended()).await;
        until("all of its output", secs(10), async || {
            self.stdout.is_whole() && self.stderr.is_whole()
        })
        .await;
        status
    }

    /// Sets how many files it may have open from now on.
    pub fn limit_open_files(&self, count: u64) {
        let limit = Rlimit {
            current: Some(count),
            maximum: getrlimit(Resource::Nofile).maximum,
        };
        prlimit(Some(self.pid()), Resource::Nofile, limit).expect("prlimit of one's own child");
    }

    /// How many files it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id()))
            .expect("the process lives")
            .count()
    }

    /// How many threads it has.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.id()))
            .expect("the process lives")
            .count()
    }

    /// How often all its threads together have been woken or interrupted.
    pub fn context_switches(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id()));
        let threads = threads.expect("the process lives").flatten();
        // A thread may end while the folder is read.
        let status =
            threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok());
        let counts = status.map(|status| {
            let lines = status.lines().filter_map(|line| line.split_once(":\t"));
            let switches = lines.filter(|(name, _)| name.ends_with("ctxt_switches"));
            let counts = switches.map(|(_, count)| count.parse::<u64>());
            counts.sum::<Result<u64, _>>().expect("counts are numbers")
        });
        counts.sum()
    }

    /// Processor time that it has used, in steps of ten milliseconds.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))
            .expect("the process lives");
        let (_, after_name) = stat.rsplit_once(')').expect("the name is in brackets");
        let ticks: u64 = after_name
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|ticks| ticks.parse::<u64>().expect("user and system time"))
            .sum();
        Duration::from_millis(ticks * 10)
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id()))
            .expect("the process lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        kib.expect("VmRSS is a number of KiB") * 1024
    }
}

/// The timer of a quiet connection that the kernel keeps alive, as `/proc/net/tcp` has it.
pub const KEEPALIVE: u8 = 2;

impl Process {
    /// Which timer runs for each of its connections to this port of loopback: none is 0.
    pub fn tcp_timers_to(&self, port: u16) -> Vec<u8> {
        let folder = format!("/proc/{}/fd", self.id());
        let own: HashSet<String> = std::fs::read_dir(folder)
            .expect("the process lives")
            .filter_map(|file| {
                let target = std::fs::read_link(file.ok()?.path()).ok()?;
                let inode = target.to_str()?.strip_prefix("socket:[")?;
                Some(inode.strip_suffix(']')?.to_owned())
            })
            .collect();
        let table = format!("/proc/{}/net/tcp", self.id());
        let table = std::fs::read_to_string(table).expect("the process lives");
        let remote = format!("0100007F:{port:04X}");
        let timer = |line: &str| {
            let columns: Vec<_> = line.split_whitespace().collect();
            let ours = columns.get(2) == Some(&remote.as_str()) && own.contains(*columns.get(9)?);
            let timer = columns.get(5)?.split(':').next()?;
            u8::from_str_radix(timer, 16).ok().filter(|_| ours)
        };
        table.lines().filter_map(timer).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
