//! Compiles components in child processes with limits: a component of a kilobyte can ask for
//! gigabytes and for hours, and then a child ends, not the host.
//!
//! The child is this program's own `compile` command; it limits itself before it reads. Here
//! stands what the parent does: share out memory, hand over, and say what came of it. How long
//! a child may go on is for `patience`.

mod patience;
mod room;
mod task;

use std::borrow::Cow;
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

use self::patience::{Overdue, overdue};
use self::room::CompileRoom;
use self::task::{CompileWork, Task};
use super::compile::CompiledCode;
use super::engine::Engine;
use super::guest_log::printable;
use super::inspect::Inspected;
use super::reuse::{Piece, Reuse, handed_over, taken_back};

/// What the child ends with when it was refused memory and could still say so.
pub const OUT_OF_MEMORY: u8 = 3;

/// What it ends with when it could not begin, or not hand over what it made.
pub const COULD_NOT_WORK: u8 = 4;

/// How long a child that was killed is waited for.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// What is read of the child's words, in bytes, and told, in characters.
const MAX_SAID: u64 = 4096;
const MAX_TOLD: usize = 600;

/// Where components are compiled that nobody vouches for. Clones share the one place.
#[derive(Debug, Clone)]
pub struct Compiler(Arc<CompilerSettings>);

#[derive(Debug)]
struct CompilerSettings {
    /// The child's program, and arguments before its own.
    program: Vec<OsString>,
    stack: usize,
    /// Bytes of address space for all children together.
    room: CompileRoom,
    time_limit: Duration,
}

/// How a child ended, and what it left.
struct ChildExit {
    status: ExitStatus,
    code: Vec<u8>,
    said: Vec<u8>,
}

/// Why a child gave no code.
#[derive(Debug)]
enum CompileFailure {
    NotStarted(std::io::Error),
    NotHeard(std::io::Error),
    /// The memory that the child had was not enough.
    Memory,
    Overdue(Overdue),
    /// More code came of it than so many bytes.
    TooMuchCode(u64),
    TooDeep,
    /// What the compiler says of the component.
    Component(String),
    /// Why the child could not work, whatever the component is.
    Machine(String),
    /// An exit code that it should not have.
    Compiler(i32),
}

/// That there is no machine code of a component, and why.
#[derive(Debug)]
pub struct Uncompiled {
    /// For the component's developer.
    pub fault: String,
    /// Whether the same bytes end so each time, whatever else the machine does.
    pub lasts: bool,
}

impl CompileFailure {
    /// Time and memory depend on what the machine had of them: another try may go otherwise.
    fn lasts(&self) -> bool {
        matches!(
            self,
            Self::Component(_) | Self::TooDeep | Self::TooMuchCode(_)
        )
    }
}

impl Compiler {
    /// `memory_limit` in bytes, of address space, for all that compile at a time; `time_limit`
    /// of the processor, for each.
    pub fn new(engine: &Engine, memory_limit: u64, time_limit: Duration) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let room = CompileRoom::new(memory_limit, cores);
        Self::with_program(own_program(), engine.stack, room, time_limit)
    }

    fn with_program(
        program: Vec<OsString>,
        stack: usize,
        room: CompileRoom,
        time_limit: Duration,
    ) -> Self {
        Self(Arc::new(CompilerSettings {
            program,
            stack,
            room,
            time_limit,
        }))
    }

    /// Compiles a component, beside others where there is room. One that its part of the memory
    /// is not enough for is compiled again, alone, with all of it. A dropped call takes its
    /// child with it.
    ///
    /// # Errors
    /// What is wrong with the component, for its developer.
    pub async fn compile(&self, component: &Inspected) -> Result<CompiledCode, Uncompiled> {
        self.compile_bytes(component.bytes()).await
    }

    /// The same with `bytes` of what earlier compilations have made, which `load` reads once there
    /// is memory for them, and with what is good for later ones.
    ///
    /// # Errors
    /// What is wrong with the component, for its developer.
    pub async fn compile_reusing(
        &self,
        component: &Inspected,
        bytes: u64,
        load: impl AsyncFnOnce(u64) -> Vec<Piece>,
    ) -> Result<(CompiledCode, Reuse), Uncompiled> {
        match self.try_reusing(component.bytes(), bytes, load).await {
            Ok((code, reuse)) => Ok((CompiledCode::from_child(code), reuse)),
            // Pieces are a help, and never what a component fails by.
            Err(CompileFailure::Memory | CompileFailure::Machine(_)) => {
                let compiled = self.compile(component).await;
                compiled.map(|code| (code, Reuse::default()))
            }
            Err(failure) => Err(self.0.uncompiled(&failure)),
        }
    }

    async fn try_reusing(
        &self,
        component: &[u8],
        bytes: u64,
        load: impl AsyncFnOnce(u64) -> Vec<Piece>,
    ) -> Result<(Vec<u8>, Reuse), CompileFailure> {
        let shared = &*self.0;
        let size = component.len() as u64;
        // The host holds the pieces until the child has them, as read and as new ones.
        let held = shared.room.hold(shared.room.part_of(size, 3 * bytes)).await;
        let pieces = load(bytes).await;
        let task = Task {
            size,
            handed: &handed_over(component, &pieces),
            work: CompileWork::CodeReusing,
        };
        let child = held.bytes().saturating_sub(bytes);
        let read = shared.inside(child, &task).await?;
        let cut_off = || CompileFailure::NotHeard(std::io::ErrorKind::UnexpectedEof.into());
        taken_back(read).ok_or_else(cut_off)
    }

    /// The lines of its sources, as `LineTable` takes them: read in a child too, under a limit of
    /// its own on time.
    ///
    /// # Errors
    /// Why it has none, for the host's log. Nothing depends on them.
    pub async fn line_table(&self, component: &Inspected) -> Result<Vec<u8>, String> {
        let shared = &*self.0;
        let task = Task {
            size: component.bytes().len() as u64,
            handed: &[Cow::Borrowed(component.bytes())],
            work: CompileWork::Lines,
        };
        let part = shared.room.part_of(task.size, 0);
        let table = shared.within(part, &task).await;
        table.map_err(|failure| match failure {
            CompileFailure::Memory => "it takes more memory than there is for it".into(),
            CompileFailure::Overdue(_) => "it takes more time than there is for it".into(),
            CompileFailure::TooMuchCode(most) => {
                format!("its lines take more than {}", ByteSize(most))
            }
            CompileFailure::TooDeep => "it is nested deeper than can be followed".into(),
            CompileFailure::Component(said) | CompileFailure::Machine(said) => said,
            failure => shared.words(&failure),
        })
    }

    async fn compile_bytes(&self, component: &[u8]) -> Result<CompiledCode, Uncompiled> {
        let shared = &*self.0;
        let task = Task {
            size: component.len() as u64,
            handed: &[Cow::Borrowed(component)],
            work: CompileWork::Code,
        };
        let part = shared.room.part_of(task.size, 0);
        let mut code = shared.within(part, &task).await;
        if matches!(code, Err(CompileFailure::Memory)) && part != shared.room.whole() {
            code = shared.within(shared.room.whole(), &task).await;
        }
        let compiled = code.map(CompiledCode::from_child);
        compiled.map_err(|failure| shared.uncompiled(&failure))
    }
}

impl CompilerSettings {
    /// Compiles once there is so much memory left, which is held for as long.
    async fn within(
        &self,
        part: room::RoomPart,
        task: &Task<'_>,
    ) -> Result<Vec<u8>, CompileFailure> {
        let held = self.room.hold(part).await;
        self.inside(held.bytes(), task).await
    }

    /// Compiles in a child that may take so many bytes of memory; somebody holds them for it.
    async fn inside(&self, memory: u64, task: &Task<'_>) -> Result<Vec<u8>, CompileFailure> {
        let time_limit = task.work.time_limit(self.time_limit);
        let child = self.spawn(memory, time_limit, task.work);
        let mut child = child.map_err(CompileFailure::NotStarted)?;
        let id = child.id();
        let ended = tokio::select! {
            biased;
            ended = talk(&mut child, task) => Ok(ended),
            overdue = overdue(id, time_limit) => Err(overdue),
        };
        let ended = match ended {
            Ok(ended) => ended.map_err(CompileFailure::NotHeard)?,
            Err(overdue) => {
                // The child's memory is free for the next one only when the child is gone.
                let _ = tokio::time::timeout(LAST_WAIT, child.kill()).await;
                return Err(CompileFailure::Overdue(overdue));
            }
        };
        if task.is_too_much(&ended.code) {
            return Err(CompileFailure::TooMuchCode(task.most_code()));
        }
        verdict(ended)
    }

    /// `memory` in bytes.
    fn spawn(
        &self,
        memory: u64,
        time_limit: Duration,
        work: CompileWork,
    ) -> std::io::Result<Child> {
        let (program, arguments) = self.program.split_first().expect("made with one at least");
        // Past its time the parent ends it; this is for a child that outlives its parent.
        let seconds = time_limit.as_secs() + 1;
        Command::new(program)
            .args(arguments)
            .arg("compile")
            .args(["--memory", &memory.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(["--stack", &self.stack.to_string()])
            .args(work.argument())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn uncompiled(&self, failure: &CompileFailure) -> Uncompiled {
        Uncompiled {
            fault: self.words(failure),
            lasts: failure.lasts(),
        }
    }

    fn words(&self, failure: &CompileFailure) -> String {
        match failure {
            CompileFailure::NotStarted(error) => format!("the compiler cannot be started: {error}"),
            CompileFailure::NotHeard(error) => format!("the compiler was not heard: {error}"),
            CompileFailure::Memory => format!(
                "compiling it took more than the {} of compile-memory",
                ByteSize(self.room.bytes())
            ),
            CompileFailure::Overdue(Overdue::Busy) => format!(
                "compiling it took more processor time than the {} of compile-time",
                humantime::format_duration(self.time_limit)
            ),
            CompileFailure::Overdue(Overdue::Idle(time)) => format!(
                "the compiler has used no processor time for {}, {} times compile-time, and was \
                 ended; nothing is wrong with the component as far as is known, so send it again",
                humantime::format_duration(*time),
                patience::IDLE_TIMES
            ),
            CompileFailure::TooMuchCode(most) => format!(
                "its machine code has more than {}, far beyond what its size explains",
                ByteSize(*most)
            ),
            CompileFailure::TooDeep => "it is nested deeper than the compiler can follow".into(),
            CompileFailure::Component(said) => said.clone(),
            CompileFailure::Machine(said) => format!(
                "the compiler could not work: {said}; nothing is wrong with the component as far as \
                 is known, so send it again"
            ),
            CompileFailure::Compiler(code) => format!(
                "the compiler failed on it (exit code {code}); that is a fault of the compiler, worth a report"
            ),
        }
    }
}

fn first_line(said: &str) -> String {
    printable(said.lines().next().unwrap_or_default(), MAX_TOLD)
}

/// What the end of a child says.
fn verdict(ended: ChildExit) -> Result<Vec<u8>, CompileFailure> {
    let said = String::from_utf8_lossy(&ended.said);
    if ended.status.success() {
        return Ok(ended.code);
    }
    if let Some(code) = ended.status.code() {
        return Err(match code {
            1 => CompileFailure::Component(first_line(&said)),
            code if code == i32::from(OUT_OF_MEMORY) => CompileFailure::Memory,
            code if code == i32::from(COULD_NOT_WORK) => CompileFailure::Machine(first_line(&said)),
            code => CompileFailure::Compiler(code),
        });
    }
    // Most allocations that fail end a program: by an abort, or by the system's hand.
    Err(match ended.status.signal() {
        Some(signal) if signal == Signal::XCPU.as_raw() => CompileFailure::Overdue(Overdue::Busy),
        _ if said.contains("overflowed its stack") => CompileFailure::TooDeep,
        _ => CompileFailure::Memory,
    })
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

/// Hands over what the task says and takes what comes back.
async fn talk(child: &mut Child, task: &Task<'_>) -> std::io::Result<ChildExit> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take();
    let stderr = child.stderr.take();
    let give = async {
        // A child that ended early is known by how it ended.
        if let Some(mut stdin) = stdin {
            for part in task.handed {
                if stdin.write_all(part).await.is_err() {
                    return;
                }
            }
        }
    };
    let (code, said, ()) =
        tokio::join!(read(stdout, task.most_read()), read(stderr, MAX_SAID), give);
    Ok(ChildExit {
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
