//! `tidegate compile`: a component on standard input, machine code on standard output. The
//! host starts it for every component that nobody vouches for, so it limits itself first.
//!
//! It is no command for people, and its form may change with any version.

use std::io::{Read, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, nice, setrlimit};

use crate::transform::{CompileError, Engine, OUT_OF_MEMORY, compile_here};

/// The host and what it delivers go first.
const NICE: i32 = 10;

#[derive(Debug, clap::Args)]
pub(super) struct CompileArgs {
    /// Bytes of address space
    #[arg(long)]
    memory: u64,
    /// Seconds of processor time
    #[arg(long)]
    seconds: u64,
    /// Bytes of stack that a call may use
    #[arg(long)]
    stack: usize,
}

/// Ends with 1 and a line on standard error for a component that is none, and with a code of
/// its own for too little memory.
pub(super) fn run(args: &CompileArgs) -> ExitCode {
    match compile(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::print::complain(&crate::causes::whole(&error));
            match error.downcast_ref() {
                Some(CompileError::OutOfMemory) => ExitCode::from(OUT_OF_MEMORY),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn compile(args: &CompileArgs) -> anyhow::Result<()> {
    limit(args).context("cannot limit itself")?;
    let mut component = Vec::new();
    std::io::stdin()
        .read_to_end(&mut component)
        .context("cannot read the component")?;
    let compiled = compile_here(&Engine::without_clock(args.stack)?, &component)?;
    let mut out = std::io::stdout().lock();
    out.write_all(compiled.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write the code")
}

fn limit(args: &CompileArgs) -> rustix::io::Result<()> {
    for (resource, soft, hard) in [
        (Resource::As, args.memory, args.memory),
        // At the soft one it ends with a signal that says why.
        (Resource::Cpu, args.seconds, args.seconds.saturating_add(1)),
        // A core would hold the component, and fill a disk.
        (Resource::Core, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(soft),
            maximum: Some(hard),
        };
        setrlimit(resource, limit)?;
    }
    nice(NICE).map(|_| ())
}
