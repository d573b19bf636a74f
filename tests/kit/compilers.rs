//! The compilers that a host has started, seen from outside: how many there are, what memory
//! they may take, and the means to stop one for a while, as a busy machine does.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::wait::{eventually, secs};

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compiler(Pid);

impl Compiler {
    pub fn stop(self) {
        self.signal(Signal::STOP);
    }

    pub fn go_on(self) {
        self.signal(Signal::CONT);
    }

    /// Whether it has ended.
    pub fn is_gone(self) -> bool {
        test_kill_process(self.0).is_err()
    }

    /// Bytes of address space that it may take, once it has limited itself.
    pub fn memory(self) -> Option<u64> {
        let limits = format!("/proc/{}/limits", self.0.as_raw_nonzero());
        let limits = std::fs::read_to_string(limits).ok()?;
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max address space"))?;
        line.split_whitespace().nth(3)?.parse().ok()
    }

    /// Whether it has given up system calls, and the means to get rights back.
    pub fn is_confined(self) -> bool {
        let status = format!("/proc/{}/status", self.0.as_raw_nonzero());
        let status = std::fs::read_to_string(status).unwrap_or_default();
        let says = |line: &str| status.lines().any(|said| said == line);
        says("NoNewPrivs:\t1") && says("Seccomp:\t2")
    }

    /// It may have ended meanwhile.
    fn signal(self, signal: Signal) {
        let _ = kill_process(self.0, signal);
    }
}

/// Those of a host now.
pub fn of(host: u32) -> Vec<Compiler> {
    let processes = processes();
    let children =
        processes.filter(|process| parent(*process) == Some(host) && is_compiler(*process));
    children
        .filter_map(|child| Some(Compiler(Pid::from_raw(child.cast_signed())?)))
        .collect()
}

/// Waits until a host has one.
pub async fn first_of(host: u32) -> Compiler {
    eventually("a compiler", secs(20), async || of(host).first().copied()).await
}

/// The host that was started in this folder.
pub fn host_in(folder: &Path) -> Option<u32> {
    let folder = folder.canonicalize().ok()?;
    let works_there = |process: &u32| {
        let place = std::fs::read_link(format!("/proc/{process}/cwd"));
        place.is_ok_and(|place| place == folder)
    };
    processes().find(works_there)
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("the system shows its processes");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Any of them may have ended meanwhile.
fn parent(of: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{of}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(1)?.parse().ok()
}

fn is_compiler(process: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    arguments.split(|byte| *byte == 0).nth(1) == Some(b"compile")
}
