//! Compiles components in a child process with limits, one at a time: a component of a
//! kilobyte can ask for gigabytes and for hours, and then a child ends, not the host.
//!
//! The child is this program's own `compile` command; it limits itself before it reads. Here
//! stands what the parent does: hand over, wait no longer than it may, and say what came of it.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use rustix::process::Signal;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::compile::Compiled;
use super::engine::Engine;
use super::guest_log::printable;

/// What the child ends with when it was refused memory and could still say so.
pub const OUT_OF_MEMORY: u8 = 3;

/// How much code may come of a component: so many bytes in any case, and so many for each of
/// its own. The built-in ones have less than 3 for each; a bomb that stays within the limits
/// of the compiler has a hundred thousand, and would go on to weigh on the host.
const CODE_IN_ANY_CASE: u64 = 4 << 20;
const CODE_FOR_EACH_BYTE: u64 = 8;

/// What is read of the child's words, in bytes, and told, in characters.
const MAX_SAID: u64 = 4096;
const MAX_TOLD: usize = 600;

/// Where components are compiled that nobody vouches for. Clones share the one place.
#[derive(Debug, Clone)]
pub struct Compiler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The child's program, and arguments before its own.
    program: Vec<OsString>,
    stack: usize,
    memory_limit: u64,
    time_limit: Duration,
    turn: Mutex<()>,
}

/// How a child ended, and what it left.
struct Ended {
    status: ExitStatus,
    code: Vec<u8>,
    said: Vec<u8>,
}

impl Compiler {
    /// `memory_limit` in bytes, of address space; `time_limit` by the clock.
    pub fn new(engine: &Engine, memory_limit: u64, time_limit: Duration) -> Self {
        Self::with_program(own_program(), engine.stack, memory_limit, time_limit)
    }

    fn with_program(
        program: Vec<OsString>,
        stack: usize,
        memory_limit: u64,
        time_limit: Duration,
    ) -> Self {
        Self(Arc::new(Shared {
            program,
            stack,
            memory_limit,
            time_limit,
            turn: Mutex::new(()),
        }))
    }

    /// Compiles a component of at most `max_size` bytes, after those that were here before.
    /// A dropped call takes its child with it.
    ///
    /// # Errors
    /// What is wrong with the component, for its developer.
    pub async fn compile(&self, component: &[u8], max_size: u64) -> Result<Compiled, Vec<String>> {
        check_size(component.len() as u64, max_size)?;
        let _turn = self.0.turn.lock().await;
        let most = (component.len() as u64)
            .saturating_mul(CODE_FOR_EACH_BYTE)
            .saturating_add(CODE_IN_ANY_CASE);
        let child = self
            .0
            .spawn()
            .map_err(|error| vec![format!("the compiler cannot be started: {error}")])?;
        let ended =
            match tokio::time::timeout(self.0.time_limit, talk(child, component, most)).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => return Err(vec![format!("the compiler was not heard: {error}")]),
                Err(_) => return Err(vec![self.0.too_long()]),
            };
        if ended.code.len() as u64 > most {
            let most = ByteSize(most);
            return Err(vec![format!(
                "its machine code has more than {most}, far beyond what its size explains"
            )]);
        }
        self.0.verdict(ended).map_err(|fault| vec![fault])
    }
}

/// # Errors
/// That the component is too big.
pub fn check_size(size: u64, max_size: u64) -> Result<(), Vec<String>> {
    if size > max_size {
        return Err(vec![format!(
            "it has more than the {max_size} bytes of max-component-size"
        )]);
    }
    Ok(())
}

impl Shared {
    fn spawn(&self) -> std::io::Result<Child> {
        let (program, arguments) = self.program.split_first().expect("made with one at least");
        // Past its time the parent ends it; this is for a child that outlives its parent.
        let seconds = self.time_limit.as_secs() + 1;
        Command::new(program)
            .args(arguments)
            .arg("compile")
            .args(["--memory", &self.memory_limit.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(["--stack", &self.stack.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn verdict(&self, ended: Ended) -> Result<Compiled, String> {
        let said = String::from_utf8_lossy(&ended.said);
        if ended.status.success() {
            return Ok(Compiled::from_child(ended.code));
        }
        if let Some(code) = ended.status.code() {
            return Err(match code {
                1 => printable(said.lines().next().unwrap_or_default(), MAX_TOLD),
                code if code == i32::from(OUT_OF_MEMORY) => self.too_much(),
                code => format!(
                    "the compiler failed on it (exit code {code}); that is a fault of the compiler, worth a report"
                ),
            });
        }
        // Most allocations that fail end a program: by an abort, or by the system's hand.
        Err(match ended.status.signal() {
            Some(signal) if signal == Signal::XCPU.as_raw() => self.too_long(),
            _ if said.contains("overflowed its stack") => {
                "it is nested deeper than the compiler can follow".into()
            }
            _ => self.too_much(),
        })
    }

    fn too_much(&self) -> String {
        format!(
            "compiling it took more than the {} of compile-memory",
            ByteSize(self.memory_limit)
        )
    }

    fn too_long(&self) -> String {
        format!(
            "compiling it took longer than the {} of compile-time",
            humantime::format_duration(self.time_limit)
        )
    }
}

/// This very binary, also if its file was replaced since it was started.
fn own_program() -> Vec<OsString> {
    const RUNNING: &str = "/proc/self/exe";
    let program = if Path::new(RUNNING).exists() {
        RUNNING.into()
    } else {
        std::env::current_exe().map_or_else(|_| "tidegate".into(), OsString::from)
    };
    vec![program]
}

/// Hands the component over and takes what comes back, `most` bytes of code and one more.
async fn talk(mut child: Child, component: &[u8], most: u64) -> std::io::Result<Ended> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let give = async {
        // A child that ended early is known by how it ended.
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(component).await;
        }
    };
    let (code, said, ()) = tokio::join!(
        read(stdout, most.saturating_add(1)),
        read(stderr, MAX_SAID),
        give
    );
    Ok(Ended {
        code: code?,
        said: said?,
        status: child.wait().await?,
    })
}

async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
